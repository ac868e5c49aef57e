#include <cohort/world/simulated_world.hpp>

#include <algorithm>
#include <utility>

#include <cohort/world/detail/simulated_connection.hpp>
#include <cohort/world/detail/simulated_reactor.hpp>

namespace cohort {
namespace {

constexpr std::uint64_t for_programs = 0x72'616e'64;
constexpr std::uint64_t for_work = 0x77'6f72'6b;
constexpr std::uint64_t for_disk = 0x66'696c'6573;
constexpr std::uint64_t for_clocks = 0x63'6c6f'636b;
constexpr std::int64_t million = 1'000'000;
constexpr auto never = time_point::max();

// `length` on a clock that runs by `rate` millionths faster.
duration scaled(duration length, std::int64_t rate) noexcept {
    __extension__ using wide = __int128;
    return duration{static_cast<duration::rep>(wide{length.count()} * (million + rate) / million)};
}

}  // namespace

simulated_world::simulated_world(simulation_options options)
    : own_network_{std::make_unique<simulated_network>(options)}, network_{*own_network_},
      host_{"127.0.0.1"}, random_{network_.random().stream(for_programs)},
      disk_{*this, network_.random().stream(for_disk)} {
    index_ = network_.join(*this, host_);
    true_base_ = local_base_ = network_.now();
}

simulated_world::simulated_world(simulated_network& network, std::string host)
    : network_{network}, host_{std::move(host)}, random_{network_.random().stream(for_programs)},
      disk_{*this, network_.random().stream(mix(for_disk, network_.size()))} {
    index_ = network_.join(*this, host_);
    true_base_ = network_.now();
    // Clocks of different machines have nothing to do with each other.
    auto drawn = network_.random().draw(for_clocks, index_, 0);
    local_base_ = true_base_ + between(drawn, duration::zero(), std::chrono::hours{1000});
}

simulated_world::~simulated_world() = default;

// -- the clock ------------------------------------------------------------------------------------

time_point simulated_world::local(time_point when) const noexcept {
    return local_base_ + scaled(when - true_base_, clock_rate_);
}

time_point simulated_world::now() const noexcept {
    seam();
    return local(here());
}

wall_time simulated_world::wall_now() const noexcept {
    seam();
    // A fixed date keeps logs and Date headers the same in every run.
    return wall_time{std::chrono::seconds{1'700'000'000}} +
           (here() - time_point{std::chrono::seconds{1'000'000}}) + wall_offset_;
}

std::optional<time_point> simulated_world::true_time(time_point when) const noexcept {
    if (clock_rate_ <= -million) {
        return std::nullopt;
    }
    if (clock_rate_ == 0) {
        return true_base_ + (when - local_base_);
    }
    __extension__ using wide = __int128;
    auto passed = wide{(when - local_base_).count()} * million;
    auto rate = wide{million + clock_rate_};
    auto rounded = (passed + (passed > 0 ? rate - 1 : 0)) / rate;
    return true_base_ + duration{static_cast<duration::rep>(rounded)};
}

void simulated_world::rebase_clock() noexcept {
    local_base_ = local(network_.now());
    true_base_ = network_.now();
}

void simulated_world::set_clock_rate(std::int64_t per_million) {
    rebase_clock();
    clock_rate_ = std::max(per_million, -million);
    for (std::uint32_t core = 0; core < turns_.size(); ++core) {
        turn_by(core, network_.now());
    }
}

void simulated_world::jump_clock(duration forward) {
    rebase_clock();
    local_base_ += std::max(forward, duration::zero());
    for (std::uint32_t core = 0; core < turns_.size(); ++core) {
        turn_by(core, network_.now());
    }
}

// -- the seam -------------------------------------------------------------------------------------

std::uint64_t simulated_world::random() {
    seam();
    return random_.draw(index_, 0, random_drawn_++);
}

std::unique_ptr<reactor> simulated_world::make_reactor() {
    auto core = static_cast<std::uint32_t>(reactors_.size());
    auto made = std::make_unique<simulated_reactor>(*this, core);
    reactors_.push_back(made.get());
    turns_.resize(std::max(turns_.size(), reactors_.size()), never);
    return made;
}

std::unique_ptr<worker> simulated_world::start_worker(std::string) {
    return std::make_unique<detail::simulated_worker>(*this);
}

result<std::unique_ptr<joining_thread>> simulated_world::start_thread(std::string,
                                                                      std::function<void()>) {
    return error{errc::unsupported,
                 "a simulated world starts no threads: it drives the cores itself"};
}

void simulated_world::pause(duration) {
    COHORT_ASSERT(false, "a simulated world does not block; await a sleep instead");
}

result<std::string> simulated_world::read_file(const std::string& path, std::size_t bytes_max) {
    seam();
    const auto* text = disk_.find(path);
    if (auto given = files.find(path); text == nullptr && given != files.end()) {
        text = &given->second;
    }
    if (text == nullptr) {
        return error{errc::not_found, "cannot read " + path + ": No such file or directory"};
    }
    if (text->size() > bytes_max) {
        return error{errc::too_large,
                     path + " is longer than " + std::to_string(bytes_max) + " bytes"};
    }
    return *text;
}

result<std::vector<std::string>> simulated_world::resolve(const std::string& host) {
    seam();
    auto addresses = network_.resolve(index_, host);
    if (addresses.empty()) {
        return error{errc::not_found, "cannot resolve " + host + ": Name or service not known"};
    }
    return addresses;
}

std::uint16_t simulated_world::free_port() noexcept {
    do {
        next_port_ = next_port_ == 65535 ? 40000 : static_cast<std::uint16_t>(next_port_ + 1);
    } while (listeners_.contains(next_port_));
    return next_port_;
}

// -- turns ----------------------------------------------------------------------------------------

void simulated_world::turn_by(std::uint32_t core, time_point when) {
    if (dead_ || core >= turns_.size() || when >= turns_[core]) {
        return;
    }
    turns_[core] = when;
    network_.events().at(when, [this, core, when] {
        // An earlier turn may have come instead.
        if (turns_[core] == when) {
            run_turn(core);
        }
    });
}

void simulated_world::run_turn(std::uint32_t core) {
    turns_[core] = never;
    if (silenced_) {
        settle_lag();
        return;
    }
    if (stopped()) {
        turn_by(core, stopped_until_);
        return;
    }
    if (turn_) {
        turn_(core);
    }
    settle_lag();
}

// What was stopped in the middle of a turn, or of work, goes on with the next one when it is over.
void simulated_world::settle_lag() noexcept {
    if (lag_ > duration::zero()) {
        seen_until_ = network_.now() + lag_;
        stopped_until_ = std::max(stopped_until_, seen_until_);
        lag_ = duration::zero();
    }
    if (silenced_ && when_silenced_) {
        network_.events().at(network_.now(), std::exchange(when_silenced_, nullptr));
    }
}

void simulated_world::die_at(std::uint64_t calls, std::function<void()> then) {
    die_at_call_ = calls_ + std::max<std::uint64_t>(1, calls);
    when_silenced_ = std::move(then);
}

bool simulated_world::stopped() const noexcept { return network_.now() < stopped_until_; }

void simulated_world::stop_for(duration length, std::uint64_t calls) {
    if (calls == 0) {
        stopped_until_ = std::max(stopped_until_, network_.now() + length);
    } else {
        stop_at_call_ = calls_ + calls;
        stop_length_ = length;
    }
}

void simulated_world::go_on() {
    // What it saw in the middle of a stop is not taken back: its clock never runs backwards.
    stopped_until_ = seen_until_;
    stop_at_call_ = 0;
    if (!silenced_) {
        die_at_call_ = 0;
        when_silenced_ = nullptr;
    }
    for (std::uint32_t core = 0; core < turns_.size(); ++core) {
        turn_by(core, network_.now());
    }
}

duration simulated_world::work_time() noexcept {
    auto drawn = network_.random().draw(for_work, index_, work_drawn_++);
    return between(drawn, network_.options().delay_min, network_.options().delay_max) *
           work_slowness_;
}

void simulated_world::submit(work_item& item, time_point when) {
    if (dead_) {
        item.dropped = true;
        item.run(item);
        return;
    }
    work_.push_back(&item);
    network_.events().at(when, [this, &item, born = incarnation_] { run_work(item, born); });
}

void simulated_world::run_work(work_item& item, std::uint32_t incarnation) {
    if (dead_ || incarnation != incarnation_) {
        return;  // it was dropped then
    }
    if (silenced_) {
        return;  // and soon will be
    }
    if (stopped()) {
        network_.events().at(stopped_until_,
                             [this, &item, incarnation] { run_work(item, incarnation); });
        return;
    }
    work_.erase(std::find(work_.begin(), work_.end(), &item));
    network_.trace(for_work, index_, work_.size());
    item.run(item);
    settle_lag();
    for (std::uint32_t core = 0; core < turns_.size(); ++core) {
        turn_by(core, network_.now());
    }
}

// -- death ----------------------------------------------------------------------------------------

void simulated_world::die(death how) {
    COHORT_ASSERT(!dead_, "a node dies once");
    lag_ = duration::zero();
    stop_at_call_ = die_at_call_ = 0;
    when_silenced_ = nullptr;
    if (how == death::machine) {
        disk_.lose_power();
    }
    network_.crash(index_, how == death::machine);
    dead_ = true;
    machine_up_ = how == death::process;
    std::fill(turns_.begin(), turns_.end(), never);
    for (auto* item : std::exchange(work_, {})) {
        item->dropped = true;
        item->run(*item);
    }
}

void simulated_world::revive() {
    COHORT_ASSERT(dead_ && reactors_.empty(), "a machine starts a node after the last one is gone");
    dead_ = silenced_ = false;
    ++incarnation_;
    stopped_until_ = seen_until_ = {};
    if (!std::exchange(machine_up_, true)) {
        network_.release(simulated_network::anybody, index_);
    }
}

}  // namespace cohort
