#include "sums.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <simdjson.h>

namespace cohort::sim {
namespace {

double seconds(duration length) { return std::chrono::duration<double>(length).count(); }

std::string object(const std::map<std::string, std::uint64_t>& counts) {
    auto out = std::string{};
    for (const auto& [name, count] : counts) {
        out += fmt::format("{}\n    \"{}\": {}", out.empty() ? "" : ",", name, count);
    }
    return "{" + out + "\n  }";
}

std::map<std::string, std::uint64_t> counts_in(simdjson::dom::object from) {
    auto out = std::map<std::string, std::uint64_t>{};
    for (auto [name, value] : from) {
        out[std::string{name}] = value.get_uint64();
    }
    return out;
}

}  // namespace

bool sums::has(std::uint64_t seed) const noexcept {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const auto& each) { return each.first <= seed && seed < each.second; });
}

void sums::add(std::uint64_t seed, const run_report& report) {
    auto after = std::find_if(ranges.begin(), ranges.end(),
                              [&](const auto& each) { return each.first > seed; });
    auto at = ranges.insert(after, {seed, seed + 1});
    if (at + 1 != ranges.end() && (at + 1)->first == at->second) {
        at->second = (at + 1)->second;
        ranges.erase(at + 1);
    }
    if (at != ranges.begin() && (at - 1)->second == at->first) {
        (at - 1)->second = at->second;
        ranges.erase(at);
    }
    ++seeds;
    failures += report.failure ? 1 : 0;
    events += report.events;
    simulated_seconds += seconds(report.simulated);
    node_seconds += seconds(report.node_time);
    for (std::size_t i = 0; i < fault_kinds; ++i) {
        faults[std::string{name(static_cast<fault_kind>(i))}] += report.faults[i];
    }
    for (const auto& [what, count] : report.sometimes) {
        sometimes[what] += count;
    }
}

std::string sums::json() const {
    auto list = std::string{};
    for (const auto& [first, behind] : ranges) {
        list += fmt::format("{}[{}, {}]", list.empty() ? "" : ", ", first, behind);
    }
    return fmt::format(R"({{
  "workload": "{}",
  "commit": "{}",
  "ranges": [{}],
  "seeds": {},
  "reruns": {},
  "failures": {},
  "events": {},
  "simulated_seconds": {:.3f},
  "node_seconds": {:.3f},
  "cpu_seconds": {:.3f},
  "faults": {},
  "sometimes": {}
}}
)",
                       workload, commit, list, seeds, reruns, failures, events, simulated_seconds,
                       node_seconds, cpu_seconds, object(faults), object(sometimes));
}

result<sums> sums::parse(const std::string& text) {
    try {
        auto parser = simdjson::dom::parser{};
        auto root = simdjson::dom::object{parser.parse(text)};
        auto out = sums{std::string{std::string_view{root["workload"]}},
                        std::string{std::string_view{root["commit"]}}};
        for (auto each : simdjson::dom::array{root["ranges"]}) {
            out.ranges.emplace_back(each.at(0).get_uint64(), each.at(1).get_uint64());
        }
        out.seeds = root["seeds"].get_uint64();
        out.reruns = root["reruns"].get_uint64();
        out.failures = root["failures"].get_uint64();
        out.events = root["events"].get_uint64();
        out.simulated_seconds = root["simulated_seconds"].get_double();
        out.node_seconds = root["node_seconds"].get_double();
        out.cpu_seconds = root["cpu_seconds"].get_double();
        out.faults = counts_in(root["faults"]);
        out.sometimes = counts_in(root["sometimes"]);
        return out;
    } catch (const simdjson::simdjson_error& failure) {
        return error{errc::invalid, failure.what()};
    }
}

}  // namespace cohort::sim
