#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <cohort/actor/system.hpp>
#include <cohort/cluster/ownership.hpp>
#include <cohort/sharding/options.hpp>
#include <cohort/sharding/sharded.hpp>

namespace cohort {

class remoting;

/// Entities that are spread over the nodes of a cluster: each key lives in one place, and every
/// node reaches it in the same way.
///
///     auto& shards = system.use(sharding{owners, &network});
///     auto cache = shards.space<cache_protocol>("cache", cache_entity, {}, database);
///
///     auto found = co_await cache["key"].ask<get>(2s);
///
/// Use it behind the cluster and remoting, so that it starts after them and stops before them.
///
/// Ownership: `owners` and `network` outlive the system's cores.
class sharding final : public extension {
public:
    /// Without `network` there are no other nodes: `owners` is a `lone_ownership`.
    explicit sharding(ownership& owners, remoting* network = nullptr,
                      sharding_options options = {});
    sharding(sharding&&) noexcept;
    sharding& operator=(sharding&&) noexcept;
    ~sharding() override;

    /// Declares a kind of entities, before the start: an entity is
    /// `entity(entity_context<P>, args...)`, with the arguments copied for each. Every message of
    /// `P` has to be serializable.
    template <class P, class Function, class... Args>
    [[nodiscard]] sharded<P> space(std::string name, Function entity, entity_options options,
                                   Args... args) {
        static_assert(
            std::is_invocable_r_v<behavior<P>, Function, entity_context<P>, Args...>,
            "an entity is a free function that returns behavior<P>, takes its entity_context<P>, "
            "and then these arguments");
        detail::pass_door<detail::host_protocol<P>>();
        auto made = std::make_unique<detail::space_of<P, Function, Args...>>(
            std::move(name), std::move(options), entity, std::move(args)...);
        auto& added = *made;
        add(std::move(made));
        return sharded<P>{added};
    }

    [[nodiscard]] std::string_view name() const noexcept override { return "sharding"; }
    [[nodiscard]] result<void> start(system& owner) override;
    /// Gives all shards to other nodes and leaves the cluster; then ends the entities.
    [[nodiscard]] task<void> stop() override;

    /// Where a key of a space lives. Any thread. Errors: `not_found` for an unknown space,
    /// `unavailable` before the first view.
    [[nodiscard]] result<key_location> locate(std::string_view space, std::string_view key) const;
    /// Any thread.
    [[nodiscard]] sharding_numbers numbers() const;

private:
    void add(std::unique_ptr<detail::space_base> made);

    std::unique_ptr<detail::sharding_state> state_;
};

}  // namespace cohort
