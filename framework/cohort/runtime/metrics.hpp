#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <cohort/runtime/counters.hpp>
#include <cohort/world/assert.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// Names and values that tell the series of one metric apart.
using metric_labels = std::vector<std::pair<std::string, std::string>>;

/// A value that goes up and down, with one writing thread.
class core_gauge {
public:
    void set(double value) noexcept { value_.store(value, std::memory_order_relaxed); }
    void add(double amount) noexcept { set(value() + amount); }
    [[nodiscard]] double value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<double> value_{0};
};

/// Counts of observations between bounds, with one writing thread.
class core_histogram {
public:
    explicit core_histogram(std::span<const double> bounds)
        : bounds_{bounds}, counts_(bounds.size() + 1) {}

    void observe(double value) noexcept;
    void observe(duration value) noexcept { observe(std::chrono::duration<double>(value).count()); }

    [[nodiscard]] std::uint64_t count(std::size_t bucket) const noexcept {
        return counts_[bucket].value();
    }
    [[nodiscard]] double sum() const noexcept { return sum_.value(); }

private:
    std::span<const double> bounds_;
    std::vector<core_counter> counts_;
    core_gauge sum_;
};

namespace detail {

/// One `Cell` for each writing thread, on cache lines of its own.
template <class Cell>
class sharded_metric {
public:
    template <class... Args>
    explicit sharded_metric(unsigned shards, const Args&... args) {
        for (auto shard = 0U; shard < shards; ++shard) {
            cells_.push_back(std::make_unique<padded>(args...));
        }
    }
    /// The cell of one writing thread; the reference is valid as long as the registry.
    [[nodiscard]] Cell& on(unsigned shard) noexcept {
        COHORT_ASSERT(shard < cells_.size(), "a metric has no more shards than its registry");
        return cells_[shard]->cell;
    }
    template <class Read>
    auto sum(Read&& read) const {
        auto total = decltype(read(cells_[0]->cell)){};
        for (const auto& each : cells_) {
            total += read(each->cell);
        }
        return total;
    }

private:
    struct alignas(64) padded {
        template <class... Args>
        explicit padded(const Args&... args) : cell{args...} {}
        Cell cell;
    };
    std::vector<std::unique_ptr<padded>> cells_;
};

}  // namespace detail

using counter = detail::sharded_metric<core_counter>;
using gauge = detail::sharded_metric<core_gauge>;  ///< its value is the sum over the shards
using histogram = detail::sharded_metric<core_histogram>;

/// Bounds that divide every power of two from `first` to `last` into `steps` equal parts.
[[nodiscard]] std::vector<double> log_linear_bounds(double first, double last, unsigned steps = 1);

/// Takes the values that collectors compute at a scrape.
class metrics_writer {
public:
    /// Any number will do: the text format knows floating point only.
    template <class Number>
        requires std::is_arithmetic_v<Number>
    void counter(std::string_view name, std::string_view help, const metric_labels& labels,
                 Number value) {
        sample(name, help, "counter", labels, static_cast<double>(value));
    }
    template <class Number>
        requires std::is_arithmetic_v<Number>
    void gauge(std::string_view name, std::string_view help, const metric_labels& labels,
               Number value) {
        sample(name, help, "gauge", labels, static_cast<double>(value));
    }
    /// `counts` holds one number for each bound and one for what lies above the last.
    void histogram(std::string_view name, std::string_view help, const metric_labels& labels,
                   std::span<const double> bounds, std::span<const std::uint64_t> counts,
                   double sum);

    /// The text so far, each metric with its HELP and TYPE once.
    [[nodiscard]] std::string text() const;

private:
    struct family {
        std::string help;
        std::string_view type;
        std::string samples;
    };
    family& open(std::string_view name, std::string_view help, std::string_view type);
    void sample(std::string_view name, std::string_view help, std::string_view type,
                const metric_labels& labels, double value);

    std::map<std::string, family, std::less<>> families_;
};

/// The metrics of one system, and their Prometheus text (version 0.0.4).
///
/// Ownership: metrics live as long as the registry.
/// Thread:    any, also while cores write; an increment takes no lock and allocates nothing.
class metrics_registry {
public:
    /// `shards` is the number of writing threads: the cores, and one for each further thread that
    /// counts.
    explicit metrics_registry(unsigned shards, std::size_t series_max = 1000);
    ~metrics_registry();
    metrics_registry(const metrics_registry&) = delete;
    metrics_registry& operator=(const metrics_registry&) = delete;

    /// The series with these labels, made when there is none yet. More than `series_max` series of
    /// one metric share one whose label values are `other`. A name that breaks Prometheus' rules,
    /// or that has another type already, is a mistake in the program: asserted.
    [[nodiscard]] cohort::counter& counter(std::string_view name, std::string_view help,
                                           const metric_labels& labels = {});
    [[nodiscard]] cohort::gauge& gauge(std::string_view name, std::string_view help,
                                       const metric_labels& labels = {});
    /// The bounds rise, and are the same for all series of a name.
    [[nodiscard]] cohort::histogram& histogram(std::string_view name, std::string_view help,
                                               std::span<const double> bounds,
                                               const metric_labels& labels = {});

    using collector = std::function<void(metrics_writer&)>;
    /// Called at every scrape, in order, on the scraping thread; it must not call the registry. It
    /// is forgotten when the returned token is dropped, which waits for a scrape that runs.
    [[nodiscard]] std::shared_ptr<void> collect(collector callback);

    [[nodiscard]] std::string scrape() const;

private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace cohort
