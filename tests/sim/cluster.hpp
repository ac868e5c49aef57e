#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <cohort/cluster/cluster.hpp>
#include <cohort/testkit/campaign.hpp>

namespace cohort::sim {

/// Nodes form a cluster over remoting, with a shard table whose shards are given back when they are
/// asked for, and lose processes, machines, links and time. Judged: at no instant two nodes may act
/// for one shard (I1) or belong to two clusters that act (I15); views are one for each epoch and
/// come in order (I2), owners' epochs rise (I3), who was removed acts no more (I5), watchers miss
/// nothing unnoticed (I16), every core hears the same; healed nodes own every shard soon (I18).
class cluster_workload final : public workload {
public:
    explicit cluster_workload(const schedule& given);
    ~cluster_workload() override;

    void boot(simulated_node& node) override;
    void operate(simulation& whole, const scheduled_operation& operation) override;
    [[nodiscard]] std::optional<std::string> check_safety() override;
    void expect_life(simulation& whole, const std::vector<std::uint32_t>& core) override;
    [[nodiscard]] bool live() override;
    [[nodiscard]] std::string waits_for() override { return waits_for_; }
    [[nodiscard]] std::map<std::string, std::uint64_t> sometimes() const override;

    static constexpr std::uint32_t operation_kinds = 4;
    [[nodiscard]] static std::vector<std::string> must();

private:
    friend struct cluster_programs;
    struct station;

    void wrong(std::string what);
    void judge(simulation& whole);
    [[nodiscard]] bool can_live() const;
    void note_view(const view_ptr& seen);
    [[nodiscard]] bool acts(const station& at, std::uint32_t shard) const;
    void shut_down(simulation& whole, simulated_node& node);
    [[nodiscard]] endpoint address(std::uint32_t node) const;

    std::uint32_t nodes_;
    bool fast_enough_;  // the network, for leases to be renewed in time
    std::uint32_t seeds_;
    simulation* whole_ = nullptr;
    std::vector<station*> up_;  // by node; null while it is down
    std::vector<std::uint32_t> healed_;
    std::string waits_for_;
    bool can_live_ = false;
    bool ending_ = false;

    std::optional<std::string> wrong_;
    std::map<std::pair<node_uid, std::uint64_t>, view_ptr> views_;    // by cluster and epoch
    std::map<std::pair<node_uid, node_uid>, std::uint64_t> removed_;  // cluster, uid; by epoch
    std::map<std::string, std::uint64_t> counters_;
};

[[nodiscard]] workload_maker make_cluster();

}  // namespace cohort::sim
