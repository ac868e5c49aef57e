#include <cohort/testkit/schedule.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

#include <cohort/world/keyed_random.hpp>

namespace cohort {
namespace {

constexpr std::array<std::string_view, fault_kinds> kind_names = {
    "crash",       "power_loss", "die_inside", "bad_disk", "stop",      "stop_inside", "cut",
    "cut_one_way", "isolate",    "split",      "reset",    "slow_link", "tail",        "throttle",
    "clock_rate",  "clock_jump", "wall_jump",  "slow_cpu", "slow_work", "corrupt"};

std::int64_t us(duration length) noexcept {
    return std::chrono::duration_cast<std::chrono::microseconds>(length).count();
}
duration from_us(std::int64_t count) noexcept { return std::chrono::microseconds{count}; }

// -- text -----------------------------------------------------------------------------------------

// In microseconds 285 years, which a duration can hold.
constexpr auto number_max = std::int64_t{1} << 53;

// Reads `a,b,c` as numbers.
template <std::size_t Count>
std::optional<std::array<std::int64_t, Count>> numbers_in(std::string_view text) {
    auto out = std::array<std::int64_t, Count>{};
    for (std::size_t i = 0; i < Count; ++i) {
        auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out[i]);
        if (failure != std::errc{} || out[i] > number_max || out[i] < -number_max) {
            return std::nullopt;
        }
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (i + 1 < Count) {
            if (!text.starts_with(',')) {
                return std::nullopt;
            }
            text.remove_prefix(1);
        }
    }
    return text.empty() ? std::optional{out} : std::nullopt;
}

std::string join(std::initializer_list<std::int64_t> numbers) {
    auto out = std::string{};
    for (auto each : numbers) {
        out += (out.empty() ? "" : ",") + std::to_string(each);
    }
    return out;
}

bool read_swarm(std::string_view text, swarm& into) {
    auto found = numbers_in<7>(text);
    if (!found || (*found)[0] < 1 || (*found)[0] > 1000 || (*found)[1] < 1 || (*found)[1] > 64 ||
        (*found)[3] < 1 || (*found)[4] < 0 || (*found)[5] < (*found)[4] || (*found)[6] < 1) {
        return false;
    }
    auto& [nodes, cores, shuffled, buffer, least, most, give_up] = *found;
    into = {static_cast<std::uint32_t>(nodes),
            static_cast<std::uint32_t>(cores),
            shuffled != 0,
            static_cast<std::uint64_t>(buffer),
            from_us(least),
            from_us(most),
            from_us(give_up)};
    return true;
}

bool read_fault(std::string_view word, std::string_view text, schedule& into) {
    auto kind = std::find(kind_names.begin(), kind_names.end(), word);
    auto found = numbers_in<5>(text);
    if (kind == kind_names.end() || !found) {
        return false;
    }
    auto& [at, length, a, b, amount] = *found;
    into.faults.push_back({static_cast<fault_kind>(kind - kind_names.begin()), from_us(at),
                           from_us(length), static_cast<std::uint32_t>(a),
                           static_cast<std::uint32_t>(b), amount});
    return true;
}

bool read_part(std::string_view part, schedule& into) {
    auto equals = part.find('=');
    if (equals == std::string_view::npos) {
        return false;
    }
    auto word = part.substr(0, equals);
    auto text = part.substr(equals + 1);
    if (word == "seed") {
        auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), into.seed);
        return failure == std::errc{} && end == text.data() + text.size();
    }
    if (word == "length") {
        auto found = numbers_in<1>(text);
        into.length = found ? from_us((*found)[0]) : duration{};
        return found.has_value();
    }
    if (word == "swarm") {
        return read_swarm(text, into.swarm);
    }
    if (word == "op") {
        auto found = numbers_in<4>(text);
        if (found) {
            auto& [at, node, kind, key] = *found;
            into.operations.push_back({from_us(at), static_cast<std::uint32_t>(node),
                                       static_cast<std::uint32_t>(kind),
                                       static_cast<std::uint64_t>(key)});
        }
        return found.has_value();
    }
    return read_fault(word, text, into);
}

}  // namespace

std::string_view name(fault_kind kind) noexcept {
    return kind_names[static_cast<std::size_t>(kind)];
}

