#pragma once

#include <distributed-cache/import_formats.hpp>
#include <distributed-cache/origin.hpp>

#include <cohort/world/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace cohort {

struct import_options {
    bool skip_bad = false;  ///< goes on after a refused record
    std::size_t line_bytes_max = std::size_t{8} << 20;
    std::size_t rows_per_commit = 1000;
    std::size_t bytes_per_commit = std::size_t{8} << 20;
};

/// What came of an import. Rows count when they are committed; `line` is the last line whose row,
/// or refusal, is settled, so an import that ended early can be continued behind it.
struct import_report {
    std::uint64_t added = 0;
    std::uint64_t replaced = 0;
    std::uint64_t unchanged = 0;
    std::uint64_t refused = 0;
    std::uint64_t line = 0;
    bool interrupted = false;
    std::optional<error> failure;  ///< of the input or of the origin

    [[nodiscard]] std::uint64_t rows() const noexcept { return added + replaced + unchanged; }
};

/// Where an import reads, and whom it tells.
struct import_hooks {
    /// Fills a part of the buffer and says how much; 0 at the end. `errc::cancelled` interrupts.
    std::function<result<std::size_t>(std::span<char>)> read;
    /// Asked before every record.
    std::function<bool()> interrupted;
    std::function<void(const import_refusal&)> refused;
    /// Called now and then with the rows taken and the bytes read so far.
    std::function<void(std::uint64_t rows, std::uint64_t bytes)> progress;
};

/// Reads records and writes them to an origin that was opened for import. Whatever ends it, the
/// origin holds every committed row whole; the last, unfinished batch is committed too unless the
/// origin failed.
import_report run_import(const import_hooks& hooks, import_format& format,
                         origin_connection& origin, const import_options& options);

}  // namespace cohort
