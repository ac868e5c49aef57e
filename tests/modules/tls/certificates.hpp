#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cohort/testkit/co_test.hpp>
#include <cohort/tls/secure.hpp>
#include <cohort/world/simulated_world.hpp>

namespace cohort {

/// A key and a certificate in PEM, and the means to sign others with them.
class issued {
public:
    issued(EVP_PKEY* key, X509* certificate) : key_{key}, certificate_{certificate} {}

    [[nodiscard]] std::string certificate() const {
        return text([this](BIO* to) { PEM_write_bio_X509(to, certificate_.get()); });
    }
    [[nodiscard]] std::string key() const {
        return text([this](BIO* to) {
            PEM_write_bio_PrivateKey(to, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
    }
    [[nodiscard]] EVP_PKEY* raw_key() const { return key_.get(); }
    [[nodiscard]] X509* raw_certificate() const { return certificate_.get(); }

private:
    template <class Write>
    static std::string text(Write write) {
        auto* to = BIO_new(BIO_s_mem());
        write(to);
        char* content = nullptr;
        auto size = BIO_get_mem_data(to, &content);
        auto out = std::string{content, static_cast<std::size_t>(size)};
        BIO_free(to);
        return out;
    }
    struct free_key {
        void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    };
    struct free_certificate {
        void operator()(X509* one) const { X509_free(one); }
    };
    std::unique_ptr<EVP_PKEY, free_key> key_;
    std::unique_ptr<X509, free_certificate> certificate_;
};

struct certificate_options {
    std::string names;  // the subject's alternative names, as OpenSSL writes them; none: authority
    const issued* by = nullptr;
    wall_time from;
    std::chrono::seconds valid = std::chrono::hours{24};
};

inline issued issue(const certificate_options& options) {
    static long serial = 1;
    auto* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    auto* one = X509_new();
    X509_set_version(one, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(one), ++serial);
    auto begin = std::chrono::system_clock::to_time_t(options.from);
    ASN1_TIME_set(X509_getm_notBefore(one), begin);
    ASN1_TIME_set(X509_getm_notAfter(one), begin + options.valid.count());
    X509_set_pubkey(one, key);
    auto* name = X509_get_subject_name(one);
    auto text = options.by == nullptr ? "authority " + std::to_string(serial) : std::string{"node"};
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
    auto add = [&](int what, const std::string& value) {
        auto* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
        X509_add_ext(one, extension, -1);
        X509_EXTENSION_free(extension);
    };
    if (options.by == nullptr) {
        add(NID_basic_constraints, "critical,CA:TRUE");
        add(NID_key_usage, "critical,keyCertSign");
    } else {
        add(NID_ext_key_usage, "serverAuth,clientAuth");
        if (!options.names.empty()) {
            add(NID_subject_alt_name, options.names);
        }
    }
    X509_set_issuer_name(
        one, options.by == nullptr ? name : X509_get_subject_name(options.by->raw_certificate()));
    X509_sign(one, options.by == nullptr ? key : options.by->raw_key(), nullptr);
    return {key, one};
}

inline simulated_world& simulated(testkit::test_context self) {
    return static_cast<simulated_world&>(self.core().world());
}

/// Puts a node's files into the simulated world and loads them.
inline result<tls_credentials> load_node(testkit::test_context self, const issued& node,
                                         const issued& authority,
                                         const std::string& folder = "node") {
    auto& files = simulated(self).files;
    files[folder + "/certificate.pem"] = node.certificate();
    files[folder + "/key.pem"] = node.key();
    files[folder + "/authority.pem"] = authority.certificate();
    return tls_credentials::load(simulated(self), {folder + "/certificate.pem", folder + "/key.pem",
                                                   folder + "/authority.pem"});
}

}  // namespace cohort
