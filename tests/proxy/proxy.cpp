#include "proxy.hpp"

#include <algorithm>
#include <deque>
#include <future>
#include <list>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace cohort::testing {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using clock = std::chrono::steady_clock;

constexpr std::size_t piece_bytes = 16 * 1024;
// Per direction of a connection: what is delayed waits here, and then nothing more is read.
constexpr std::size_t held_bytes_max = 4 * 1024 * 1024;

struct piece {
    clock::time_point due;
    std::vector<char> bytes;
};

/// One direction of a connection.
struct lane {
    explicit lane(asio::io_context& context) : changed{context, clock::time_point::max()} {}

    void wake() { changed.cancel(); }

    std::deque<piece> held;
    std::size_t held_bytes = 0;
    bool ended = false;
    std::optional<std::uint64_t> reset_after;
    asio::steady_timer changed;  // cancelled whenever something changed
};

struct connection {
    explicit connection(asio::io_context& context, tcp::socket from)
        : client{std::move(from)}, target{context}, up{context}, down{context}, ended{context} {}

    lane& at(direction way) { return way == direction::up ? up : down; }

    void reset() {
        for (auto* socket : {&client, &target}) {
            boost::system::error_code ignored;
            // Closing with a linger of zero sends a reset instead of an end.
            socket->set_option(asio::socket_base::linger{true, 0}, ignored);
            socket->close(ignored);
        }
        up.wake();
        down.wake();
        ended.wake();
    }

    tcp::socket client;
    tcp::socket target;
    lane up;
    lane down;
    lane ended;  // nothing travels here: woken when a direction has ended
};

}  // namespace

struct proxy::state {
    state(std::uint16_t listen, std::string host, std::uint16_t port)
        : target_host{std::move(host)}, target_port{port},
          acceptor{context, {asio::ip::address_v4::loopback(), listen}} {
        asio::co_spawn(context, accept(), asio::detached);
        thread = std::thread{[this] { context.run(); }};
    }
    ~state() {
        context.stop();
        thread.join();
    }

    /// Runs something on the proxy's thread and waits for it.
    template <class Action>
    auto on_thread(Action action) {
        auto done = std::packaged_task<decltype(action())()>{std::move(action)};
        auto result = done.get_future();
        asio::post(context, [&done] { done(); });
        return result.get();
    }

    asio::awaitable<void> accept() {
        for (;;) {
            auto socket = co_await acceptor.async_accept(asio::use_awaitable);
            ++figures.accepted;
            auto one = std::make_shared<connection>(context, std::move(socket));
            if (how == admission::refuse) {
                one->reset();
                continue;
            }
            connections.push_back(one);
            asio::co_spawn(context, serve(one), asio::detached);
        }
    }

    asio::awaitable<void> serve(std::shared_ptr<connection> one) {
        if (how == admission::half_open) {
            // It stays here until it is reset or healed.
            while (how == admission::half_open && one->client.is_open()) {
                co_await settle(one->up, clock::time_point::max());
            }
            one->reset();
            connections.remove(one);
            co_return;
        }
        boost::system::error_code failure;
        auto address = asio::ip::make_address(target_host);
        co_await one->target.async_connect({address, target_port},
                                           asio::redirect_error(asio::use_awaitable, failure));
        if (failure) {
            one->reset();
            connections.remove(one);
            co_return;
        }
        one->client.set_option(tcp::no_delay{true}, failure);
        one->target.set_option(tcp::no_delay{true}, failure);
        for (auto way : {direction::up, direction::down}) {
            one->at(way).reset_after = rules(way).reset_after;
            asio::co_spawn(context, read(one, way), asio::detached);
        }
        // Both directions end before the connection does.
        asio::co_spawn(context, write(one, direction::up), asio::detached);
        co_await write(one, direction::down);
        while (one->target.is_open() && !(one->up.ended && one->up.held.empty())) {
            co_await settle(one->ended, clock::time_point::max());
        }
        boost::system::error_code ignored;
        one->client.close(ignored);
        one->target.close(ignored);
        connections.remove(one);
    }

    /// Waits until the lane has changed or the instant has come.
    static asio::awaitable<void> settle(lane& on, clock::time_point until) {
        boost::system::error_code ignored;
        on.changed.expires_at(until);
        co_await on.changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

    asio::awaitable<void> read(std::shared_ptr<connection> one, direction way) {
        auto& from = way == direction::up ? one->client : one->target;
        auto& lane = one->at(way);
        auto last_due = clock::time_point{};
        auto jitter = std::minstd_rand{static_cast<unsigned>(figures.accepted)};
        for (;;) {
            while (lane.held_bytes > held_bytes_max && from.is_open()) {
                auto pause = asio::steady_timer{context, std::chrono::milliseconds{5}};
                co_await pause.async_wait(asio::use_awaitable);
            }
            auto bytes = std::vector<char>(piece_bytes);
            boost::system::error_code failure;
            auto size = co_await from.async_read_some(
                asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, failure));
            if (failure) {
                lane.ended = true;
                lane.wake();
                if (failure == asio::error::connection_reset) {
                    one->reset();
                }
                co_return;
            }
            bytes.resize(size);
            const auto& rule = rules(way);
            auto due = clock::now() + rule.delay;
            if (rule.jitter.count() > 0) {
                due += std::chrono::milliseconds{
                    jitter() % static_cast<std::uint64_t>(rule.jitter.count() + 1)};
            }
            last_due = std::max(last_due, due);
            lane.held_bytes += size;
            lane.held.push_back({last_due, std::move(bytes)});
            lane.wake();
        }
    }

