#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <openssl/ssl.h>

#include <cohort/tls/credentials.hpp>

namespace cohort::detail {

/// Frees what OpenSSL made.
template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T* made) const noexcept {
        Free(made);
    }
};

using ssl_context = std::shared_ptr<SSL_CTX>;

/// The first thing that OpenSSL noted since the last look, in its words; never empty.
[[nodiscard]] std::string openssl_says();

/// The identity in a certificate's URI; none when there is not exactly one that reads
/// `cohort://<cluster>/<role>`.
[[nodiscard]] std::optional<node_identity> identity_of(const X509& certificate);

class credentials_state {
public:
    explicit credentials_state(tls_files files) : files_{std::move(files)} {}

    [[nodiscard]] result<void> read(world& from);
    [[nodiscard]] result<bool> refresh(world& from);
    [[nodiscard]] ssl_context context() const;
    [[nodiscard]] node_identity self() const;

    [[nodiscard]] static credentials_state& of(const tls_credentials& whole) {
        return *whole.state_;
    }
    [[nodiscard]] static tls_credentials wrap(std::shared_ptr<credentials_state> state) {
        auto whole = tls_credentials{};
        whole.state_ = std::move(state);
        return whole;
    }

private:
    struct content {
        std::string chain;
        std::string key;
        std::string authority;
    };
    [[nodiscard]] result<content> load(world& from) const;
    [[nodiscard]] result<void> use(const content& found);
    [[nodiscard]] bool is_news(const result<content>& found);

    const tls_files files_;
    mutable std::mutex mutex_;  // a reload may come from any thread
    std::array<std::size_t, 3> last_look_{};
    ssl_context context_;
    node_identity self_;
};

}  // namespace cohort::detail
