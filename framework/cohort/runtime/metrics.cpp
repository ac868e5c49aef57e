#include <cohort/runtime/metrics.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <list>
#include <variant>

#include <cohort/runtime/detail/utf8.hpp>

namespace cohort {
namespace {

constexpr std::string_view histogram_type = "histogram";

bool is_name(std::string_view text, bool colons) {
    auto first = true;
    for (char letter : text) {
        auto letters = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       letter == '_' || (colons && letter == ':');
        if (!letters && (first || letter < '0' || letter > '9')) {
            return false;
        }
        first = false;
    }
    return !text.empty();
}

void append_value(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        // Whole numbers in full: the shortest form of 100000 is 1e+05.
        constexpr double exact_max = 9007199254740992;
        char digits[32];
        auto whole = value == std::trunc(value) && std::abs(value) <= exact_max;
        auto* end =
            whole ? std::to_chars(digits, digits + sizeof digits, static_cast<std::int64_t>(value))
                        .ptr
                  : std::to_chars(digits, digits + sizeof digits, value).ptr;
        out.append(digits, end);
    }
}

/// Backslash, newline and, in a label, the quote; bytes that are not UTF-8 are replaced.
void append_escaped(std::string& out, std::string_view text, bool quote) {
    constexpr std::size_t bytes_max = 512;
    auto used = std::size_t{0};
    while (used < text.size() && used < bytes_max) {
        auto length = detail::utf8_length(text.substr(used));
        auto character = text.substr(used, std::max<std::size_t>(length, 1));
        used += character.size();
        if (length == 0) {
            out += detail::utf8_replacement;
        } else if (character == "\\") {
            out += "\\\\";
        } else if (character == "\n") {
            out += "\\n";
        } else if (quote && character == "\"") {
            out += "\\\"";
        } else {
            out += character;
        }
    }
}

/// `name{labels,more} value`.
void append_sample(std::string& out, std::string_view name, std::string_view suffix,
                   const metric_labels& labels, std::string_view bound, double value) {
    out += name;
    out += suffix;
    if (!labels.empty() || !bound.empty()) {
        auto separator = '{';
        for (const auto& [label, content] : labels) {
            out += std::exchange(separator, ',');
            out += label;
            out += "=\"";
            append_escaped(out, content, true);
            out += '"';
        }
        if (!bound.empty()) {
            out += separator;
            out += "le=\"";
            out += bound;
            out += '"';
        }
        out += '}';
    }
    out += ' ';
    append_value(out, value);
    out += '\n';
}

void check_labels(const metric_labels& labels) {
    for (auto at = labels.begin(); at != labels.end(); ++at) {
        COHORT_ASSERT(
            is_name(at->first, false) && !at->first.starts_with("__") && at->first != "le",
            "a label's name follows Prometheus' rules");
        COHORT_ASSERT(std::none_of(labels.begin(), at,
                                   [&](const auto& other) { return other.first == at->first; }),
                      "a label occurs once");
    }
}

struct histogram_series {
    std::unique_ptr<std::vector<double>> bounds;
    cohort::histogram cells;
};

}  // namespace

void core_histogram::observe(double value) noexcept {
    auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    // NaN compares below nothing; it belongs above everything, and must not spoil the sum.
    if (std::isnan(value)) {
        counts_.back().add();
        return;
    }
    counts_[static_cast<std::size_t>(bucket)].add();
    sum_.add(value);
}

std::vector<double> log_linear_bounds(double first, double last, unsigned steps) {
    COHORT_ASSERT(first > 0 && last >= first && steps > 0 && last / first < 1e12,
                  "bounds rise from a positive number");
    auto bounds = std::vector<double>{};
    for (auto octave = first; octave < last; octave *= 2) {
        for (auto step = 0U; step < steps; ++step) {
            auto bound = octave * (1 + static_cast<double>(step) / steps);
            if (bound < last) {
                bounds.push_back(bound);
            }
        }
    }
    bounds.push_back(last);
    return bounds;
}

metrics_writer::family& metrics_writer::open(std::string_view name, std::string_view help,
                                             std::string_view type) {
    auto found = families_.find(name);
    if (found == families_.end()) {
        COHORT_ASSERT(is_name(name, true), "a metric's name follows Prometheus' rules");
        found = families_.emplace(std::string{name}, family{std::string{help}, type, {}}).first;
    }
    COHORT_ASSERT(found->second.type == type, "a metric has one type");
    return found->second;
}

void metrics_writer::sample(std::string_view name, std::string_view help, std::string_view type,
                            const metric_labels& labels, double value) {
    append_sample(open(name, help, type).samples, name, "", labels, {}, value);
}

void metrics_writer::histogram(std::string_view name, std::string_view help,
                               const metric_labels& labels, std::span<const double> bounds,
                               std::span<const std::uint64_t> counts, double sum) {
    COHORT_ASSERT(counts.size() == bounds.size() + 1, "a histogram has a count for each bucket");
    auto& out = open(name, help, histogram_type).samples;
    auto total = std::uint64_t{0};
    for (auto bucket = std::size_t{0}; bucket < bounds.size(); ++bucket) {
        total += counts[bucket];
        auto bound = std::string{};
        append_value(bound, bounds[bucket]);
        append_sample(out, name, "_bucket", labels, bound, static_cast<double>(total));
    }
    total += counts.back();
    append_sample(out, name, "_bucket", labels, "+Inf", static_cast<double>(total));
    append_sample(out, name, "_sum", labels, {}, sum);
    append_sample(out, name, "_count", labels, {}, static_cast<double>(total));
}

