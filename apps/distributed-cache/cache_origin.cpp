#include <distributed-cache/cache_origin.hpp>

#include <cohort/task/awaiters.hpp>
#include <cohort/world/assert.hpp>

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <span>
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

error refusal(const write_fence& owner) {
    return error{errc::stale_epoch,
                 fmt::format("shard {} of {} was activated by a newer owner than epoch {}",
                             owner.shard, owner.space, owner.epoch)}
        .with(executed::no);
}

}  // namespace

std::vector<std::string> cache_origin::names_of_lanes(const origin_options& database) {
    if (is_postgres(database.address)) {
        return std::vector<std::string>(std::max<std::uint32_t>(1, database.connections), "origin");
    }
    auto names = std::vector<std::string>{"origin-writes"};
    if (database.address != "sqlite::memory:") {  // which has one connection only
        names.emplace_back("origin-reads");
    }
    return names;
}

cache_origin::cache_origin(world& around, cache_origin_options options, std::vector<lane> lanes)
    : world_{around}, waiting_max_{options.waiting_max},
      lane_by_key_{is_postgres(options.database.address)},
      counters_{std::move(options.database.counters)}, lanes_{std::move(lanes)} {}

result<std::unique_ptr<cache_origin>> cache_origin::open(world& around,
                                                         cache_origin_options options) {
    auto& database = options.database;
    database.counters = std::make_shared<origin_counters>();
    if (database.writer.empty()) {
        database.writer = fmt::format("{:016x}{:016x}", around.random(), around.random());
    }
    auto connections = std::vector<std::unique_ptr<origin_connection>>{};
    for (auto i = std::size_t{0}; i < names_of_lanes(database).size(); ++i) {
        auto connection = open_origin(around, database, origin_use::serve);
        if (!connection) {
            return std::move(connection).error();
        }
        connections.push_back(std::move(*connection));
    }
    return over(around, std::move(options), std::move(connections));
}

std::unique_ptr<cache_origin> cache_origin::over(
    world& around, cache_origin_options options,
    std::vector<std::unique_ptr<origin_connection>> connections) {
    auto names = names_of_lanes(options.database);
    COHORT_ASSERT(names.size() == connections.size(), "every lane has its connection");
    auto lanes = std::vector<lane>{};
    for (auto i = std::size_t{0}; i < names.size(); ++i) {
        lanes.push_back({std::move(connections[i]), around.start_worker(std::move(names[i]))});
    }
    return std::unique_ptr<cache_origin>{
        new cache_origin{around, std::move(options), std::move(lanes)}};
}

cache_origin::lane& cache_origin::for_write(std::string_view key) noexcept {
    auto at = lane_by_key_ ? XXH3_64bits(key.data(), key.size()) % lanes_.size() : 0;
    return lanes_[at];
}

cache_origin::lane& cache_origin::for_read(std::string_view key) noexcept {
    return lane_by_key_ ? for_write(key) : lanes_.back();
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
        return call(*on->connection);
    };
    co_return co_await run_on(*on->worker, std::move(work));
}

task<result<void>> cache_origin::activate(write_fence owner, deadline until) {
    auto& lane = lanes_[lane_by_key_ ? owner.shard % lanes_.size() : 0];
    return run<void>(&lane, until,
                     [owner = std::move(owner), until](origin_connection& origin) -> result<void> {
                         auto refused = origin.activate(std::span{&owner, 1}, until.at);
                         if (!refused) {
                             return std::move(refused).error();
                         }
                         return refused->empty() ? result<void>{} : refusal(owner);
                     });
}

task<result<origin_row>> cache_origin::load(std::string key, write_fence owner, deadline until) {
    auto& lane = for_read(key);
    return run<origin_row>(
        &lane, until,
        [key = std::move(key), owner = std::move(owner), until](origin_connection& origin) {
            return origin.load(key, owner, until.at);
        });
}

task<result<stored_row>> cache_origin::store(std::string key, bytes content, write_fence owner,
                                             deadline until) {
    auto& lane = for_write(key);
    return run<stored_row>(&lane, until,
                           [key = std::move(key), content = std::move(content),
                            owner = std::move(owner), until](origin_connection& origin) {
                               return origin.store(key, content.view(), owner, until.at);
                           });
}

task<result<void>> cache_origin::erase(std::string key, write_fence owner, deadline until) {
    auto& lane = for_write(key);
    return run<void>(&lane, until,
                     [key = std::move(key), owner = std::move(owner), until](
                         origin_connection& origin) { return origin.erase(key, owner, until.at); });
}

}  // namespace cohort
