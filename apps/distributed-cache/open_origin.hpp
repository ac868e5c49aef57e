#pragma once

#include <distributed-cache/origin.hpp>

#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>
#include <cohort/world/world.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace cohort {

/// Where an origin is and how it is used. What only one kind of database has says so.
struct origin_options {
    std::string address = "sqlite::memory:";
    std::size_t content_bytes_max = std::size_t{1} << 20;
    std::chrono::milliseconds busy_timeout{1000};      ///< SQLite: waits for another's lock
    std::uint32_t connections = 4;                     ///< PostgreSQL
    duration connect_time = std::chrono::seconds{10};  ///< PostgreSQL: `open_origin` tries so long
    std::function<void(const error&)> trouble = {};    ///< PostgreSQL: hears of lost connections
    bool audit = false;                                ///< whether writes leave a row in the audit
    std::string writer = {};                           ///< who these rows say it was
    /// Where queries are counted; connections to one origin may share it.
    std::shared_ptr<origin_counters> counters = {};
};

/// Whether the origin is a PostgreSQL database, which several connections serve; by the address
/// alone.
[[nodiscard]] bool is_postgres(std::string_view address);

/// How an address may be shown to people: without password.
///
/// Errors: `errc::invalid` with a sentence when it is no address of an origin.
[[nodiscard]] result<std::string> shown_origin(std::string_view address);

/// Connects to the origin, makes its tables when there are none, and takes part in the lock between
/// nodes and imports.
///
/// Errors: `errc::invalid` for a wrong address or a database of another program,
///         `errc::unavailable` when an import or a node holds the origin, and those of the
///         database.
[[nodiscard]] result<std::unique_ptr<origin_connection>> open_origin(world& around,
                                                                     const origin_options& options,
                                                                     origin_use wanted);

}  // namespace cohort
