#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cohort/cluster/cluster.hpp>
#include <cohort/testkit/campaign.hpp>
#include <cohort/testkit/checkers/history.hpp>

#include "origin_stub.hpp"

namespace cohort::sim {

/// The whole app: nodes that run the cache with its cluster, its entities and its HTTP server, on
/// one origin that outlives them, and clients that speak HTTP with any of them and lose
/// connections and patience. Judged: what clients saw is linearizable for each key (I12), no
/// request that was sent behind an answer of a newer owner gets one of an older (the auditor), no
/// older owner's write is in the origin (I9), at no instant two nodes own one key's shard (I1), no
/// entity runs while its node's lease is over (I8), one sender's writes to a key come in order and
/// at most once (I10), what is said not to be executed is not (I11), no owner that gave a shard
/// back still writes (R9), what was acknowledged is in the origin at the end (I13), healed nodes
/// answer for every key soon (I18), and nothing is left (I20).
class cache_workload final : public workload, origin_stub::listener {
public:
    explicit cache_workload(const schedule& given);
    ~cache_workload() override;

    void boot(simulated_node& node) override;
    void operate(simulation& whole, const scheduled_operation& operation) override;
    [[nodiscard]] std::optional<std::string> check_safety() override;
    void expect_life(simulation& whole, const std::vector<std::uint32_t>& core) override;
    [[nodiscard]] bool live() override;
    [[nodiscard]] std::string waits_for() override;
    [[nodiscard]] std::map<std::string, std::uint64_t> sometimes() const override;

    static constexpr std::uint32_t operation_kinds = 17;
    static constexpr std::uint64_t keys = 6;
    [[nodiscard]] static std::vector<std::string> must();

    struct station;
    enum class verb : std::uint8_t { get, put, erase };
    struct request {
        verb what = verb::get;
        std::uint64_t key = 0;
    };
    /// What a client has asked and was not answered yet.
    struct open_request {
        std::size_t number = 0;  // in the history
        request asked;
        std::uint64_t value = 0;
        std::uint64_t newest_before = 0;   // epoch that somebody had seen when it was sent
        std::uint64_t changes_before = 0;  // of its key in the origin
    };
    /// What a client was answered.
    struct answer {
        int status = 0;
        std::string epoch;   // `Cohort-Epoch`
        bool maybe = false;  // `Executed: maybe`
        std::string tag;
        std::string body;
    };

    // -- for the clients ------------------------------------------------------------------------

    [[nodiscard]] simulated_node& clients() noexcept { return *clients_; }
    [[nodiscard]] station* at(std::uint32_t node) noexcept { return up_[node]; }
    [[nodiscard]] endpoint address(std::uint32_t node, std::uint16_t port) const;
    [[nodiscard]] const std::string& key_name(std::uint64_t key) const { return names_[key]; }
    /// What is written for a value, which a reader recognises.
    [[nodiscard]] std::string content_of(std::uint64_t value) const;
    /// One that no write had before. Those of one sender have to take effect in their order; 0 is
    /// nobody.
    [[nodiscard]] std::uint64_t next_value(std::uint64_t sender);
    [[nodiscard]] std::uint64_t next_sender() noexcept { return ++senders_; }

    [[nodiscard]] open_request begin(request what, std::uint64_t value);
    /// The same, by HTTP with a node.
    [[nodiscard]] open_request begin_at(std::uint32_t node, request what, std::uint64_t value);
    void answered(const open_request& asked, const answer& given);
    /// So many requests with a node are over.
    void gone(std::uint32_t node, std::size_t requests);
    /// How a write from inside of a node ended.
    void told(const open_request& asked, executed outcome);
    /// A healed node answered for a key, or need not.
    void lives(std::uint32_t node, std::uint64_t key);
    /// Whether nobody can ask healed nodes for the key: its owner is not one of them.
    [[nodiscard]] bool excused(std::uint64_t key) const;
    void count(const char* what) { ++counters_[what]; }

private:
    // origin_stub::listener
    void wrong(std::string what) override;
    void changed(std::string_view key, std::string_view content) override;
    void refused_stale(std::uint32_t node, const write_fence& owner) override;

    void judge(simulation& whole);
    void judge_owners();
    [[nodiscard]] bool acts(const station& at, std::uint64_t key) const;
    [[nodiscard]] bool can_live() const;
    void shut_down(simulation& whole, simulated_node& node);
    void read_behind_write(std::uint32_t node, std::uint64_t key, std::uint32_t reader);
    void hammer(std::uint64_t key);
    void stop_owner(std::uint64_t key, std::uint64_t drawn);
    [[nodiscard]] station* owner_of(std::uint64_t key) const;
    void note_view(const view_ptr& seen);
    void take_numbers();

    void check_epoch(const open_request& asked, const answer& given);
    void check_content(const open_request& asked, const answer& given);
    [[nodiscard]] std::optional<std::string> judge_history();

    keyed_random random_;
    std::uint32_t nodes_;
    duration length_;
    time_point began_{};
    std::uint32_t seeds_;
    bool fast_enough_;  // the network, for leases to be renewed in time
    duration idle_;
    duration request_time_;
    std::size_t keys_in_memory_;
    std::size_t padding_;
    origin_stub origin_;
    std::array<std::string, keys> names_;
    std::array<std::uint32_t, keys> shards_{};

    simulation* whole_ = nullptr;
    simulated_node* clients_ = nullptr;
    std::vector<station*> up_;  // by node; null while it is down
    std::vector<std::uint32_t> healed_;
    std::size_t waiting_for_life_ = 0;
    std::set<std::pair<std::uint32_t, std::uint64_t>> waiting_;  // nodes and keys
    bool can_live_ = false;
    bool finishing_ = false;
    bool ending_ = false;

    std::optional<std::string> wrong_;
    history history_;
    std::uint64_t values_ = 0;
    std::uint64_t senders_ = 0;
    std::map<std::uint64_t, std::uint64_t> sender_of_;  // by value
    std::map<std::uint64_t, std::uint64_t> newest_of_;  // a sender's that took effect
    std::set<std::uint64_t> stored_;
    std::set<std::uint64_t> not_executed_;
    std::map<std::uint32_t, std::uint64_t> newest_epoch_;  // that clients saw, by shard
    std::map<std::string, std::uint64_t> tags_;            // the value behind each ETag
    std::map<std::string, std::uint64_t> changes_of_;      // of a key in the origin
    std::vector<std::uint32_t> open_at_;                   // requests, by node
    view_ptr newest_;
    std::map<std::string, std::uint64_t> counters_;
};

/// The schedules of the workload, as it runs them: with clocks that are as right as the protocol
/// counts on (A3).
[[nodiscard]] run_report run_cache(const schedule& given);
[[nodiscard]] schedule_limits cache_limits();

}  // namespace cohort::sim
