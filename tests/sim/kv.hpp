#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/testkit/campaign.hpp>
#include <cohort/testkit/checkers/history.hpp>

namespace cohort::sim {

/// Mistakes that can be planted into the service, each of a kind that is made in earnest.
enum class kv_bug : std::uint8_t {
    none,
    sends_again,    ///< a client whose answer was lost sends the request again
    answers_early,  ///< a server answers before the value is sure to stay on its disk
    syncs_again,    ///< a server whose disk failed tries once more and believes it
    reads_old,      ///< a client keeps what it read for a while
    keeps_waiting,  ///< a client waits for an answer without a limit
};
[[nodiscard]] std::optional<kv_bug> kv_bug_named(std::string_view name);

/// A service that keeps numbers under keys, on plain streams. Each key belongs to one node, which
/// writes to its disk before it answers; every node is a client of all. The example of the docs,
/// and what proves that campaigns find what they should.
class kv_workload final : public workload {
public:
    kv_workload(const schedule& given, kv_bug bug);
    ~kv_workload() override;

    void boot(simulated_node& node) override;
    void operate(simulation& whole, const scheduled_operation& operation) override;
    [[nodiscard]] std::optional<std::string> check_safety() override;
    void expect_life(simulation& whole, const std::vector<std::uint32_t>& core) override;
    [[nodiscard]] bool live() override;
    [[nodiscard]] std::map<std::string, std::uint64_t> sometimes() const override {
        return counters_;
    }

private:
    friend struct kv_programs;

    kv_bug bug_;
    std::uint32_t nodes_;
    history seen_;
    std::uint64_t next_value_ = 0;
    std::map<std::uint64_t, std::uint64_t> last_read_;  // what clients believe, for expectations
    std::vector<std::size_t> running_;                  // operations of each node's clients
    std::vector<std::uint32_t> healed_;
    std::size_t waiting_for_life_ = 0;
    std::map<std::string, std::uint64_t> counters_;
};

[[nodiscard]] workload_maker make_kv(kv_bug bug);

}  // namespace cohort::sim
