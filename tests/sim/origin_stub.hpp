#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <distributed-cache/audit.hpp>
#include <distributed-cache/open_origin.hpp>
#include <distributed-cache/origin.hpp>

#include <cohort/testkit/simulation.hpp>
#include <cohort/world/keyed_random.hpp>

namespace cohort::sim {

/// The database behind the caches of a simulation: in no node, so it outlives them all, with the
/// fence and the audit of the real ones. What goes wrong with it is what goes wrong with those: it
/// refuses, it loses the answer of a write that it has done or has not, and where connections reach
/// over a network it does one later than its caller gave up. Such a write is settled before the
/// next call on its connection, as `postgres_origin` does.
class origin_stub {
public:
    struct row {
        std::string content;
        row_version version = 0;
    };
    /// What a campaign wants to be told.
    struct listener {
        virtual ~listener() = default;
        virtual void wrong(std::string what) = 0;
        /// A write took effect; an erase has no content.
        virtual void changed(std::string_view key, std::string_view content) = 0;
        /// The fence refused what this node asked for just now.
        virtual void refused_stale(std::uint32_t node, const write_fence& owner) = 0;
    };
    struct numbers {
        std::uint64_t activations = 0, loads = 0, stores = 0, erases = 0;
        std::uint64_t fenced = 0;        // writes that the fence refused
        std::uint64_t late = 0;          // took effect when their caller had given up
        std::uint64_t late_fenced = 0;   // or did not, because of the fence
        std::uint64_t answers_lost = 0;  // of writes that took effect
        std::uint64_t loaded_again = 0;  // by the same owner: its entity was gone meanwhile
    };

    /// `troubles` of 1,000 calls go wrong.
    origin_stub(std::uint64_t seed, bool networked, std::uint32_t troubles, listener& told);
    origin_stub(const origin_stub&) = delete;
    origin_stub& operator=(const origin_stub&) = delete;

    /// What a node's cache_origin is made over.
    [[nodiscard]] origin_options options(std::string writer) const;
    [[nodiscard]] std::vector<std::unique_ptr<origin_connection>> connect(simulated_node& node,
                                                                          std::string writer);

    /// Nothing goes wrong any more.
    void heal() noexcept { troubles_ = 0; }
    [[nodiscard]] const row* find(std::string_view key) const;
    [[nodiscard]] std::uint64_t loads_of(const std::string& key) const;
    /// Writes that may still take effect.
    [[nodiscard]] std::uint32_t late_writes() const noexcept { return late_; }
    [[nodiscard]] const numbers& counted() const noexcept { return numbers_; }

private:
    class connection;
    friend class connection;
    enum class trouble : std::uint8_t { none, refused, lost_before, lost_after, late };

    [[nodiscard]] trouble draw() noexcept;
    [[nodiscard]] std::optional<std::uint64_t> newest(const write_fence& owner) const;
    bool activate(const write_fence& owner, const std::string& writer);
    void raise(const write_fence& owner);
    result<stored_row> store(std::string_view key, std::string_view content,
                             const write_fence& owner, const std::string& writer);
    result<void> erase(std::string_view key, const write_fence& owner, const std::string& writer);
    void note(audit_row::kind what, const write_fence& owner, std::string_view key,
              row_version version, const std::string& writer);

    keyed_random random_;
    std::uint64_t drawn_ = 0;
    bool networked_;
    std::uint32_t troubles_;
    listener& told_;
    std::map<std::string, row, std::less<>> rows_;
    std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> fences_;
    std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> loaded_;  // by key and epoch
    std::map<std::string, std::uint64_t> loads_of_;
    row_version last_version_ = 0;
    std::uint64_t audited_ = 0;
    std::uint32_t late_ = 0;
    audit_judge judge_;
    numbers numbers_;
};

}  // namespace cohort::sim
