#include <cohort/world/asio_reactor.hpp>

#include <array>
#include <chrono>
#include <unordered_map>
#include <utility>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include <cohort/world/frame_pool.hpp>

namespace cohort {
namespace {

namespace asio = boost::asio;
using executor_type = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<asio::ip::tcp, executor_type>;
using acceptor_type = asio::basic_socket_acceptor<asio::ip::tcp, executor_type>;

errc code_of(const boost::system::error_code& failure) noexcept {
    if (!failure) {
        return errc::ok;
    }
    if (failure == asio::error::eof || failure == asio::error::connection_reset ||
        failure == asio::error::broken_pipe) {
        return errc::end_of_stream;
    }
    return failure == asio::error::operation_aborted ? errc::cancelled : errc::network;
}

// Asio's handler: one pointer, with memory from the core's pool, because operations are started
// outside `run`, where Asio's own recycling does not work.
struct completion_handler {
    using allocator_type = pool_allocator<std::byte>;
    [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }

    void operator()(const boost::system::error_code& failure, std::size_t bytes = 0) const {
        done->complete(*done, {code_of(failure), bytes});
    }
    io_completion* done;
};

endpoint to_endpoint(const asio::ip::tcp::endpoint& address) {
    return {address.address().to_string(), address.port()};
}

result<asio::ip::tcp::endpoint> from_endpoint(const endpoint& address) {
    boost::system::error_code failure;
    auto numeric =
        asio::ip::make_address(address.host == "localhost" ? "127.0.0.1" : address.host, failure);
    if (failure) {
        return error{errc::invalid, "'" + address.host + "' is not a numeric address"};
    }
    return asio::ip::tcp::endpoint{numeric, address.port};
}

// The one place where a connection gets its options.
void configure(socket_type& socket) {
    boost::system::error_code ignored;
    // Without it a pipelined batch waits 40 ms for the peer's delayed acknowledgement.
    socket.set_option(asio::ip::tcp::no_delay{true}, ignored);
    socket.non_blocking(true, ignored);
}

class asio_stream final : public stream {
public:
    explicit asio_stream(socket_type socket) : socket_{std::move(socket)} { configure(socket_); }

    std::optional<io_outcome> read_some(std::span<std::byte> buffer, io_completion& done) override {
        socket_.async_read_some(asio::buffer(buffer.data(), buffer.size()),
                                completion_handler{&done});
        return std::nullopt;
    }

    std::optional<io_outcome> write_some(std::span<const std::span<const std::byte>> buffers,
                                         io_completion& done) override {
        // One buffer, the common case, is a plain send.
        if (buffers.size() == 1) {
            return write_now(asio::buffer(buffers[0].data(), buffers[0].size()), done);
        }
        return write_now(gather(buffers), done);
    }

    void cancel() noexcept override {
        boost::system::error_code ignored;
        socket_.cancel(ignored);
    }

    void end_writing() noexcept override {
        boost::system::error_code ignored;
        socket_.shutdown(socket_type::shutdown_send, ignored);
    }

    void close() noexcept override {
        boost::system::error_code ignored;
        socket_.shutdown(socket_type::shutdown_both, ignored);
        socket_.close(ignored);
    }

    endpoint peer() const override {
        boost::system::error_code failure;
        auto address = socket_.remote_endpoint(failure);
        return failure ? endpoint{"unknown", 0} : to_endpoint(address);
    }

private:
    static constexpr std::size_t buffers_max = 8;

    template <class Buffers>
    std::optional<io_outcome> write_now(const Buffers& gathered, io_completion& done) {
        // Most writes fit into the socket's buffer: trying first saves an operation and a turn.
        boost::system::error_code failure;
        auto bytes = socket_.write_some(gathered, failure);
        if (failure == asio::error::would_block || failure == asio::error::try_again) {
            socket_.async_write_some(gathered, completion_handler{&done});
            return std::nullopt;
        }
        return io_outcome{code_of(failure), bytes};
    }

    static std::array<asio::const_buffer, buffers_max> gather(
        std::span<const std::span<const std::byte>> buffers) {
        COHORT_ASSERT(buffers.size() <= buffers_max, "one write gathers at most 8 buffers");
        auto gathered = std::array<asio::const_buffer, buffers_max>{};
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            gathered[i] = asio::buffer(buffers[i].data(), buffers[i].size());
        }
        return gathered;
    }

    socket_type socket_;
};

class asio_incoming final : public incoming_stream {
public:
    asio_incoming(int descriptor, asio::ip::tcp protocol)
        : descriptor_{descriptor}, protocol_{protocol} {}
    ~asio_incoming() override {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
    }
    asio_incoming(const asio_incoming&) = delete;
    asio_incoming& operator=(const asio_incoming&) = delete;

