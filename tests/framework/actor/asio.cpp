#include <cohort/actor/asio.hpp>

#include <thread>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <cohort/testkit/co_test.hpp>

namespace cohort {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

struct question {
    using reply = result<std::string>;
};
using oracle = protocol<question>;

asio::awaitable<int> from_asio(int value) {
    auto timer =
        asio::steady_timer{co_await asio::this_coro::executor, std::chrono::milliseconds{1}};
    co_await timer.async_wait(asio::use_awaitable);
    if (value < 0) {
        throw std::runtime_error{"planned"};
    }
    co_return value;
}

task<std::string> talk_to_itself() {
    auto acceptor =
        tcp::acceptor{asio_executor(), tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
    auto client = tcp::socket{asio_executor()};
    auto server = tcp::socket{asio_executor()};
    auto connected = co_await client.async_connect(acceptor.local_endpoint(), asio::deferred);
    auto accepted = co_await acceptor.async_accept(server, asio::deferred);
    if (!connected || !accepted) {
        co_return "no connection";
    }
    auto text = std::string{"hello"};
    auto written = co_await asio::async_write(client, asio::buffer(text), asio::deferred);
    auto buffer = std::string(text.size(), '\0');
    auto read = co_await asio::async_read(server, asio::buffer(buffer), asio::deferred);
    auto other = tcp::socket{asio_executor()};
    auto failed = co_await other.async_connect(tcp::endpoint{asio::ip::address_v4::loopback(), 1},
                                               asio::deferred);
    co_return written&& read && !failed ? buffer : "broken";
}

behavior<oracle> answer(context<oracle> self) {
    for (;;) {
        auto message = co_await self.receive();
        auto request = message.get_if<question>();
        auto text = co_await talk_to_itself();
        auto number = co_await from_asio(42);
        auto caught = false;
        try {
            co_await from_asio(-1);
        } catch (const std::runtime_error&) {
            caught = true;
        }
        request.reply(text + std::to_string(number) + (caught ? "!" : "?"));
    }
}

TEST(asio, operations_are_awaited_in_actors_and_actors_are_asked_from_asio) {
    // Outlives the node, whose cores post to it.
    auto context = asio::io_context{};
    auto node = system{{.cores = 1}};
    auto target = node.spawn(answer);
    ASSERT_TRUE(node.start());
    auto future = async_ask(node, target, question{}, 5s, asio::use_future);
    auto seen = result<std::string>{errc::not_loaded};
    async_ask(
        node, target, question{}, 5s,
        asio::bind_executor(context, [&](result<std::string> value) { seen = std::move(value); }));
    context.run();
    auto first = future.get();
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(*first, "hello42!");
    ASSERT_TRUE(seen);
    EXPECT_EQ(*seen, "hello42!");
}

struct flag {
    std::atomic<bool>* raised;
    explicit flag(std::atomic<bool>* target) : raised{target} {}
    flag(const flag&) = delete;
    flag& operator=(const flag&) = delete;
    ~flag() { *raised = true; }
};

behavior<oracle> wait_for_ever(context<oracle>, std::atomic<bool>* destroyed) {
    auto guard = flag{destroyed};
    auto timer = asio::steady_timer{asio_executor(), std::chrono::hours{1}};
    auto outcome = co_await timer.async_wait(asio::deferred);
}

TEST(asio, an_operation_is_cancelled_when_its_actor_is_stopped) {
    auto destroyed = std::atomic<bool>{false};
    {
        auto node = system{{.cores = 1}};
        auto target = node.spawn(wait_for_ever, &destroyed);
        ASSERT_TRUE(node.start());
        node.on_core(0, [](core&) {});
        node.stop(target);
    }
    EXPECT_TRUE(destroyed);
}

CO_TEST(asio, is_refused_in_simulation_with_a_sentence) {
    auto said = std::string{};
    try {
        static_cast<void>(asio_executor());
    } catch (const std::logic_error& refused) {
        said = refused.what();
    }
    EXPECT_NE(said.find("Asio operations belong to the real world"), std::string::npos);
    co_return;
}

}  // namespace
}  // namespace cohort
