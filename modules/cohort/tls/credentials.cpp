#include <cohort/tls/credentials.hpp>

#include <array>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cohort/tls/detail/credentials_state.hpp>

namespace cohort {
namespace {

using detail::freed_by;
using bio = std::unique_ptr<BIO, freed_by<BIO_free>>;
using certificate = std::unique_ptr<X509, freed_by<X509_free>>;
using private_key = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;

constexpr std::size_t file_bytes_max = std::size_t{256} * 1024;
constexpr std::size_t names_max = 64;
constexpr std::size_t name_bytes_max = 512;

error refuse(const std::string& file, const std::string& why) {
    return error{errc::invalid, file + ": " + why, "tls"};
}

bio open(const std::string& text) {
    return bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

/// The certificates of a PEM text, in order.
std::vector<certificate> certificates_of(const std::string& text) {
    auto from = open(text);
    auto all = std::vector<certificate>{};
    while (auto* one = PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr)) {
        all.emplace_back(one);
    }
    ERR_clear_error();  // the end of the text is noted as an error
    return all;
}

// A key with a pass phrase would make OpenSSL ask at the terminal.
int no_pass_phrase(char*, int, int, void*) noexcept { return 0; }

result<detail::ssl_context> new_context() {
    auto context = detail::ssl_context{SSL_CTX_new(TLS_method()), SSL_CTX_free};
    auto* raw = context.get();
    if (raw == nullptr || SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(
            raw, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") !=
            1) {
        return error{errc::unsupported, detail::openssl_says(), "tls"};
    }
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Nodes keep their connections: tickets would only be one more secret to look after.
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(raw, 0);
    SSL_CTX_set_mode(raw, SSL_MODE_AUTO_RETRY);
    return context;
}

result<void> add_own(SSL_CTX& context, const tls_files& files, const std::string& chain_text,
                     const std::string& key_text) {
    auto chain = certificates_of(chain_text);
    if (chain.empty()) {
        return refuse(files.certificate, "holds no certificate");
    }
    auto from = open(key_text);
    auto key = private_key{PEM_read_bio_PrivateKey(from.get(), nullptr, no_pass_phrase, nullptr)};
    if (key == nullptr) {
        return refuse(files.key, "holds no key that can be read without a pass phrase");
    }
    if (X509_check_private_key(chain[0].get(), key.get()) != 1) {
        return refuse(files.key, "is not the key of " + files.certificate);
    }
    if (SSL_CTX_use_certificate(&context, chain[0].get()) != 1 ||
        SSL_CTX_use_PrivateKey(&context, key.get()) != 1) {
        return refuse(files.certificate, detail::openssl_says());
    }
    for (std::size_t index = 1; index < chain.size(); ++index) {
        if (SSL_CTX_add1_chain_cert(&context, chain[index].get()) != 1) {
            return refuse(files.certificate, detail::openssl_says());
        }
    }
    return {};
}

result<void> add_authorities(SSL_CTX& context, const tls_files& files, const std::string& text) {
    auto authorities = certificates_of(text);
    if (authorities.empty()) {
        return refuse(files.authority, "holds no certificate");
    }
    for (auto& one : authorities) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(&context), one.get()) != 1) {
            return refuse(files.authority, detail::openssl_says());
        }
    }
    return {};
}

bool is_name(std::string_view text) noexcept {
    constexpr auto allowed = std::string_view{
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "0123456789-._"};
    return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
}

}  // namespace

std::string detail::openssl_says() {
    auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) {
        return "no reason was given";
    }
    auto text = std::array<char, 256>{};
    ERR_error_string_n(code, text.data(), text.size());
    return text.data();
}

