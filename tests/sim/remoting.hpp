#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cohort/remoting/remoting.hpp>
#include <cohort/testkit/campaign.hpp>

namespace cohort::sim {

/// Actors of several nodes tell, ask and watch each other through remoting, and strangers send
/// garbage to it. Judged: each sender's order, at most once, answers belong to their requests, what
/// certainly was not executed is not, no deadline grows, a watch fires exactly once, memory stays
/// within its limits, and healed nodes work.
class remoting_workload final : public workload {
public:
    enum class flavour : std::uint8_t {
        plain,
        corrupted,  ///< anything may arrive: only life and limits are judged
        impatient,  ///< nodes give each other up soon, and come back
    };
    remoting_workload(const schedule& given, flavour how);
    ~remoting_workload() override;

    void boot(simulated_node& node) override;
    void operate(simulation& whole, const scheduled_operation& operation) override;
    [[nodiscard]] std::optional<std::string> check_safety() override;
    void expect_life(simulation& whole, const std::vector<std::uint32_t>& core) override;
    [[nodiscard]] bool live() override;
    [[nodiscard]] std::map<std::string, std::uint64_t> sometimes() const override;

    /// What every 1,000 seeds must have seen.
    [[nodiscard]] static std::vector<std::string> must();
    static constexpr std::uint32_t operation_kinds = 10;

private:
    friend struct remoting_programs;

    struct station;
    struct watched {
        std::uint32_t node = 0;
        int ends = 0;
    };
    struct watching {
        std::map<std::string, watched> refs;
    };

    /// As much of a message as this run's network carries in time.
    [[nodiscard]] std::size_t large(std::size_t bytes) const noexcept;
    void wrong(std::string what);
    void end_targets();
    [[nodiscard]] std::uint64_t ends_missing() const;
    void look_at_memory();

    bool corrupting_;
    bool impatient_;
    std::uint32_t nodes_;
    std::size_t stream_buffer_;
    std::vector<station*> up_;  // by node; null while it is down
    simulation* whole_ = nullptr;
    std::vector<std::uint32_t> healed_;
    std::size_t waiting_for_life_ = 0;
    bool ending_ = false;

    std::optional<std::string> wrong_;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::int64_t> last_;  // receiver, sender
    std::set<std::uint64_t> executed_;
    std::set<std::uint64_t> not_executed_;
    std::map<std::uint64_t, watching> drivers_;
    std::uint64_t numbers_ = 0;
    std::map<std::string, std::uint64_t> counters_;
};

[[nodiscard]] workload_maker make_remoting(remoting_workload::flavour how);

}  // namespace cohort::sim
