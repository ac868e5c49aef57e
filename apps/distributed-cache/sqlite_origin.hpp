#pragma once

#include <distributed-cache/file_lock.hpp>
#include <distributed-cache/origin.hpp>
#include <distributed-cache/sqlite.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cohort {

/// Statements that ran, counted where they run; any thread may read them.
struct origin_counters {
    std::atomic<std::uint64_t> loads{0};
    std::atomic<std::uint64_t> stores{0};
    std::atomic<std::uint64_t> erases{0};

    [[nodiscard]] std::uint64_t queries() const noexcept {
        return loads.load(std::memory_order_relaxed) + stores.load(std::memory_order_relaxed) +
               erases.load(std::memory_order_relaxed);
    }
};

struct sqlite_origin_options {
    std::string path;  ///< `:memory:` keeps everything in memory and locks nothing
    std::chrono::milliseconds busy_timeout{1000};
    std::size_t content_bytes_max = std::size_t{1} << 20;
    std::uint64_t file_bytes_max = 0;  ///< 0: as large as the disk allows
    /// Where queries are counted; connections to one origin may share it.
    std::shared_ptr<origin_counters> counters = {};
};

/// The path in an origin's address `sqlite:PATH`.
///
/// Errors: `errc::invalid` for any other address.
[[nodiscard]] result<std::string> sqlite_path(std::string_view address);

/// The origin of one machine: an SQLite file with a write-ahead log, shared by all nodes on it.
///
/// Nodes hold the file together, an import holds it alone (a lock on `PATH-lock`). What was
/// acknowledged survives the end of the process in whatever way; a power failure may lose the
/// newest writes, never the file.
///
/// Thread: one at a time; every call may block on the disk.
/// Errors: as `sqlite_connection`; `errc::not_found` for an absent key; `errc::stale_epoch` for a
/// write
///         after a newer owner activated the shard; `errc::invalid` and `errc::too_large` for input
///         that breaks a rule, before the file is touched.
class sqlite_origin {
public:
    enum class use { serve, import };

    static result<sqlite_origin> open(sqlite_origin_options options, use wanted);

    /// Makes the epoch of `owner` the newest of its shard, before its owner reads or writes
    /// anything.
    result<void> activate(const write_fence& owner);

    result<origin_row> load(std::string_view key);
    result<stored_row> store(std::string_view key, std::string_view content,
                             const write_fence& owner);
    result<void> erase(std::string_view key, const write_fence& owner);

    enum class imported { added, replaced, unchanged };

    /// Writes rows of an import, which needs no fence because no node runs. Rows between `begin`
    /// and `commit` appear together or, after a crash, not at all.
    result<void> begin();
    result<imported> import_row(std::string_view key, std::string_view content);
    result<void> commit();
    /// Takes back what was written since `begin`.
    void abandon();
    /// Moves what the log holds into the file itself.
    result<void> checkpoint();

    [[nodiscard]] const origin_counters& counters() const noexcept { return *options_.counters; }

private:
    struct statements {
        sqlite_statement load, present, upsert, erase, next_version, read_epoch, write_epoch;
    };

    sqlite_origin(sqlite_origin_options options, std::optional<file_lock> lock,
                  sqlite_connection connection, statements prepared)
        : options_{std::move(options)}, lock_{std::move(lock)}, connection_{std::move(connection)},
          prepared_{std::move(prepared)} {}

    static result<void> configure(sqlite_connection& connection,
                                  const sqlite_origin_options& options);
    static result<void> create_or_check_schema(sqlite_connection& connection);
    static result<statements> prepare(sqlite_connection& connection);

    result<void> check_row(std::string_view key, std::string_view content) const;
    /// The newest epoch of a shard, 0 when it was never activated.
    result<std::uint64_t> newest_epoch(const write_fence& owner);
    result<void> check_fence(const write_fence& owner);
    result<row_version> write_row(std::string_view key, std::string_view content);
    /// Runs `body` inside a write transaction and takes it back when it fails.
    template <class Body>
    auto transaction(Body body) -> decltype(body());

    sqlite_origin_options options_;
    std::optional<file_lock> lock_;
    sqlite_connection connection_;
    statements prepared_;
};

}  // namespace cohort