std::string schedule::text() const {
    auto out = "seed=" + std::to_string(seed) + ";length=" + join({us(length)});
    out += ";swarm=" + join({swarm.nodes, swarm.cores, swarm.shuffled,
                             static_cast<std::int64_t>(swarm.stream_buffer), us(swarm.delay_min),
                             us(swarm.delay_max), us(swarm.give_up)});
    for (const auto& each : faults) {
        out += ";" + std::string{name(each.kind)} + "=" +
               join({us(each.at), us(each.length), each.a, each.b, each.amount});
    }
    for (const auto& each : operations) {
        out +=
            ";op=" + join({us(each.at), each.node, each.kind, static_cast<std::int64_t>(each.key)});
    }
    return out;
}

result<schedule> schedule::parse(std::string_view text) {
    auto out = schedule{};
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.remove_suffix(1);
    }
    while (!text.empty()) {
        auto end = std::min(text.find(';'), text.size());
        auto part = text.substr(0, end);
        if (!read_part(part, out)) {
            return error{errc::invalid, "a schedule has no part '" + std::string{part} + "'"};
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

// -- making ---------------------------------------------------------------------------------------

namespace {

enum purpose : std::uint64_t { shape_of_swarm = 1, shape_of_faults, shape_of_operations };

// A length between the two, every order of magnitude as likely as the next.
duration spread(std::uint64_t draw, duration least, duration most) {
    auto part = static_cast<double>(draw >> 11) / static_cast<double>(1ULL << 53);
    auto ratio = static_cast<double>(most.count()) / static_cast<double>(least.count());
    auto length = static_cast<double>(least.count()) * std::pow(ratio, part);
    return from_us(us(duration{static_cast<duration::rep>(length)}));
}

swarm make_swarm(const keyed_random& random, const schedule_limits& limits) {
    auto draw = [&, n = std::uint64_t{0}](std::uint64_t bound) mutable {
        return below(random.draw(shape_of_swarm, 0, n++), bound);
    };
    auto out = swarm{};
    out.nodes = limits.nodes_min +
                static_cast<std::uint32_t>(draw(limits.nodes_max - limits.nodes_min + 1));
    out.cores = 1 + static_cast<std::uint32_t>(draw(limits.cores_max));
    out.shuffled = draw(2) != 0;
    constexpr auto buffers = std::array<std::uint64_t, 4>{128, 1024, 16 * 1024, 64 * 1024};
    out.stream_buffer = buffers[draw(buffers.size())];
    if (draw(3) == 0) {
        out.delay_min = 500us;
        out.delay_max = 40ms;
    }
    constexpr auto patience = std::array<duration, 3>{5s, 1min, 15min};
    out.give_up = patience[draw(patience.size())];
    return out;
}

std::int64_t make_amount(fault_kind kind, std::uint64_t draw) {
    auto pick = [&](std::uint64_t bound) { return static_cast<std::int64_t>(below(draw, bound)); };
    switch (kind) {
        case fault_kind::die_inside:
        case fault_kind::stop_inside:
            return 1 + pick(200);
        case fault_kind::bad_disk:
            return 1'000 + pick(500'000);
        case fault_kind::split:
            return 1 + pick(510);
        case fault_kind::slow_link:
            return us(spread(draw, 1ms, 2s));
        case fault_kind::tail:
            return us(spread(draw, 10ms, 30s));
        case fault_kind::throttle:
            return us(spread(draw, 500us, 1s));
        // Most clocks are a little wrong, few are broken.
        case fault_kind::clock_rate:
            return draw % 8 == 0 ? pick(1'100'000) - 1'000'000 : pick(2'000) - 1'000;
        case fault_kind::clock_jump:
            return us(spread(draw, 10ms, 1h));
        case fault_kind::wall_jump:
            return pick(7'200'000'000) - 3'600'000'000;
        case fault_kind::slow_cpu:
            return 2 + pick(1'000);
        case fault_kind::slow_work:
            return 2 + pick(100);
        case fault_kind::corrupt:
            return 1'000 + pick(100'000);
        default:
            return 0;
    }
}

}  // namespace

schedule make_schedule(std::uint64_t seed, const schedule_limits& limits) {
    auto random = keyed_random{mix(seed, 0x73'6368'6564)};
    auto out = schedule{.seed = seed, .length = limits.length};
    out.swarm = make_swarm(random, limits);
    auto enabled = std::vector<fault_kind>{};
    for (std::size_t i = 0; i < fault_kinds; ++i) {
        if ((limits.kinds >> i & 1) != 0 && random.draw(shape_of_faults, 0, i) % 2 == 0) {
            enabled.push_back(static_cast<fault_kind>(i));
        }
    }
    auto count = below(random.draw(shape_of_faults, 1, 0), limits.faults_max + 1);
    for (std::uint64_t i = 0; i < count && !enabled.empty(); ++i) {
        auto draw = [&](std::uint64_t what) { return random.draw(shape_of_faults, 2 + i, what); };
        auto kind = enabled[below(draw(0), enabled.size())];
        auto at = from_us(us(between(draw(1), duration::zero(), limits.length)));
        out.faults.push_back({kind, at, spread(draw(2), 1ms, limits.length),
                              static_cast<std::uint32_t>(below(draw(3), out.swarm.nodes)),
                              static_cast<std::uint32_t>(below(draw(4), out.swarm.nodes)),
                              make_amount(kind, draw(5))});
    }
    auto operations = below(random.draw(shape_of_operations, 0, 0), limits.operations_max + 1);
    for (std::uint64_t i = 0; i < operations; ++i) {
        auto draw = [&](std::uint64_t what) {
            return random.draw(shape_of_operations, 1 + i, what);
        };
        out.operations.push_back(
            {from_us(us(between(draw(0), duration::zero(), limits.length))),
             static_cast<std::uint32_t>(below(draw(1), out.swarm.nodes)),
             static_cast<std::uint32_t>(below(draw(2), limits.operation_kinds)),
             below(draw(3), limits.keys)});
    }
    auto by_time = [](const auto& left, const auto& right) { return left.at < right.at; };
    std::sort(out.faults.begin(), out.faults.end(), by_time);
    std::sort(out.operations.begin(), out.operations.end(), by_time);
    return out;
}

// -- shrinking ------------------------------------------------------------------------------------

namespace {

// Without a stretch of the elements: long ones first, in the end each alone.
template <class Element>
void without_stretches(const schedule& whole, std::vector<Element> schedule::* part,
                       std::vector<schedule>& out) {
    auto size = static_cast<std::ptrdiff_t>((whole.*part).size());
    for (auto length = size; length > 0; length /= 2) {
        for (std::ptrdiff_t from = 0; from < size; from += length) {
            auto less = whole;
            auto first = (less.*part).begin() + from;
            (less.*part).erase(first, first + std::min(length, size - from));
            out.push_back(std::move(less));
        }
    }
}

template <class Change>
void changed(const schedule& whole, std::vector<schedule>& out, Change change) {
    auto less = whole;
    change(less);
    if (!(less == whole)) {
        out.push_back(std::move(less));
    }
}

}  // namespace

std::vector<schedule> shrinks_of(const schedule& whole) {
    auto out = std::vector<schedule>{};
    for (std::size_t i = 0; i < fault_kinds; ++i) {
        changed(whole, out, [&](schedule& less) {
            std::erase_if(less.faults, [&](const auto& each) {
                return each.kind == static_cast<fault_kind>(i);
            });
        });
    }
    without_stretches(whole, &schedule::faults, out);
    without_stretches(whole, &schedule::operations, out);
    if (whole.swarm.nodes > 1) {
        changed(whole, out, [](schedule& less) { less.swarm.nodes = (less.swarm.nodes + 1) / 2; });
        changed(whole, out, [](schedule& less) { --less.swarm.nodes; });
    }
    changed(whole, out, [](schedule& less) { less.swarm.cores = 1; });
    changed(whole, out, [](schedule& less) { less.swarm.shuffled = false; });
    changed(whole, out, [](schedule& less) { less.swarm.stream_buffer = swarm{}.stream_buffer; });
    changed(whole, out, [](schedule& less) { less.swarm.give_up = swarm{}.give_up; });
    changed(whole, out, [](schedule& less) {
        less.swarm.delay_min = swarm{}.delay_min;
        less.swarm.delay_max = swarm{}.delay_max;
    });
    for (std::size_t i = 0; i < whole.faults.size(); ++i) {
        if (whole.faults[i].length > 1ms) {
            changed(whole, out, [&](schedule& less) {
                less.faults[i].length = from_us(us(less.faults[i].length / 2));
            });
        }
    }
    changed(whole, out, [](schedule& less) {
        auto last = duration{1s};
        for (const auto& each : less.faults) {
            last = std::max(last, each.at + 1s);
        }
        for (const auto& each : less.operations) {
            last = std::max(last, each.at + 1s);
        }
        less.length = std::min(less.length, last);
    });
    return out;
}

schedule shrink(schedule whole, const std::function<bool(const schedule&)>& fails,
                std::size_t tries) {
    for (bool smaller = true; smaller && tries > 0;) {
        smaller = false;
        for (auto& each : shrinks_of(whole)) {
            if (tries == 0) {
                break;
            }
            --tries;
            if (fails(each)) {
                whole = std::move(each);
                smaller = true;
                break;
            }
        }
    }
    return whole;
}

}  // namespace cohort
