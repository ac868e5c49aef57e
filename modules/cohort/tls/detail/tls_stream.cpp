#include <cohort/tls/detail/tls_stream.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

namespace cohort::detail {
namespace {

constexpr std::size_t read_bytes = std::size_t{64} * 1024;
constexpr std::size_t write_bytes_max = std::size_t{64} * 1024;
constexpr std::size_t kept_wire_bytes = std::size_t{80} * 1024;
constexpr std::size_t buffers_max = 8;

// What somebody else left in the thread's queue of errors would be taken for ours. Looking costs
// far less than clearing.
void forget_errors() noexcept {
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

}  // namespace

// -- the conversation ----------------------------------------------------------------------------

tls_session::tls_session(const tls_credentials& own, bool client, wall_time now,
                         std::vector<std::string> roles)
    : context_{credentials_state::of(own).context()}, ssl_{SSL_new(context_.get())},
      self_{own.self()}, roles_{std::move(roles)} {
    auto* wire = BIO_new(between());
    auto* raw = ssl_.get();
    if (raw == nullptr || wire == nullptr) {
        BIO_free(wire);
        throw std::bad_alloc{};
    }
    BIO_set_data(wire, this);
    BIO_set_init(wire, 1);
    SSL_set_bio(raw, wire, wire);
    SSL_set_app_data(raw, this);
    SSL_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, &check_peer);
    X509_VERIFY_PARAM_set_time(SSL_get0_param(raw), std::chrono::system_clock::to_time_t(now));
    client ? SSL_set_connect_state(raw) : SSL_set_accept_state(raw);
}

int tls_session::check_peer(int accepted, X509_STORE_CTX* chain) noexcept {
    auto* ssl =
        static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto& self = *static_cast<tls_session*>(SSL_get_app_data(ssl));
    if (accepted != 1) {
        self.why_ = std::string{"the peer's certificate is refused: "} +
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(chain));
        return 0;
    }
    if (X509_STORE_CTX_get_error_depth(chain) == 0 &&
        !self.accepts(*X509_STORE_CTX_get_current_cert(chain))) {
        X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    return 1;
}

bool tls_session::accepts(const X509& certificate) {
    auto who = identity_of(certificate);
    if (!who) {
        why_ = "the peer's certificate names no node";
        return false;
    }
    if (who->cluster != self_.cluster) {
        why_ = "the peer is " + who->uri() + ", a node of another cluster";
        return false;
    }
    if (!roles_.empty() && std::find(roles_.begin(), roles_.end(), who->role) == roles_.end()) {
        why_ = "the peer is " + who->uri() + ", whose role is not admitted here";
        return false;
    }
    peer_ = std::move(*who);
    return true;
}

tls_session::state tls_session::outcome_of(int returned) {
    if (returned == 1) {
        return state::done;
    }
    switch (SSL_get_error(ssl_.get(), returned)) {
        case SSL_ERROR_WANT_READ:
            return state::wants_bytes;
        case SSL_ERROR_ZERO_RETURN:
            ended_ = true;
            return state::failed;
        default:
            broken_ = true;
            if (why_.empty()) {
                why_ = openssl_says();
            }
            return state::failed;
    }
}

tls_session::state tls_session::handshake() {
    forget_errors();
    return outcome_of(SSL_do_handshake(ssl_.get()));
}

void tls_session::feed(std::span<const std::byte> wire) noexcept {
    COHORT_ASSERT(input_.empty(), "TLS asks for bytes when it has taken all before");
    input_ = wire;
}

void tls_session::keep_input() {
    kept_input_.assign(input_.begin(), input_.end());
    input_ = kept_input_;
}

tls_session::state tls_session::read(std::span<std::byte> room, std::size_t& size) {
    size = 0;
    if (input_.empty() && SSL_pending(ssl_.get()) == 0 && !ended_ && !broken_) {
        return state::wants_bytes;  // OpenSSL would take longer to say so
    }
    forget_errors();
    return outcome_of(SSL_read_ex(ssl_.get(), room.data(), room.size(), &size));
}

bool tls_session::write(std::span<const std::byte> plain) {
    if (plain.empty()) {
        return true;
    }
    forget_errors();
    std::size_t taken = 0;
    return outcome_of(SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &taken)) == state::done;
}

void tls_session::end_writing() noexcept {
    forget_errors();
    SSL_shutdown(ssl_.get());
}

void tls_session::take_output(byte_buffer& wire) {
    if (wire.empty()) {
        swap(wire, output_);
    } else {
        wire.append(output_.view());
    }
    output_.clear();
}

