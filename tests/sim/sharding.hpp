#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <cohort/testkit/campaign.hpp>

#include <diaries.hpp>

namespace cohort::sim {

/// Nodes send to a few entities whose shards move all the time, away and back again, while links
/// stall, connections break and nodes stand still. Views and releases travel by hand, beside the
/// network: so a message may be on its way for as long as its shard has one owner, another one, and
/// the first again, as it may where the connections of the cluster are well and one of messages is
/// not. Judged: nothing is done twice, each sender's messages in order, never by an older owner
/// behind a newer one, and all as the senders were told; healed nodes answer for every key.
class sharding_workload final : public workload {
public:
    explicit sharding_workload(const schedule& given);
    ~sharding_workload() override;

    void boot(simulated_node& node) override;
    void operate(simulation& whole, const scheduled_operation& operation) override;
    [[nodiscard]] std::optional<std::string> check_safety() override;
    void expect_life(simulation& whole, const std::vector<std::uint32_t>& core) override;
    [[nodiscard]] bool live() override { return waiting_for_life_ == 0; }
    [[nodiscard]] std::string waits_for() override;
    [[nodiscard]] std::map<std::string, std::uint64_t> sometimes() const override;

    static constexpr std::uint32_t operation_kinds = 4;
    [[nodiscard]] static std::vector<std::string> must();

private:
    friend struct sharding_programs;
    struct station;

    void begin_move(std::uint32_t shard, std::uint32_t to);
    void take_releases();
    void tell();

    std::uint32_t nodes_;
    std::mt19937_64 random_;
    simulation* whole_ = nullptr;
    view truth_;
    std::vector<std::string> keys_;
    std::map<std::uint32_t, std::pair<std::uint32_t, duration>> returns_;  // by shard: to, after
    std::vector<station*> up_;
    std::vector<std::uint32_t> healed_;
    std::uint32_t waiting_for_life_ = 0;

    sharding_tests::ghost seen_;
    sharding_tests::outcomes book_;
    std::map<std::string, std::uint64_t> counters_;
};

[[nodiscard]] workload_maker make_sharding();

}  // namespace cohort::sim
