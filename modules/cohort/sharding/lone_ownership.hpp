#pragma once

#include <memory>
#include <vector>

#include <cohort/actor/system.hpp>
#include <cohort/cluster/ownership.hpp>

namespace cohort {

struct lone_options {
    /// The epoch in which this node owns everything. Where a store keeps fences, it must not be
    /// below those of owners before: a time will do.
    std::uint64_t own_epoch = 1;
    /// What `locate` says about where the node is.
    endpoint address = {"127.0.0.1", 0};
};

/// The ownership of a node that is alone: it owns every shard, and its lease never ends. Use it
/// before `sharding`.
class lone_ownership final : public extension, public ownership {
public:
    explicit lone_ownership(lone_options options = {});
    lone_ownership(lone_ownership&&) noexcept;
    lone_ownership& operator=(lone_ownership&&) noexcept;
    ~lone_ownership() override;

    void declare(space_options space) override;
    void listen(ownership_listener& listener) override;
    [[nodiscard]] node_uid self() const noexcept override;
    [[nodiscard]] const lease& own_lease() const noexcept override;
    [[nodiscard]] view_ptr current() const override;
    void release(std::string space, std::uint32_t shard, std::uint64_t drain_epoch) override;
    void look_for(std::uint64_t epoch) override;
    [[nodiscard]] task<void> leave() override;

    [[nodiscard]] std::string_view name() const noexcept override { return "ownership"; }
    [[nodiscard]] result<void> start(system& owner) override;
    [[nodiscard]] task<void> stop() override;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace cohort
