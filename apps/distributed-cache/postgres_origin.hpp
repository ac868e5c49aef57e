#pragma once

#include <distributed-cache/origin.hpp>
#include <distributed-cache/postgres.hpp>

#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>
#include <cohort/world/world.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cohort {

struct postgres_origin_options {
    std::string address;  ///< `postgresql://...` as libpq reads it
    /// How long `open` tries to reach the server.
    duration connect_time = std::chrono::seconds{10};
    std::size_t content_bytes_max = std::size_t{1} << 20;
    bool audit = false;
    std::string writer = {};
    std::shared_ptr<origin_counters> counters = {};
    /// Told about every connection that was lost or could not be made, by the thread that calls.
    std::function<void(const error&)> trouble = {};
};

/// A connection to an origin that machines share: a PostgreSQL database, version 14 or newer.
///
/// A call is one statement, which is its own transaction: the fence, the write and the version. It
/// waits on the shard's row in `shard_fence`, shared, so that an activation comes before it or
/// after it, never in between.
///
/// A lost connection is made again by the next call, with growing pauses. Before the new one is
/// used, the server has ended the old one: a write whose fate was unknown has its effect before the
/// next call's or never.
///
/// Thread, errors: as `origin_connection`. A read that lost its connection is tried again. A
///         statement that was sent is given a tenth of a second at least, because to leave it costs
///         the connection.
class postgres_origin final : public origin_connection {
public:
    static result<postgres_origin> open(world& around, postgres_origin_options options,
                                        origin_use wanted);

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
    result<void> finish_import() override { return {}; }
    result<std::vector<audit_row>> read_audit(std::uint64_t after, std::size_t rows_max) override;

private:
    /// What it means that a statement ran: nothing, the same as if it ran twice, or a write.
    enum class effect : std::uint8_t { none, repeatable, once };

    postgres_origin(world& around, postgres_origin_options options, origin_use wanted);

    /// Makes the connection and everything that a statement needs; one try.
    result<void> connect(time_point until);
    result<void> create_or_check_schema(postgres_connection& connection, time_point until);
    result<void> take_locks(postgres_connection& connection, time_point until) const;
    [[nodiscard]] std::string session_statements() const;
    /// Afterwards there is a connection, or nothing will be sent.
    result<void> be_connected(time_point until);
    result<postgres_rows> ask(const char* statement, const postgres_parameters& parameters,
                              std::string_view what, effect does, time_point until);
    /// Rows without a key that comes twice, in one statement.
    result<import_counts> import_distinct(std::span<const import_row> rows, time_point until);
    result<void> run(const char* sql, time_point until);

    world* world_;
    postgres_origin_options options_;
    origin_use use_;
    std::int64_t lane_;  // the number of the lock that one session of this object holds
    bool has_audit_ = false;
    std::optional<postgres_connection> connection_;
    std::optional<error> last_failure_;
    duration pause_{};
    time_point next_try_{};
};

}  // namespace cohort