BIO_METHOD* tls_session::between() noexcept {
    static auto* const made = [] {
        auto* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "two buffers");
        if (method != nullptr) {
            BIO_meth_set_read(method, &take_input);
            BIO_meth_set_write(method, &put_output);
            // Flushing is all that TLS asks for.
            BIO_meth_set_ctrl(method, [](BIO*, int what, long, void*) -> long {
                return what == BIO_CTRL_FLUSH ? 1 : 0;
            });
        }
        return method;
    }();
    return made;
}

int tls_session::take_input(BIO* from, char* to, int size) noexcept {
    auto& input = static_cast<tls_session*>(BIO_get_data(from))->input_;
    BIO_clear_retry_flags(from);
    if (input.empty()) {
        BIO_set_retry_read(from);
        return -1;
    }
    auto taken = std::min(input.size(), static_cast<std::size_t>(size));
    std::memcpy(to, input.data(), taken);
    input = input.subspan(taken);
    return static_cast<int>(taken);
}

int tls_session::put_output(BIO* to, const char* from, int size) noexcept {
    static_cast<tls_session*>(BIO_get_data(to))
        ->output_.append({from, static_cast<std::size_t>(size)});
    return size;
}

// -- the stream ----------------------------------------------------------------------------------

namespace {

/// What a TLS stream is made of. It outlives the stream until the operations of the one below have
/// come back, because those complete here.
class engine {
public:
    engine(std::unique_ptr<stream> raw, std::unique_ptr<tls_session> session)
        : raw_{std::move(raw)}, session_{std::move(session)}, room_(read_bytes),
          read_done_{{&read_came_back}, this}, write_done_{{&write_came_back}, this} {}

    std::optional<io_outcome> read_some(std::span<std::byte> buffer, io_completion& done) {
        COHORT_ASSERT(reader_ == nullptr, "a stream has at most one read at a time");
        buffer_ = buffer;
        auto outcome = go_on_reading();
        if (!outcome) {
            reader_ = &done;
        }
        return outcome;
    }

    std::optional<io_outcome> write_some(std::span<const std::span<const std::byte>> buffers,
                                         io_completion& done) {
        COHORT_ASSERT(writer_ == nullptr, "a stream has at most one write at a time");
        COHORT_ASSERT(buffers.size() <= buffers_max, "one write gathers at most 8 buffers");
        if (raw_writing_) {
            // What goes out came from reading; this write begins behind it.
            writer_ = &done;
            waiting_ = buffers.size();
            std::copy(buffers.begin(), buffers.end(), to_write_.begin());
            return std::nullopt;
        }
        auto outcome = begin_write(buffers);
        if (!outcome) {
            writer_ = &done;
        }
        return outcome;
    }

    void cancel() noexcept { raw_->cancel(); }

    void end_writing() {
        session_->end_writing();
        ends_writing_ = true;
        send_what_is_due();
    }

    void close() noexcept {
        closed_ = true;
        raw_->close();
    }

    /// The stream is gone.
    void abandon() noexcept {
        close();
        abandoned_ = true;
        end_if_abandoned();
    }

    [[nodiscard]] endpoint peer() const { return raw_->peer(); }

private:
    struct completion : io_completion {
        engine* owner;
    };

    /// Decrypts, and reads from below until there is something; none while that has to wait.
    std::optional<io_outcome> go_on_reading() {
        for (;;) {
            std::size_t size = 0;
            auto state = session_->read(buffer_, size);
            send_what_is_due();
            if (state == tls_session::state::done) {
                return io_outcome{errc::ok, size};
            }
            if (state == tls_session::state::failed) {
                return io_outcome{session_->ended() ? errc::end_of_stream : errc::network, 0};
            }
            auto below = raw_->read_some(room_, read_done_);
            if (!below) {
                raw_reading_ = true;
                return std::nullopt;
            }
            if (auto end = take(*below)) {
                return end;
            }
        }
    }

    /// Takes what came from below; an outcome when that ends the read.
    std::optional<io_outcome> take(io_outcome below) {
        if (below.code == errc::ok) {
            session_->feed(std::span{room_}.first(below.bytes));
            return std::nullopt;
        }
        // An end that TLS does not know of may be somebody who cuts the stream short.
        return io_outcome{below.code == errc::end_of_stream ? errc::truncated : below.code, 0};
    }

    std::optional<io_outcome> begin_write(std::span<const std::span<const std::byte>> buffers) {
        taken_ = 0;
        for (auto piece : buffers) {
            auto part = piece.first(std::min(piece.size(), write_bytes_max - taken_));
            if (!session_->write(part)) {
                return io_outcome{errc::network, 0};
            }
            taken_ += part.size();
        }
        session_->take_output(wire_);
        return flush();
    }