std::string metrics_writer::text() const {
    auto out = std::string{};
    for (const auto& [name, each] : families_) {
        out += "# HELP " + name + " ";
        append_escaped(out, each.help, false);
        out += "\n# TYPE " + name + " " + std::string{each.type} + "\n" + each.samples;
    }
    return out;
}

struct metrics_registry::state {
    using series = std::variant<cohort::counter, cohort::gauge, histogram_series>;
    struct family {
        std::string help;
        std::size_t kind = 0;  // index of the variant
        std::map<metric_labels, std::unique_ptr<series>> list;
    };

    /// The series with these labels; `make` makes one from the bounds of the family's first series.
    template <std::size_t Kind, class Make>
    auto& find(std::string_view name, std::string_view help, metric_labels labels, Make&& make) {
        auto guard = std::lock_guard{mutex};
        auto found = families.find(name);
        if (found == families.end()) {
            COHORT_ASSERT(is_name(name, true), "a metric's name follows Prometheus' rules");
            found = families.emplace(std::string{name}, family{std::string{help}, Kind, {}}).first;
        }
        auto& group = found->second;
        COHORT_ASSERT(group.kind == Kind, "a metric has one type");
        if (!group.list.contains(labels)) {
            check_labels(labels);
            if (group.list.size() >= series_max) {
                for (auto& [label, content] : labels) {
                    content = "other";
                }
            }
        }
        auto& slot = group.list[std::move(labels)];
        if (slot == nullptr) {
            slot = std::make_unique<series>(make());
        }
        return std::get<Kind>(*slot);
    }

    void write(metrics_writer& out, const std::string& name, const family& group,
               const metric_labels& labels, const series& each) const {
        if (const auto* number = std::get_if<cohort::counter>(&each)) {
            auto value = number->sum([](const core_counter& cell) { return cell.value(); });
            out.counter(name, group.help, labels, static_cast<double>(value));
        } else if (const auto* level = std::get_if<cohort::gauge>(&each)) {
            out.gauge(name, group.help, labels,
                      level->sum([](const core_gauge& cell) { return cell.value(); }));
        } else {
            const auto& spread = std::get<histogram_series>(each);
            auto counts = std::vector<std::uint64_t>(spread.bounds->size() + 1);
            for (auto bucket = std::size_t{0}; bucket < counts.size(); ++bucket) {
                counts[bucket] = spread.cells.sum(
                    [&](const core_histogram& cell) { return cell.count(bucket); });
            }
            auto sum = spread.cells.sum([](const core_histogram& cell) { return cell.sum(); });
            out.histogram(name, group.help, labels, *spread.bounds, counts, sum);
        }
    }

    const unsigned shards;
    const std::size_t series_max;
    mutable std::mutex mutex{};
    std::map<std::string, family, std::less<>> families{};
    std::list<collector> collectors{};
};

metrics_registry::metrics_registry(unsigned shards, std::size_t series_max)
    : state_{std::make_shared<state>(shards, series_max)} {
    COHORT_ASSERT(shards > 0, "a registry has a shard for each writing thread");
}

metrics_registry::~metrics_registry() = default;

cohort::counter& metrics_registry::counter(std::string_view name, std::string_view help,
                                           const metric_labels& labels) {
    return state_->find<0>(name, help, labels,
                           [&] { return state::series{cohort::counter{state_->shards}}; });
}

cohort::gauge& metrics_registry::gauge(std::string_view name, std::string_view help,
                                       const metric_labels& labels) {
    return state_->find<1>(name, help, labels,
                           [&] { return state::series{cohort::gauge{state_->shards}}; });
}

cohort::histogram& metrics_registry::histogram(std::string_view name, std::string_view help,
                                               std::span<const double> bounds,
                                               const metric_labels& labels) {
    auto make = [&] {
        COHORT_ASSERT(std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>{}) ==
                          bounds.end(),
                      "the bounds of a histogram rise");
        auto kept = std::make_unique<std::vector<double>>(bounds.begin(), bounds.end());
        auto cells = cohort::histogram{state_->shards, std::span<const double>{*kept}};
        return state::series{histogram_series{std::move(kept), std::move(cells)}};
    };
    return state_->find<2>(name, help, labels, make).cells;
}

std::shared_ptr<void> metrics_registry::collect(collector callback) {
    auto guard = std::lock_guard{state_->mutex};
    auto place = state_->collectors.insert(state_->collectors.end(), std::move(callback));
    return {nullptr, [place, owner = std::weak_ptr<state>{state_}](std::nullptr_t) {
                if (auto held = owner.lock()) {
                    auto inner = std::lock_guard{held->mutex};
                    held->collectors.erase(place);
                }
            }};
}

std::string metrics_registry::scrape() const {
    auto out = metrics_writer{};
    auto guard = std::lock_guard{state_->mutex};
    for (const auto& [name, group] : state_->families) {
        for (const auto& [labels, each] : group.list) {
            state_->write(out, name, group, labels, *each);
        }
    }
    for (const auto& callback : state_->collectors) {
        callback(out);
    }
    return out.text();
}

}  // namespace cohort
