#include <distributed-cache/cache_items.hpp>

#include <cohort/world/mutant.hpp>

namespace cohort {
namespace {

/// A popular key gets many requests at once, and each is answered in well under a microsecond.
constexpr std::uint16_t mailbox_limit = 20'000;
constexpr auto activation_time = std::chrono::seconds{5};

}  // namespace

cache_items::cache_items(sharding& shards, cache_origin& origin, cache_items_options options)
    : shards_{shards}, origin_{origin}, options_{std::move(options)}, counters_(cores_max),
      space_{shards.space<item_protocol>(
          std::string{space_name}, &cache_entity,
          {.idle = options_.times.idle,
           .entities_max = options_.keys_max,
           .content_bytes_max = options_.content_bytes_max,
           .mailbox_limit = mailbox_limit,
           .activate = [this](std::uint32_t shard,
                              std::uint64_t own_epoch) { return activate(shard, own_epoch); }},
          this)} {}

task<result<void>> cache_items::activate(std::uint32_t shard, std::uint64_t own_epoch) {
    if (COHORT_MUTANT(fence_not_raised)) {
        co_return result<void>{};
    }
    auto until = deadline{this_core().now() + activation_time, 0};
    auto done = co_await origin_.activate({std::string{space_name}, shard, own_epoch}, until);
    co_return done;
}

item_figures cache_items::figures() const {
    auto kept = shards_.numbers();
    auto sum = item_figures{.entities = kept.entities,
                            .content_bytes = kept.content_bytes,
                            .started = kept.started,
                            .evicted = kept.evicted};
    for (const auto& counted : counters_) {
        sum.hits += counted.hits.value();
        sum.misses += counted.misses.value();
        sum.failed += counted.failed.value();
    }
    return sum;
}

}  // namespace cohort