    result<std::unique_ptr<stream>> attach(reactor& here) override {
        auto& context = *static_cast<asio::io_context*>(here.io_context());
        auto socket = socket_type{context.get_executor()};
        boost::system::error_code failure;
        socket.assign(protocol_, descriptor_, failure);
        if (failure) {
            return error{errc::network, failure.message(), "attach"};
        }
        descriptor_ = -1;
        return std::unique_ptr<stream>{std::make_unique<asio_stream>(std::move(socket))};
    }

private:
    int descriptor_;
    asio::ip::tcp protocol_;
};

class asio_listener final : public listener {
public:
    asio_listener(acceptor_type acceptor, asio::ip::tcp protocol)
        : acceptor_{std::move(acceptor)}, socket_{acceptor_.get_executor()}, protocol_{protocol} {}

    void accept(std::unique_ptr<incoming_stream>& accepted, io_completion& done) override {
        acceptor_.async_accept(
            socket_,
            asio::bind_allocator(pool_allocator<std::byte>{},
                                 [this, &accepted, &done](boost::system::error_code failure) {
                                     if (!failure) {
                                         failure = release(accepted);
                                     }
                                     done.complete(done, {code_of(failure), 0});
                                 }));
    }

    void close() noexcept override {
        boost::system::error_code ignored;
        acceptor_.close(ignored);
    }

    endpoint local() const override {
        boost::system::error_code failure;
        auto address = acceptor_.local_endpoint(failure);
        return failure ? endpoint{"unknown", 0} : to_endpoint(address);
    }

private:
    boost::system::error_code release(std::unique_ptr<incoming_stream>& accepted) {
        boost::system::error_code failure;
        auto descriptor = socket_.release(failure);
        if (!failure) {
            accepted = std::make_unique<asio_incoming>(descriptor, protocol_);
        }
        return failure;
    }

    acceptor_type acceptor_;
    socket_type socket_;
    asio::ip::tcp protocol_;
};

class asio_reactor final : public reactor {
public:
    asio_reactor() : context_{1}, work_{context_.get_executor()} {}

    std::size_t poll() override {
        context_.restart();
        return context_.poll();
    }

    void wait(std::optional<time_point> deadline) override {
        context_.restart();
        if (!deadline) {
            context_.run_one();
            return;
        }
        auto left = *deadline - asio_now();
        if (left > duration::zero()) {
            context_.run_one_for(std::chrono::ceil<std::chrono::milliseconds>(left));
        }
    }

    void wake() noexcept override {
        asio::post(context_, [] {});
    }

    result<std::unique_ptr<listener>> listen(const endpoint& local) override {
        auto address = from_endpoint(local);
        if (!address) {
            return address.error();
        }
        auto acceptor = acceptor_type{context_.get_executor()};
        boost::system::error_code failure;
        acceptor.open(address->protocol(), failure);
        if (!failure) {
            // SO_REUSEADDR skips TIME_WAIT; SO_REUSEPORT is left alone on purpose: with it a second
            // node on the same port is accepted silently.
            acceptor.set_option(acceptor_type::reuse_address{true}, failure);
        }
        if (!failure) {
            acceptor.bind(*address, failure);
        }
        if (!failure) {
            acceptor.listen(4096, failure);
        }
        if (failure) {
            return error{errc::network,
                         "cannot listen on " + local.text() + ": " + failure.message()};
        }
        return std::unique_ptr<listener>{
            std::make_unique<asio_listener>(std::move(acceptor), address->protocol())};
    }

    void connect(const endpoint& remote, std::unique_ptr<stream>& connected,
                 io_completion& done) override {
        auto address = from_endpoint(remote);
        if (!address) {
            asio::post(context_, [&done] { done.complete(done, {errc::invalid, 0}); });
            return;
        }
        auto attempt = std::make_shared<pending_connect>(socket_type{context_.get_executor()});
        connecting_.emplace(&done, attempt.get());
        attempt->socket.async_connect(
            *address, [this, attempt, &connected, &done](boost::system::error_code failure) {
                connecting_.erase(&done);
                if (!failure) {
                    connected = std::make_unique<asio_stream>(std::move(attempt->socket));
                }
                done.complete(done, {code_of(failure), 0});
            });
    }

    void cancel_connect(io_completion& done) noexcept override {
        if (auto found = connecting_.find(&done); found != connecting_.end()) {
            boost::system::error_code ignored;
            found->second->socket.close(ignored);
        }
    }

    void* io_context() noexcept override { return &context_; }

private:
    struct pending_connect {
        explicit pending_connect(socket_type value) : socket{std::move(value)} {}
        socket_type socket;
    };

    asio::io_context context_;
    asio::executor_work_guard<executor_type> work_;
    std::unordered_map<io_completion*, pending_connect*> connecting_;
};

}  // namespace

std::unique_ptr<reactor> make_asio_reactor() { return std::make_unique<asio_reactor>(); }

}  // namespace cohort
