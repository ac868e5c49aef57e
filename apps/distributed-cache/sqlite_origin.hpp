#pragma once

#include <distributed-cache/file_lock.hpp>
#include <distributed-cache/origin.hpp>
#include <distributed-cache/sqlite.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cohort {

struct sqlite_origin_options {
    std::string path;  ///< `:memory:` keeps everything in memory and locks nothing
    std::chrono::milliseconds busy_timeout{1000};
    std::size_t content_bytes_max = std::size_t{1} << 20;
    std::uint64_t file_bytes_max = 0;  ///< 0: as large as the disk allows
    bool audit = false;                ///< whether writes leave a row in the audit
    std::string writer = {};           ///< who these rows say it was
    /// Where queries are counted; connections to one origin may share it.
    std::shared_ptr<origin_counters> counters = {};
};

/// The origin of one machine: an SQLite file with a write-ahead log, shared by all nodes on it.
///
/// Nodes hold the file together, an import holds it alone (a lock on `PATH-lock`). What was
/// acknowledged survives the end of the process in whatever way; a power failure may lose the
/// newest writes, never the file.
///
/// Thread, errors: as `origin_connection`; a call waits for another process's lock for
///         `busy_timeout`, whatever its deadline. Also as `sqlite_connection`.
class sqlite_origin final : public origin_connection {
public:
    static result<sqlite_origin> open(sqlite_origin_options options, origin_use wanted);

    result<std::vector<write_fence>> activate(std::span<const write_fence> owners,
                                              time_point until) override;
    result<origin_row> load(std::string_view key, const write_fence& owner,
                            time_point until) override;
    result<stored_row> store(std::string_view key, std::string_view content,
                             const write_fence& owner, time_point until) override;
    result<void> erase(std::string_view key, const write_fence& owner, time_point until) override;

    [[nodiscard]] result<void> check_row(std::string_view key,
                                         std::string_view content) const override;
    result<import_counts> import_rows(std::span<const import_row> rows) override;
    /// Moves what the log holds into the file itself.
    result<void> finish_import() override;
    result<std::vector<audit_row>> read_audit(std::uint64_t after, std::size_t rows_max) override;

    [[nodiscard]] const origin_counters& counters() const noexcept { return *options_.counters; }

private:
    struct statements {
        sqlite_statement load, find, upsert, erase, next_version, read_epoch, write_epoch;
        std::optional<sqlite_statement> audit;
    };

    sqlite_origin(sqlite_origin_options options, std::optional<file_lock> lock,
                  sqlite_connection connection, statements prepared)
        : options_{std::move(options)}, lock_{std::move(lock)}, connection_{std::move(connection)},
          prepared_{std::move(prepared)} {}

    static result<void> configure(sqlite_connection& connection,
                                  const sqlite_origin_options& options);
    static result<void> create_or_check_schema(sqlite_connection& connection, bool audit);
    static result<statements> prepare(sqlite_connection& connection, bool audit);

    /// The newest epoch of a shard, nothing when it was never activated.
    result<std::optional<std::uint64_t>> newest_epoch(const write_fence& owner);
    result<void> check_newest(const write_fence& owner);
    result<row_version> write_row(std::string_view key, std::string_view content);
    result<void> audit(audit_row::kind what, const write_fence& owner, std::string_view key,
                       row_version version);
    /// Runs `body` inside a write transaction and takes it back when it fails.
    template <class Body>
    auto transaction(Body body) -> decltype(body());

    sqlite_origin_options options_;
    std::optional<file_lock> lock_;
    sqlite_connection connection_;
    statements prepared_;
};

}  // namespace cohort
