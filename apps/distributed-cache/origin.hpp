#pragma once

#include <cohort/world/bytes.hpp>
#include <cohort/world/result.hpp>

#include <cohort/world/time.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cohort {

/// The longest key in bytes. A key is any bytes; it is compared and hashed as bytes, never as text.
inline constexpr std::size_t key_bytes_max = 512;

/// The longest name of a space.
inline constexpr std::size_t space_bytes_max = 128;

/// The longest content that an origin may be configured to keep.
inline constexpr std::size_t content_bytes_ceiling = std::size_t{64} << 20;

/// Distinguishes every content that a key ever had, also across an erase: the origin counts its
/// writes and never gives a number twice. It becomes the `ETag`.
using row_version = std::uint64_t;

/// What an origin keeps for a key.
struct origin_row {
    bytes content;
    row_version version{};
};

/// What became of a write.
struct stored_row {
    row_version version{};
    bool created = false;  ///< the key was absent before
};

/// The right to write a shard: its owner's epoch. The origin refuses a write whose epoch is older
/// than the newest one that activated the shard, so that a former owner that was paused cannot undo
/// its successor.
struct write_fence {
    std::string space;
    std::uint32_t shard{};
    std::uint64_t epoch{};
};

/// A row that an import brings; borrowed.
struct import_row {
    std::string_view key;
    std::string_view content;
};

/// What became of the rows of an import.
struct import_counts {
    std::uint64_t added = 0;
    std::uint64_t replaced = 0;
    std::uint64_t unchanged = 0;
};

/// What changed an origin, in the order in which it was committed. Kept for tests that judge
/// whether a shard ever had two owners.
struct audit_row {
    enum class kind : std::uint8_t { activate = 0, store = 1, erase = 2 };

    std::uint64_t seq{};
    kind what{};
    write_fence owner;
    std::string key;        ///< empty for an activation
    row_version version{};  ///< that was written or erased, 0 for an activation
    std::string writer;     ///< the name of the process that wrote
};

/// Statements that ran, counted where they run; any thread may read them.
struct origin_counters {
    std::atomic<std::uint64_t> loads{0};
    std::atomic<std::uint64_t> stores{0};
    std::atomic<std::uint64_t> erases{0};
    std::atomic<std::uint64_t> connections_lost{0};

    [[nodiscard]] std::uint64_t queries() const noexcept {
        return loads.load(std::memory_order_relaxed) + stores.load(std::memory_order_relaxed) +
               erases.load(std::memory_order_relaxed);
    }
};

/// What an origin is opened for. Nodes hold it together, an import holds it alone.
enum class origin_use : std::uint8_t { serve, import };

/// One connection to a database that keeps `cache_data`, the fence and, when it was asked for, the
/// audit. Every write checks its fence in its own transaction.
///
/// Thread: one at a time; it may move between threads. Every call may block, until `until` at the
///         latest where the database can be left waiting.
/// Errors: `errc::not_found` for an absent key; `errc::stale_epoch` after a newer owner activated
///         the shard, `errc::invalid` for a shard that was not activated; `errc::invalid` and
///         `errc::too_large` for input that breaks a rule, before the database is asked;
///         `errc::unavailable`, `errc::timeout` and `errc::storage` of the database. `executed` is
///         `no` when the write certainly is not there and will not come, `maybe` otherwise.
class origin_connection {
public:
    origin_connection() = default;
    origin_connection(origin_connection&&) = default;
    origin_connection& operator=(origin_connection&&) = default;
    virtual ~origin_connection() = default;

    /// Makes each epoch the newest of its shard, before its owner reads or writes anything.
    /// Returns those that were refused because a newer one is there.
    virtual result<std::vector<write_fence>> activate(std::span<const write_fence> owners,
                                                      time_point until) = 0;

    virtual result<origin_row> load(std::string_view key, const write_fence& owner,
                                    time_point until) = 0;
    virtual result<stored_row> store(std::string_view key, std::string_view content,
                                     const write_fence& owner, time_point until) = 0;
    virtual result<void> erase(std::string_view key, const write_fence& owner,
                               time_point until) = 0;

    /// Refuses a row that `store` and `import_rows` would refuse.
    [[nodiscard]] virtual result<void> check_row(std::string_view key,
                                                 std::string_view content) const = 0;
    /// Writes rows in their order, all of them or none. Needs no fence, because an import holds
    /// the origin alone.
    virtual result<import_counts> import_rows(std::span<const import_row> rows) = 0;
    /// Ends an import.
    virtual result<void> finish_import() = 0;

    /// At most `rows_max` rows of the audit with numbers above `after`.
    ///
    /// Errors: `errc::not_found` when the origin keeps no audit.
    virtual result<std::vector<audit_row>> read_audit(std::uint64_t after,
                                                      std::size_t rows_max) = 0;
};

/// Refuses an empty key and one over `key_bytes_max`, each with a sentence.
///
/// Errors: `errc::invalid`.
[[nodiscard]] result<void> check_key(std::string_view key);

/// `check_key`, and refuses a content over the limit.
///
/// Errors: `errc::invalid`, `errc::too_large`.
[[nodiscard]] result<void> check_row(std::string_view key, std::string_view content,
                                     std::size_t content_bytes_max);

/// Refuses an owner when the newest epoch of its shard, nothing before the first activation, is
/// another.
///
/// Errors: `errc::stale_epoch`, `errc::invalid`.
[[nodiscard]] result<void> check_fence(std::optional<std::uint64_t> newest,
                                       const write_fence& owner);

/// Refuses owners that no database could keep: a shard named twice, a space that is no plain text,
/// an epoch of 0 or beyond 2^63.
///
/// Errors: `errc::invalid`.
[[nodiscard]] result<void> check_owners(std::span<const write_fence> owners);

}  // namespace cohort
