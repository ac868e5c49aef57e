#include <cohort/tls/secure.hpp>

#include <array>

#include <cohort/task/awaiters.hpp>
#include <cohort/tls/detail/tls_stream.hpp>

namespace cohort {
namespace {

constexpr std::size_t read_bytes = 4096;
constexpr std::size_t handshake_bytes_max = std::size_t{256} * 1024;

task<result<void>> send_all(stream& to, std::string_view wire) {
    while (!wire.empty()) {
        auto piece = std::array{std::as_bytes(std::span{wire})};
        auto outcome = co_await write_some(to, piece);
        if (outcome.code != errc::ok) {
            co_return error{outcome.code, "the connection failed during the TLS handshake", "tls"};
        }
        wire.remove_prefix(outcome.bytes);
    }
    co_return result<void>{};
}

task<result<void>> shake_hands(stream& raw, detail::tls_session& session) {
    using state = detail::tls_session::state;
    auto room = std::vector<std::byte>(read_bytes);
    auto received = std::size_t{0};
    for (;;) {
        auto made = session.handshake();
        auto wire = byte_buffer{};
        session.take_output(wire);
        // After a failure too: this is how the peer hears of it.
        auto sent = co_await send_all(raw, wire.view());
        if (made == state::failed) {
            co_return error{errc::invalid, session.why(), "tls"};
        }
        if (!sent || made == state::done) {
            // What the peer said right behind its last part of the handshake.
            session.keep_input();
            co_return sent;
        }
        auto outcome = co_await read_some(raw, room);
        if (outcome.code != errc::ok) {
            co_return error{outcome.code, "the peer went away during the TLS handshake", "tls"};
        }
        received += outcome.bytes;
        if (received > handshake_bytes_max) {
            co_return error{errc::too_large, "the TLS handshake is over its limit", "tls"};
        }
        session.feed(std::span{room}.first(outcome.bytes));
    }
}

}  // namespace

task<result<secured_stream>> secure(std::unique_ptr<stream> raw, tls_side side,
                                    tls_credentials credentials, std::vector<std::string> roles) {
    auto session = std::make_unique<detail::tls_session>(
        credentials, side == tls_side::client, this_core().world().wall_now(), std::move(roles));
    auto done = co_await shake_hands(*raw, *session);
    if (!done) {
        raw.reset();  // not with this frame, which may live on for a while
        co_return std::move(done).error();
    }
    auto peer = session->peer();
    co_return secured_stream{detail::make_tls_stream(std::move(raw), std::move(session)),
                             std::move(peer)};
}

}  // namespace cohort
