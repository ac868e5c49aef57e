#include <cohort/world/asio_reactor.hpp>

#include <chrono>
#include <unordered_map>
#include <utility>

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <cohort/world/asio_streams.hpp>
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

class asio_incoming final : public incoming_stream {
public:
    explicit asio_incoming(int descriptor) : descriptor_{descriptor} {}
    ~asio_incoming() override {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
    }
    asio_incoming(const asio_incoming&) = delete;
    asio_incoming& operator=(const asio_incoming&) = delete;

    result<std::unique_ptr<stream>> attach(reactor& here) override;

private:
    int descriptor_;
};

class asio_listener final : public listener {
public:
    explicit asio_listener(acceptor_type acceptor)
        : acceptor_{std::move(acceptor)}, socket_{acceptor_.get_executor()} {}

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
        // What was accepted blocks until it is told not to, whoever reads it then.
        socket_.native_non_blocking(true, failure);
        auto descriptor = socket_.release(failure);
        if (!failure) {
            accepted = std::make_unique<asio_incoming>(descriptor);
        }
        return failure;
    }

    acceptor_type acceptor_;
    socket_type socket_;
};

class asio_reactor final : public reactor {
public:
    // Only the core's own thread starts operations; other threads post, which stays safe.
    // Only the core's own thread starts operations; other threads post, which stays safe.
    asio_reactor()
        : context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO}, work_{context_.get_executor()},
          streams_event_{context_, streams_.descriptor()} {}
    ~asio_reactor() override { streams_event_.release(); }

    std::size_t poll() override {
        auto moved = streams_.poll();
        if (moved != 0 && ++polls_ % polls_of_streams != 0) {
            return moved;
        }
        context_.restart();
        return moved + context_.poll();
    }

    void wait(std::optional<time_point> deadline) override {
        if (streams_.ready()) {
            poll();
            return;
        }
        if (!std::exchange(streams_awaited_, true)) {
            streams_event_.async_wait(
                asio::posix::stream_descriptor::wait_read,
                asio::bind_allocator(pool_allocator<std::byte>{},
                                     [this](boost::system::error_code failure) {
                                         streams_awaited_ = false;
                                         if (!failure) {
                                             streams_.poll();
                                         }
                                     }));
        }
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
        return std::unique_ptr<listener>{std::make_unique<asio_listener>(std::move(acceptor))};
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
                    failure = adopt(attempt->socket, connected);
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

    asio_streams& streams() noexcept { return streams_; }

private:
    // While streams are busy, one look in this many is for everything else.
    static constexpr unsigned polls_of_streams = 4;

    boost::system::error_code adopt(socket_type& socket, std::unique_ptr<stream>& connected) {
        boost::system::error_code failure;
        socket.native_non_blocking(true, failure);
        auto opened = streams_.open(socket.release(failure));
        if (!opened) {
            return asio::error::no_descriptors;
        }
        connected = std::move(*opened);
        return failure;
    }

    struct pending_connect {
        explicit pending_connect(socket_type value) : socket{std::move(value)} {}
        socket_type socket;
    };

    asio_streams streams_;
    asio::io_context context_;
    asio::executor_work_guard<executor_type> work_;
    asio::posix::stream_descriptor streams_event_;
    bool streams_awaited_ = false;
    unsigned polls_ = 0;
    std::unordered_map<io_completion*, pending_connect*> connecting_;
};

}  // namespace

result<std::unique_ptr<stream>> asio_incoming::attach(reactor& here) {
    return static_cast<asio_reactor&>(here).streams().open(std::exchange(descriptor_, -1));
}

std::unique_ptr<reactor> make_asio_reactor() { return std::make_unique<asio_reactor>(); }

}  // namespace cohort
