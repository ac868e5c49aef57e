#include <cohort/world/simulated_network.hpp>

#include <algorithm>

#include <cohort/world/detail/simulated_connection.hpp>
#include <cohort/world/simulated_world.hpp>

namespace cohort {
namespace {

constexpr std::uint64_t for_delays = 0x64'656c'6179;
constexpr std::uint64_t for_tails = 0x74'6169'6c73;
constexpr std::uint64_t for_deaths = 0x64'6561'7468;

}  // namespace

simulated_network::simulated_network(simulation_options options)
    : options_{options}, random_{options.seed} {}

simulated_network::~simulated_network() = default;

std::uint32_t simulated_network::join(simulated_world& node, const std::string& host) {
    COHORT_ASSERT(!hosts_.contains(host), "every node has an address of its own");
    auto index = static_cast<std::uint32_t>(nodes_.size());
    hosts_[host] = index;
    nodes_.push_back(&node);
    auto fresh = link_state{};
    fresh.shape.delay_min = options_.delay_min;
    fresh.shape.delay_max = options_.delay_max;
    auto links = std::vector<link_state>(nodes_.size() * nodes_.size(), fresh);
    for (std::uint32_t from = 0; from < stride_; ++from) {
        for (std::uint32_t to = 0; to < stride_; ++to) {
            links[from * nodes_.size() + to] = links_[from * stride_ + to];
        }
    }
    links_ = std::move(links);
    stride_ = static_cast<std::uint32_t>(nodes_.size());
    return index;
}

simulated_world* simulated_network::find(const std::string& host) const {
    auto found = hosts_.find(host);
    return found == hosts_.end() ? nullptr : nodes_[found->second];
}

bool simulated_network::passes(std::uint32_t from, std::uint32_t to) noexcept {
    return !link(from, to).cut && nodes_[to]->machine_up();
}

time_point simulated_network::arrival(std::uint32_t from, std::uint32_t to, time_point when,
                                      std::size_t bytes) {
    auto& through = state(from, to);
    auto whom = std::uint64_t{from} << 32 | to;
    auto n = through.drawn++;
    auto delay = between(random_.draw(for_delays, whom, n), through.shape.delay_min,
                         through.shape.delay_max);
    if (through.shape.tail_per_million != 0) {
        auto drawn = random_.draw(for_tails, whom, n);
        if (below(drawn, 1'000'000) < through.shape.tail_per_million) {
            delay += between(mix(drawn, 1), duration::zero(), through.shape.tail_max);
        }
    }
    if (through.shape.bytes_per_second != 0) {
        auto takes = duration{
            static_cast<duration::rep>(bytes * 1'000'000'000 / through.shape.bytes_per_second)};
        through.free_at = std::max(through.free_at, when) + takes;
        when = through.free_at;
    }
    return when + delay;
}

void simulated_network::cut(std::uint32_t from, std::uint32_t to, bool value) {
    auto& shape = link(from, to);
    if (std::exchange(shape.cut, value) && !value) {
        release(from, to);
    }
}

void simulated_network::release(std::uint32_t from, std::uint32_t to) {
    // A connection may be made or end meanwhile.
    auto all = connections_;
    for (auto& each : all) {
        for (std::size_t side = 0; side < 2; ++side) {
            auto sender = each->ends[side].node;
            auto receiver = each->ends[1 - side].node;
            if (receiver != to || (from != anybody && sender != from)) {
                continue;
            }
            each->retry(side);
            each->hear(1 - side);
        }
    }
}

std::size_t simulated_network::reset(std::uint32_t left, std::uint32_t right, std::uint64_t draw,
                                     bool all) {
    auto hit = std::vector<std::shared_ptr<detail::simulated_connection>>{};
    for (auto& each : connections_) {
        auto a = each->ends[0].node;
        auto b = each->ends[1].node;
        bool between_them = (a == left && b == right) || (a == right && b == left);
        if (between_them && !each->over()) {
            hit.push_back(each);
        }
    }
    if (!all && !hit.empty()) {
        hit = {hit[below(draw, hit.size())]};
    }
    for (auto& each : hit) {
        each->tear();
    }
    return hit.size();
}

void simulated_network::crash(std::uint32_t node, bool silently) {
    auto all = connections_;
    for (auto& each : all) {
        for (std::size_t side = 0; side < 2; ++side) {
            auto& end = each->ends[side];
            if (end.node != node || end.state != detail::simulated_connection::standing::open) {
                continue;
            }
            each->unsend(side);
            if (silently) {
                end.state = detail::simulated_connection::standing::lost;
                if (each->pipes[side].held) {
                    each->pipes[side].held = false;
                    each->pipes[side].drop_flying();
                }
                continue;
            }
            // A kernel that closes for a program resets where bytes are unread; sometimes more is
            // lost.
            if (random_.draw(for_deaths, node, each->number) % 2 == 0) {
                each->close(side);
            } else {
                each->pipes[side].drop_flying();
                each->mark(side, detail::simulated_pipe::mark::reset);
                end.state = detail::simulated_connection::standing::gone;
            }
        }
    }
}

std::size_t simulated_network::open_connections() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(), [](const auto& each) {
            return each->ends[0].stream != nullptr || each->ends[1].stream != nullptr;
        }));
}

void simulated_network::forget_closed() {
    if (connections_.size() < forget_at_) {
        return;
    }
    std::erase_if(connections_, [](const auto& each) { return each->over(); });
    forget_at_ = std::max<std::size_t>(64, connections_.size() * 2);
}

std::vector<std::string> simulated_network::resolve(std::uint32_t node,
                                                    const std::string& host) const {
    if (auto lie = lies_.find({node, host}); lie != lies_.end()) {
        return lie->second;
    }
    if (auto found = names_.find(host); found != names_.end()) {
        return found->second;
    }
    return {};
}

}  // namespace cohort
