#include <cohort/world/detail/simulated_reactor.hpp>

#include <algorithm>
#include <utility>

#include <cohort/world/detail/simulated_connection.hpp>

namespace cohort {
namespace {

constexpr duration knock_max = std::chrono::seconds{64};  // then a connect fails

bool is_loopback(const std::string& host) {
    return host.starts_with("127.") || host == "localhost" || host == "::1";
}
bool is_any(const std::string& host) { return host == "0.0.0.0" || host == "::"; }
bool is_numeric(const std::string& host) {
    return host == "localhost" || host.find(':') != std::string::npos ||
           host.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

simulated_reactor::simulated_reactor(simulated_world& world, std::uint32_t core)
    : world_{world}, core_{core}, alive_{std::make_shared<bool>(true)} {}

simulated_reactor::~simulated_reactor() {
    *alive_ = false;
    auto& all = world_.reactors_;
    std::replace(all.begin(), all.end(), this, static_cast<simulated_reactor*>(nullptr));
    if (std::all_of(all.begin(), all.end(), [](auto* each) { return each == nullptr; })) {
        all.clear();
    }
}

std::size_t simulated_reactor::poll() {
    std::swap(ready_, running_);
    for (auto& each : running_) {
        each.done->complete(*each.done, each.outcome);
    }
    auto count = running_.size();
    running_.clear();
    return count;
}

void simulated_reactor::soon(io_completion& done, io_outcome outcome) {
    ready_.push_back({&done, outcome});
    world_.turn_by(core_, world_.network().now());
}

result<std::unique_ptr<listener>> simulated_reactor::listen(const endpoint& local) {
    world_.seam();
    auto address = local;
    auto refused = [&](const char* why) {
        return error{errc::network, "cannot listen on " + address.text() + ": " + why};
    };
    if (world_.silent()) {
        return refused("the node is gone");
    }
    if (!is_numeric(address.host)) {
        return error{errc::invalid, "'" + address.host + "' is not a numeric address"};
    }
    if (!is_loopback(address.host) && !is_any(address.host) && address.host != world_.host()) {
        return refused("Cannot assign requested address");
    }
    if (address.port == 0) {
        address.port = world_.free_port();
    }
    if (world_.listeners_.contains(address.port)) {
        return refused("Address already in use");
    }
    return std::unique_ptr<listener>{std::make_unique<detail::simulated_listener>(*this, address)};
}

simulated_reactor::attempt* simulated_reactor::find(io_completion& done,
                                                    std::uint64_t number) noexcept {
    auto found = connecting_.find(&done);
    return found == connecting_.end() || found->second.number != number ? nullptr : &found->second;
}

void simulated_reactor::connect(const endpoint& remote, std::unique_ptr<stream>& connected,
                                io_completion& done) {
    world_.seam();
    if (world_.silent() || !is_numeric(remote.host)) {
        soon(done, {world_.silent() ? errc::cancelled : errc::invalid, 0});
        return;
    }
    auto number = ++attempts_;
    connecting_[&done] = attempt{number, &connected, remote};
    knock(done, number, world_.here());
}

void simulated_reactor::cancel_connect(io_completion& done) noexcept {
    if (connecting_.erase(&done) != 0) {
        soon(done, {errc::cancelled, 0});
    }
}

// The first packet travels to the other machine, and again when nothing came of it.
void simulated_reactor::knock(io_completion& done, std::uint64_t number, time_point when) {
    auto* one = find(done, number);
    auto* target =
        is_loopback(one->remote.host) ? &world_ : world_.network().find(one->remote.host);
    auto to = target != nullptr ? target->index() : world_.index();
    auto arrives = world_.network().arrival(world_.index(), to, when, 0);
    world_.network().events().at(arrives, [this, alive = alive_, &done, number] {
        if (*alive) {
            reach(done, number);
        }
    });
}

void simulated_reactor::reach(io_completion& done, std::uint64_t number) {
    auto* one = find(done, number);
    if (one == nullptr) {
        return;  // cancelled
    }
    auto& network = world_.network();
    bool local = is_loopback(one->remote.host);
    auto* target = local ? &world_ : network.find(one->remote.host);
    if (target == nullptr) {
        give_back(done, number, {errc::network, 0}, world_);
        return;
    }
    if (network.passes(world_.index(), target->index()) &&
        network.passes(target->index(), world_.index())) {
        auto found = target->listeners_.find(one->remote.port);
        bool listens = found != target->listeners_.end() &&
                       (target == &world_ || !is_loopback(found->second->local().host));
        if (!listens) {
            ++network.counters_.refused;
            give_back(done, number, {errc::network, 0}, *target);
            return;
        }
        if (found->second->has_room()) {
            open(*target, *found->second, done, number);
            return;
        }
    }
    if (one->wait > knock_max) {
        ++network.counters_.timed_out;
        give_back(done, number, {errc::network, 0}, world_);
        return;
    }
    auto wait = std::exchange(one->wait, one->wait * 2);
    knock(done, number, network.now() + wait);
}

void simulated_reactor::open(simulated_world& target, detail::simulated_listener& at,
                             io_completion& done, std::uint64_t number) {
    auto& network = world_.network();
    ++network.counters_.connections;
    network.forget_closed();
    auto whole =
        std::make_shared<detail::simulated_connection>(network, ++network.connection_number_);
    whole->ends[0].node = world_.index();
    whole->ends[0].port = world_.free_port();
    whole->ends[1].node = target.index();
    whole->ends[1].port = at.local().port;
    network.connections_.push_back(whole);
    at.arrive(std::make_unique<detail::simulated_incoming>(whole));
    auto when = network.arrival(target.index(), world_.index(), network.now(), 0);
    network.events().at(when, [this, alive = alive_, whole, &done, number] {
        auto* one = *alive ? find(done, number) : nullptr;
        if (one == nullptr) {
            whole->close(0);
            return;
        }
        *one->connected = std::make_unique<detail::simulated_stream>(*this, whole, 0);
        connecting_.erase(&done);
        soon(done, {errc::ok, 0});
    });
}

// The answer travels back from where the attempt failed.
void simulated_reactor::give_back(io_completion& done, std::uint64_t number, io_outcome outcome,
                                  simulated_world& from) {
    auto& network = world_.network();
    auto when = network.arrival(from.index(), world_.index(), network.now(), 0);
    network.events().at(when, [this, alive = alive_, &done, number, outcome] {
        if (*alive && find(done, number) != nullptr) {
            connecting_.erase(&done);
            soon(done, outcome);
        }
    });
}

namespace detail {

simulated_listener::simulated_listener(simulated_reactor& home, endpoint local)
    : home_{home}, local_{std::move(local)} {
    home_.world().listeners_[local_.port] = this;
}

void simulated_listener::accept(std::unique_ptr<incoming_stream>& accepted, io_completion& done) {
    home_.world().seam();
    if (closed_) {
        home_.soon(done, {errc::cancelled, 0});
        return;
    }
    slot_ = &accepted;
    done_ = &done;
    hand_out();
}

void simulated_listener::close() noexcept {
    if (std::exchange(closed_, true)) {
        return;
    }
    home_.world().listeners_.erase(local_.port);
    waiting_.clear();
    if (auto* done = std::exchange(done_, nullptr)) {
        home_.soon(*done, {errc::cancelled, 0});
    }
}

void simulated_listener::arrive(std::unique_ptr<incoming_stream> connection) {
    waiting_.push_back(std::move(connection));
    hand_out();
}

void simulated_listener::hand_out() {
    if (done_ != nullptr && !waiting_.empty()) {
        *slot_ = std::move(waiting_.front());
        waiting_.pop_front();
        home_.soon(*std::exchange(done_, nullptr), {errc::ok, 0});
    }
}

void simulated_worker::submit(work_item& item) {
    world_.seam();
    last_ = std::max(last_, world_.here()) + world_.work_time();
    world_.submit(item, last_);
}

}  // namespace detail
}  // namespace cohort