std::optional<node_identity> detail::identity_of(const X509& certificate) {
    using names = std::unique_ptr<GENERAL_NAMES, freed_by<GENERAL_NAMES_free>>;
    auto all = names{static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr))};
    auto found = std::optional<node_identity>{};
    auto count = all == nullptr ? 0 : sk_GENERAL_NAME_num(all.get());
    if (static_cast<std::size_t>(count) > names_max) {
        return std::nullopt;
    }
    for (int index = 0; index < count; ++index) {
        const auto* name = sk_GENERAL_NAME_value(all.get(), index);
        if (name->type != GEN_URI) {
            continue;
        }
        const auto* value = name->d.uniformResourceIdentifier;
        auto size = static_cast<std::size_t>(ASN1_STRING_length(value));
        auto text =
            std::string_view{reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), size};
        if (size > name_bytes_max || !text.starts_with("cohort://")) {
            continue;
        }
        text.remove_prefix(9);
        auto slash = text.find('/');
        if (found || slash == std::string_view::npos || !is_name(text.substr(0, slash)) ||
            !is_name(text.substr(slash + 1))) {
            return std::nullopt;
        }
        found =
            node_identity{std::string{text.substr(0, slash)}, std::string{text.substr(slash + 1)}};
    }
    return found;
}

result<detail::credentials_state::content> detail::credentials_state::load(world& from) const {
    auto chain = from.read_file(files_.certificate, file_bytes_max);
    auto key = from.read_file(files_.key, file_bytes_max);
    auto authority = from.read_file(files_.authority, file_bytes_max);
    for (auto* text : {&chain, &key, &authority}) {
        if (!*text) {
            return std::move(*text).error();
        }
    }
    return content{std::move(*chain), std::move(*key), std::move(*authority)};
}

bool detail::credentials_state::is_news(const result<content>& found) {
    // Not the texts themselves: a key has no second place in memory.
    auto hash = std::hash<std::string>{};
    auto look = found ? std::array{hash(found->chain), hash(found->key), hash(found->authority)}
                      : std::array{std::size_t{0}, std::size_t{0},
                                   static_cast<std::size_t>(found.error().code())};
    auto lock = std::lock_guard{mutex_};
    return std::exchange(last_look_, look) != look;
}

result<void> detail::credentials_state::read(world& from) {
    auto found = load(from);
    static_cast<void>(is_news(found));
    return found ? use(*found) : result<void>{std::move(found).error()};
}

result<bool> detail::credentials_state::refresh(world& from) {
    auto found = load(from);
    if (!is_news(found)) {
        return false;
    }
    if (!found) {
        return std::move(found).error();
    }
    if (auto used = use(*found); !used) {
        return std::move(used).error();
    }
    return true;
}

result<void> detail::credentials_state::use(const content& found) {
    auto made = new_context();
    if (!made) {
        return std::move(made).error();
    }
    if (auto added = add_own(**made, files_, found.chain, found.key); !added) {
        return added;
    }
    if (auto added = add_authorities(**made, files_, found.authority); !added) {
        return added;
    }
    auto who = identity_of(*SSL_CTX_get0_certificate(made->get()));
    if (!who) {
        return refuse(files_.certificate,
                      "names no node: it needs one URI of the form "
                      "cohort://<cluster>/<role>");
    }
    auto lock = std::lock_guard{mutex_};
    if (context_ != nullptr && who->cluster != self_.cluster) {
        return refuse(files_.certificate, "is for the cluster '" + who->cluster +
                                              "', and this node belongs to '" + self_.cluster +
                                              "'");
    }
    context_ = std::move(*made);
    self_ = std::move(*who);
    return {};
}

detail::ssl_context detail::credentials_state::context() const {
    auto lock = std::lock_guard{mutex_};
    return context_;
}

node_identity detail::credentials_state::self() const {
    auto lock = std::lock_guard{mutex_};
    return self_;
}

result<tls_credentials> tls_credentials::load(world& from, tls_files files) {
    auto state = std::make_shared<detail::credentials_state>(std::move(files));
    if (auto read = state->read(from); !read) {
        return std::move(read).error();
    }
    return detail::credentials_state::wrap(std::move(state));
}

result<void> tls_credentials::reload(world& from) { return state_->read(from); }

result<bool> tls_credentials::refresh(world& from) { return state_->refresh(from); }

node_identity tls_credentials::self() const { return state_->self(); }

}  // namespace cohort