    asio::awaitable<void> write(std::shared_ptr<connection> one, direction way) {
        auto& to = way == direction::up ? one->target : one->client;
        auto& lane = one->at(way);
        auto free_at = clock::now();
        while (to.is_open()) {
            if (rules(way).stopped || lane.held.empty()) {
                if (lane.held.empty() && lane.ended) {
                    boost::system::error_code ignored;
                    to.shutdown(tcp::socket::shutdown_send, ignored);
                    one->ended.wake();
                    co_return;
                }
                co_await settle(lane, clock::time_point::max());
                continue;
            }
            auto begin = std::max(lane.held.front().due, free_at);
            if (begin > clock::now()) {
                co_await settle(lane, begin);
                continue;
            }
            auto bytes = std::move(lane.held.front().bytes);
            lane.held.pop_front();
            lane.held_bytes -= bytes.size();
            bool resets = lane.reset_after && *lane.reset_after <= bytes.size();
            if (resets) {
                bytes.resize(static_cast<std::size_t>(*lane.reset_after));
            } else if (lane.reset_after) {
                *lane.reset_after -= bytes.size();
            }
            boost::system::error_code failure;
            co_await asio::async_write(to, asio::buffer(bytes),
                                       asio::redirect_error(asio::use_awaitable, failure));
            (way == direction::up ? figures.bytes_up : figures.bytes_down) += bytes.size();
            if (resets && !failure) {
                ++figures.resets;
                // What was passed on arrives first: a reset overtakes what is not read yet.
                auto pause = asio::steady_timer{context, std::chrono::milliseconds{20}};
                co_await pause.async_wait(asio::use_awaitable);
            }
            if (resets || failure) {
                one->reset();
                co_return;
            }
            if (auto rate = rules(way).bytes_per_second; rate > 0) {
                free_at = std::max(free_at, clock::now() - std::chrono::milliseconds{10}) +
                          std::chrono::nanoseconds{1'000'000'000 * bytes.size() / rate};
            }
        }
    }

    shaping& rules(direction way) { return way == direction::up ? up : down; }

    void wake_all() {
        for (auto& one : connections) {
            one->up.wake();
            one->down.wake();
        }
    }
    void reset_all() {
        figures.resets += connections.size();
        for (auto& one : std::vector(connections.begin(), connections.end())) {
            one->reset();
        }
    }

    asio::io_context context{1};
    std::string target_host;
    std::uint16_t target_port;
    tcp::acceptor acceptor;
    std::list<std::shared_ptr<connection>> connections;
    shaping up;
    shaping down;
    admission how = admission::connect;
    proxy_figures figures;
    std::thread thread;
};

proxy::proxy(std::uint16_t listen, std::string target_host, std::uint16_t target_port)
    : state_{std::make_unique<state>(listen, std::move(target_host), target_port)} {}

proxy::~proxy() = default;

std::uint16_t proxy::port() const { return state_->acceptor.local_endpoint().port(); }

void proxy::shape(direction way, shaping how) {
    state_->on_thread([&] {
        state_->rules(way) = how;
        for (auto& one : state_->connections) {
            one->at(way).reset_after = how.reset_after;
        }
        state_->wake_all();
    });
}

void proxy::admit(admission how) {
    state_->on_thread([&] {
        state_->how = how;
        state_->wake_all();
    });
}

void proxy::reset() {
    state_->on_thread([&] { state_->reset_all(); });
}

void proxy::heal() {
    admit(admission::connect);
    shape(direction::up, {});
    shape(direction::down, {});
}

proxy_figures proxy::figures() const {
    return state_->on_thread([&] {
        auto now = state_->figures;
        now.open = state_->connections.size();
        return now;
    });
}

std::string proxy::command(std::string_view line) {
    auto words = std::istringstream{std::string{line}};
    auto verb = std::string{};
    words >> verb;
    if (verb == "refuse" || verb == "half-open") {
        admit(verb == "refuse" ? admission::refuse : admission::half_open);
        return "ok";
    }
    if (verb == "reset" || verb == "heal") {
        verb == "reset" ? reset() : heal();
        return "ok";
    }
    if (verb == "figures") {
        auto now = figures();
        auto text = std::ostringstream{};
        text << "accepted=" << now.accepted << " open=" << now.open << " up=" << now.bytes_up
             << " down=" << now.bytes_down << " resets=" << now.resets;
        return text.str();
    }
    auto way = std::string{};
    words >> way;
    if (way != "up" && way != "down" && way != "both") {
        return "error: '" + std::string{line} + "' is no command: see proxy.hpp";
    }
    auto change = std::function<void(shaping&)>{};
    auto number = std::int64_t{0};
    bool given = static_cast<bool>(words >> number) && number >= 0;
    if (verb == "stop") {
        change = [](shaping& rule) { rule.stopped = true; };
    } else if (!given) {
        return "error: '" + verb + "' needs a number that is not negative";
    } else if (verb == "delay") {
        auto jitter = std::int64_t{0};
        words >> jitter;
        change = [=](shaping& rule) {
            rule.delay = std::chrono::milliseconds{number};
            rule.jitter = std::chrono::milliseconds{std::max<std::int64_t>(jitter, 0)};
        };
    } else if (verb == "rate") {
        change = [=](shaping& rule) { rule.bytes_per_second = static_cast<std::uint64_t>(number); };
    } else if (verb == "reset-after") {
        change = [=](shaping& rule) { rule.reset_after = static_cast<std::uint64_t>(number); };
    } else {
        return "error: '" + verb + "' is no command: see proxy.hpp";
    }
    for (auto one : {direction::up, direction::down}) {
        if (way == "both" || (way == "up") == (one == direction::up)) {
            auto rule = state_->on_thread([&] { return state_->rules(one); });
            change(rule);
            shape(one, rule);
        }
    }
    return "ok";
}

}  // namespace cohort::testing