    /// Sends what is encrypted; none while that has to wait.
    std::optional<io_outcome> flush() {
        while (sent_ < wire_.size()) {
            auto rest = wire_.view().substr(sent_);
            auto piece = std::array{std::as_bytes(std::span{rest})};
            auto below = raw_->write_some(piece, write_done_);
            if (!below) {
                raw_writing_ = true;
                return std::nullopt;
            }
            if (below->code != errc::ok) {
                return io_outcome{below->code, 0};
            }
            sent_ += below->bytes;
        }
        sent_ = 0;
        wire_.clear(kept_wire_bytes);
        if (ends_writing_) {
            raw_->end_writing();
        }
        return io_outcome{errc::ok, taken_};
    }

    /// Reading and ending make bytes for the wire too.
    void send_what_is_due() {
        if (raw_writing_) {
            return;  // taken along behind what is on its way
        }
        session_->take_output(wire_);
        if (!wire_.empty()) {
            static_cast<void>(flush());
        }
    }

    static void read_came_back(io_completion& done, io_outcome below) noexcept {
        auto& self = *static_cast<completion&>(done).owner;
        self.raw_reading_ = false;
        auto outcome = self.take(below);
        if (!outcome && !self.closed_) {
            outcome = self.go_on_reading();
        } else if (!outcome) {
            outcome = io_outcome{errc::cancelled, 0};
        }
        self.tell(outcome ? &self.reader_ : nullptr, outcome);
    }

    static void write_came_back(io_completion& done, io_outcome below) noexcept {
        auto& self = *static_cast<completion&>(done).owner;
        self.raw_writing_ = false;
        auto outcome = std::optional<io_outcome>{below};
        if (below.code == errc::ok) {
            self.sent_ += below.bytes;
            outcome = self.go_on_writing();
        } else if (below.code == errc::cancelled && !self.closed_ && self.waiting_ == 0) {
            // What is encrypted cannot be taken back: it goes out before the next.
            outcome->code = errc::ok;
            outcome->bytes = self.taken_;
        }
        if (outcome) {
            self.waiting_ = 0;
        }
        self.tell(outcome ? &self.writer_ : nullptr, outcome);
    }

    std::optional<io_outcome> go_on_writing() {
        session_->take_output(wire_);
        auto outcome = flush();
        if (outcome && outcome->code == errc::ok && waiting_ != 0) {
            return begin_write(std::span{to_write_}.first(std::exchange(waiting_, 0)));
        }
        return outcome;
    }

    /// The last thing that a completion does: who hears of it may end the stream, and this with it.
    void tell(io_completion** waiting, std::optional<io_outcome> outcome) noexcept {
        auto* done = waiting != nullptr ? std::exchange(*waiting, nullptr) : nullptr;
        end_if_abandoned();
        if (done != nullptr) {
            done->complete(*done, *outcome);
        }
    }

    void end_if_abandoned() noexcept {
        if (abandoned_ && !raw_reading_ && !raw_writing_) {
            delete this;
        }
    }

    std::unique_ptr<stream> raw_;
    std::unique_ptr<tls_session> session_;

    std::vector<std::byte> room_;
    std::span<std::byte> buffer_;
    io_completion* reader_ = nullptr;
    completion read_done_;

    byte_buffer wire_;  // encrypted; must not move while it is being sent
    std::size_t sent_ = 0;
    std::size_t taken_ = 0;  // plain bytes of the write that is under way
    io_completion* writer_ = nullptr;
    completion write_done_;
    std::size_t waiting_ = 0;  // pieces of a write that has not begun
    std::array<std::span<const std::byte>, buffers_max> to_write_;

    bool raw_reading_ = false;
    bool raw_writing_ = false;
    bool ends_writing_ = false;
    bool closed_ = false;
    bool abandoned_ = false;
};

class tls_stream final : public stream {
public:
    explicit tls_stream(std::unique_ptr<engine> made) noexcept : engine_{made.release()} {}
    tls_stream(const tls_stream&) = delete;
    tls_stream& operator=(const tls_stream&) = delete;
    ~tls_stream() override { engine_->abandon(); }

    std::optional<io_outcome> read_some(std::span<std::byte> buffer, io_completion& done) override {
        return engine_->read_some(buffer, done);
    }
    std::optional<io_outcome> write_some(std::span<const std::span<const std::byte>> buffers,
                                         io_completion& done) override {
        return engine_->write_some(buffers, done);
    }
    void cancel() noexcept override { engine_->cancel(); }
    void end_writing() noexcept override { engine_->end_writing(); }
    void close() noexcept override { engine_->close(); }
    endpoint peer() const override { return engine_->peer(); }

private:
    engine* engine_;
};

}  // namespace

std::unique_ptr<stream> make_tls_stream(std::unique_ptr<stream> raw,
                                        std::unique_ptr<tls_session> session) {
    return std::make_unique<tls_stream>(
        std::make_unique<engine>(std::move(raw), std::move(session)));
}

}  // namespace cohort::detail
