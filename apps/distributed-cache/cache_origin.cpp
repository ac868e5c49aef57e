#include <distributed-cache/cache_origin.hpp>

#include <cohort/task/awaiters.hpp>

#include <utility>

namespace cohort {
namespace {

/// Counts a call while it waits.
class waiting_call {
public:
    explicit waiting_call(std::atomic<std::uint32_t>& count) noexcept
        : count_{count}, before_{count.fetch_add(1, std::memory_order_relaxed)} {}
    waiting_call(const waiting_call&) = delete;
    waiting_call& operator=(const waiting_call&) = delete;
    ~waiting_call() { count_.fetch_sub(1, std::memory_order_relaxed); }

    [[nodiscard]] std::uint32_t before() const noexcept { return before_; }

private:
    std::atomic<std::uint32_t>& count_;
    std::uint32_t before_;
};

}  // namespace

cache_origin::cache_origin(world& around, cache_origin_options options, lane writes,
                           std::unique_ptr<lane> reads)
    : world_{around}, owner_{.space = std::move(options.space), .shard = 0, .epoch = 1},
      waiting_max_{options.waiting_max}, counters_{std::move(options.sqlite.counters)},
      writes_{std::move(writes)}, reads_{std::move(reads)} {}

result<std::unique_ptr<cache_origin>> cache_origin::open(world& around,
                                                         cache_origin_options options) {
    options.sqlite.counters = std::make_shared<origin_counters>();
    auto writes = sqlite_origin::open(options.sqlite, sqlite_origin::use::serve);
    if (!writes) {
        return std::move(writes).error();
    }
    // One node owns every key, so its epoch never changes.
    if (auto owned = writes->activate({.space = options.space, .shard = 0, .epoch = 1}); !owned) {
        return owned.error();
    }
    auto reads = std::unique_ptr<lane>{};
    if (options.sqlite.path != ":memory:") {
        auto second = sqlite_origin::open(options.sqlite, sqlite_origin::use::serve);
        if (!second) {
            return std::move(second).error();
        }
        reads = std::make_unique<lane>(std::move(*second), around.start_worker("origin-reads"));
    }
    auto first = lane{std::move(*writes), around.start_worker("origin-writes")};
    return std::unique_ptr<cache_origin>{
        new cache_origin{around, std::move(options), std::move(first), std::move(reads)}};
}

template <class T, class Call>
task<result<T>> cache_origin::run(lane* on, deadline until, Call call) {
    auto waiting = waiting_call{waiting_};
    if (waiting.before() >= waiting_max_) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        co_return error{errc::overloaded, "too many calls wait for the origin"}.with(executed::no);
    }
    auto work = [this, on, until, &call]() -> result<T> {
        if (world_.now() >= until.at) {
            expired_.fetch_add(1, std::memory_order_relaxed);
            return error{errc::timeout, "the deadline passed before the origin was asked"}.with(
                executed::no);
        }
        return call(on->origin);
    };
    co_return co_await run_on(*on->worker, std::move(work));
}

task<result<origin_row>> cache_origin::load(std::string key, deadline until) {
    return run<origin_row>(&reads(), until, [key = std::move(key)](sqlite_origin& origin) {
        return origin.load(key);
    });
}

task<result<stored_row>> cache_origin::store(std::string key, bytes content, deadline until) {
    return run<stored_row>(
        &writes_, until,
        [this, key = std::move(key), content = std::move(content)](sqlite_origin& origin) {
            return origin.store(key, content.view(), owner_);
        });
}

task<result<void>> cache_origin::erase(std::string key, deadline until) {
    return run<void>(&writes_, until, [this, key = std::move(key)](sqlite_origin& origin) {
        return origin.erase(key, owner_);
    });
}

}  // namespace cohort
