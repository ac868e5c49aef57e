#pragma once

#include <memory>
#include <string>
#include <vector>

#include <openssl/ssl.h>

#include <cohort/runtime/byte_buffer.hpp>
#include <cohort/tls/detail/credentials_state.hpp>
#include <cohort/world/network.hpp>

namespace cohort::detail {

/// One end of a TLS conversation between two buffers: bytes of the wire in and out, plain bytes out
/// and in. No socket and no clock but the instant that it is given.
class tls_session {
public:
    tls_session(const tls_credentials& own, bool client, wall_time now,
                std::vector<std::string> roles);

    enum class state : std::uint8_t { done, wants_bytes, failed };
    /// Goes on with the handshake.
    [[nodiscard]] state handshake();
    /// Gives bytes of the wire, when all before were taken; they stay where they are until then.
    void feed(std::span<const std::byte> wire) noexcept;
    /// Copies what was fed and not taken yet, because its place goes away.
    void keep_input();
    /// Plain bytes of what was fed. `failed` with `ended` is the peer's orderly end.
    [[nodiscard]] state read(std::span<std::byte> room, std::size_t& size);
    /// Encrypts; false when the conversation is broken.
    [[nodiscard]] bool write(std::span<const std::byte> plain);
    /// Says that nothing more will be written.
    void end_writing() noexcept;

    /// Appends what has to go to the wire, or takes the place of an empty buffer.
    void take_output(byte_buffer& wire);

    [[nodiscard]] bool ended() const noexcept { return ended_; }
    [[nodiscard]] const std::string& why() const noexcept { return why_; }
    [[nodiscard]] const node_identity& peer() const noexcept { return peer_; }

private:
    // Between OpenSSL and the two buffers, without a copy of their own.
    static BIO_METHOD* between() noexcept;
    static int take_input(BIO* from, char* to, int size) noexcept;
    static int put_output(BIO* to, const char* from, int size) noexcept;

    static int check_peer(int accepted, X509_STORE_CTX* chain) noexcept;
    [[nodiscard]] bool accepts(const X509& certificate);
    state outcome_of(int returned);

    ssl_context context_;
    std::unique_ptr<SSL, freed_by<SSL_free>> ssl_;
    std::span<const std::byte> input_;
    std::vector<std::byte> kept_input_;
    byte_buffer output_;
    node_identity self_;
    node_identity peer_;
    std::vector<std::string> roles_;
    std::string why_;
    bool ended_ = false;
    bool broken_ = false;
};

/// A stream that speaks TLS over another one, after the handshake.
[[nodiscard]] std::unique_ptr<stream> make_tls_stream(std::unique_ptr<stream> raw,
                                                      std::unique_ptr<tls_session> session);

}  // namespace cohort::detail
