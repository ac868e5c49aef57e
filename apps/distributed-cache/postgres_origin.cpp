#include <distributed-cache/postgres_origin.hpp>
#include <distributed-cache/postgres_schema.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace cohort {
namespace {

constexpr auto pause_min = std::chrono::milliseconds{50};
constexpr auto pause_max = std::chrono::seconds{5};
constexpr auto statement_time_min = std::chrono::milliseconds{100};
constexpr auto import_time = std::chrono::minutes{1};
constexpr int server_version_min = 140'000;

bool is_true(const postgres_rows& rows, int column) { return rows.bytes(0, column) == "t"; }

/// `text` with what is between braces filled in.
std::string filled(std::string_view text, std::string_view name, std::string_view value) {
    auto whole = std::string{text};
    if (auto at = whole.find(name); at != whole.npos) {
        whole.replace(at, name.size(), value);
    }
    return whole;
}

std::string sql_text(std::string_view text) {
    auto escaped = std::string{};
    for (auto letter : text) {
        escaped.append(letter == '\'' ? 2 : 1, letter);
    }
    return escaped;
}

std::optional<std::uint64_t> epoch_of(const postgres_rows& rows) {
    return rows.null(0, 0) ? std::nullopt : std::optional{rows.number(0, 0)};
}

}  // namespace

postgres_origin::postgres_origin(world& around, postgres_origin_options options, origin_use wanted)
    : world_{&around}, options_{std::move(options)}, use_{wanted},
      lane_{static_cast<std::int64_t>(around.random() >> 1)} {}

result<postgres_origin> postgres_origin::open(world& around, postgres_origin_options options,
                                              origin_use wanted) {
    if (options.content_bytes_max == 0 || options.content_bytes_max > content_bytes_ceiling) {
        return error{errc::invalid,
                     fmt::format("the content limit must be 1 to {} bytes", content_bytes_ceiling)};
    }
    if (!options.counters) {
        options.counters = std::make_shared<origin_counters>();
    }
    auto origin = postgres_origin{around, std::move(options), wanted};
    auto until = after(around.now(), origin.options_.connect_time);
    auto reason = std::optional<error>{};
    for (auto pause = duration{pause_min};; pause = std::min<duration>(2 * pause, pause_max)) {
        auto connected = origin.connect(until);
        if (connected) {
            return origin;
        }
        // That the time was over says less than what was wrong before.
        if (!reason || connected.error() != errc::timeout) {
            reason = connected.error();
        }
        // Only a server that cannot be reached may come back on its own.
        auto waits = connected.error() == errc::network || connected.error() == errc::timeout;
        if (!waits || after(around.now(), pause) >= until) {
            return *reason;
        }
        around.pause(pause);
    }
}

result<void> postgres_origin::connect(time_point until) {
    auto connection = postgres_connection::open(*world_, options_.address, until);
    if (!connection) {
        return connection.error();
    }
    if (connection->server_version() < server_version_min) {
        return error{errc::unsupported, "the server is older than PostgreSQL 14"}.with(
            executed::no);
    }
    auto set = connection->run(postgres_sql::settings, "cannot set the session up", until);
    if (!set) {
        return error{set.error()}.with(executed::no);
    }
    if (auto checked = create_or_check_schema(*connection, until); !checked) {
        return checked;
    }
    if (auto taken = take_locks(*connection, until); !taken) {
        return taken;
    }
    auto prepared = connection->run(session_statements(), "cannot prepare a statement", until);
    if (!prepared) {
        return error{prepared.error()}.with(executed::no);
    }
    connection_ = std::move(*connection);
    return {};
}

result<void> postgres_origin::create_or_check_schema(postgres_connection& connection,
                                                     time_point until) {
    constexpr std::string_view what = "cannot check the tables";
    auto found = connection.run(postgres_sql::tables, what, until);
    if (!found) {
        return error{found.error()}.with(executed::no);
    }
    auto has_schema = is_true(*found, 0);
    has_audit_ = is_true(*found, 2) || options_.audit;
    if (!has_schema && is_true(*found, 1)) {
        return error{errc::invalid, "the database has a table cache_data of another program"}.with(
            executed::no);
    }
    auto make = std::string{has_schema ? "" : postgres_sql::create};
    if (options_.audit && !is_true(*found, 2)) {
        make += postgres_sql::create_audit;
    }
    make += "SELECT version FROM cache_schema;";
    auto version = connection.run(make, "cannot make the tables", until);
    if (!version) {
        return error{version.error()}.with(executed::no);
    }
    if (version->size() != 1 || version->bytes(0, 0) != postgres_sql::schema_version) {
        return error{errc::invalid,
                     fmt::format("the database has schema version {}, this program knows {}",
                                 version->size() == 1 ? version->bytes(0, 0) : "?",
                                 postgres_sql::schema_version)}
            .with(executed::no);
    }
    return {};
}

result<void> postgres_origin::take_locks(postgres_connection& connection, time_point until) const {
    // This object's former session may still run a statement that came before: it ends first.
    auto held = fmt::format(
        "SELECT pg_terminate_backend(pid, 1000) FROM pg_locks WHERE locktype = 'advisory' AND "
        "database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND "
        "classid::bigint = {} AND objid::bigint = {} AND objsubid = 1 AND granted AND "
        "pid <> pg_backend_pid(); ",
        lane_ >> 32, lane_ & 0xffffffff);
    auto lock = fmt::format("SELECT pg_try_advisory_lock({}), pg_try_advisory_lock{}({})", lane_,
                            use_ == origin_use::serve ? "_shared" : "", postgres_sql::origin_lock);
    auto taken = connection.run(held + lock, "cannot lock the origin", until);
    if (!taken) {
        return error{taken.error()}.with(executed::no);
    }
    if (!is_true(*taken, 0)) {
        return error{errc::network, "the server still works for a connection that was lost"}.with(
            executed::no);
    }
    if (!is_true(*taken, 1)) {
        return error{errc::unavailable,
                     use_ == origin_use::import
                         ? "a node or another import uses the origin: stop it first"
                         : "an import is filling the origin: wait until it has finished",
                     *shown_postgres(options_.address)}
            .with(executed::no);
    }
    return {};
}

std::string postgres_origin::session_statements() const {
    auto writer = sql_text(options_.writer);
    auto note = [&](std::string_view kind) {
        return options_.audit
                   ? filled(filled(postgres_sql::audit_write, "{kind}", kind), "{writer}", writer)
                   : std::string{};
    };
    auto activated =
        options_.audit ? filled(postgres_sql::audit_activate, "{writer}", writer) : std::string{};
    auto statements = std::string{postgres_sql::load};
    statements += filled(postgres_sql::store, "{audit}", note("1"));
    statements += filled(postgres_sql::erase, "{audit}", note("2"));
    statements += filled(postgres_sql::activate, "{audit}", activated);
    statements += has_audit_ ? postgres_sql::read_audit : "";
    statements += postgres_sql::import;
    return statements;
}

result<void> postgres_origin::be_connected(time_point until) {
    if (connection_ && connection_->alive()) {
        return {};
    }
    if (connection_) {
        connection_.reset();
        last_failure_ = error{errc::unavailable, "the server closed the connection"};
        options_.counters->connections_lost.fetch_add(1, std::memory_order_relaxed);
        if (options_.trouble) {
            options_.trouble(*last_failure_);
        }
    }
    if (use_ == origin_use::import) {
        // The lock went with the connection: a node may hold the origin meanwhile.
        return error{errc::unavailable, "the connection was lost, and with it the import's lock"};
    }
    for (;;) {
        auto now = world_->now();
        if (now < next_try_ && next_try_ < until) {
            world_->pause(next_try_ - now);
        } else if (now < next_try_ || now >= until) {
            auto why = last_failure_ ? last_failure_->text() : std::string_view{"no time is left"};
            return error{now >= until ? errc::timeout : errc::unavailable, std::string{why}}.with(
                executed::no);
        }
        auto connected = connect(until);
        if (connected) {
            pause_ = {};
            return {};
        }
        last_failure_ = connected.error();
        if (options_.trouble) {
            options_.trouble(*last_failure_);
        }
        // Half of a pause is random, so that nodes do not come back all at once.
        pause_ = std::clamp<duration>(2 * pause_, pause_min, pause_max);
        auto half = pause_.count() / 2;
        auto random =
            static_cast<std::int64_t>(world_->random() % static_cast<std::uint64_t>(half));
        next_try_ = world_->now() + duration{half + random};
    }
}

result<postgres_rows> postgres_origin::ask(const char* statement,
                                           const postgres_parameters& parameters,
                                           std::string_view what, effect does, time_point until) {
    for (;;) {
        if (world_->now() >= until) {
            return error{errc::timeout, fmt::format("{}: no time is left", what)}.with(
                executed::no);
        }
        if (auto connected = be_connected(until); !connected) {
            return connected.error();
        }
        auto enough = std::max(until, after(world_->now(), statement_time_min));
        auto rows = connection_->execute(statement, parameters, what, enough);
        if (rows) {
            return rows;
        }
        auto failure = does == effect::none ? error{rows.error()}.with(executed::no) : rows.error();
        if (connection_->alive()) {
            return failure;
        }
        connection_.reset();
        options_.counters->connections_lost.fetch_add(1, std::memory_order_relaxed);
        if (options_.trouble) {
            options_.trouble(failure);
        }
        last_failure_ = failure;
        auto again = does != effect::once || failure.executed() == executed::no;
        if (!again || failure == errc::timeout) {
            return failure;
        }
    }
}

result<std::vector<write_fence>> postgres_origin::activate(std::span<const write_fence> owners,
                                                           time_point until) {
    if (auto checked = check_owners(owners); !checked) {
        return checked.error();
    }
    if (owners.empty()) {
        return std::vector<write_fence>{};
    }
    auto spaces = postgres_array{postgres_array::type::text};
    auto shards = postgres_array{postgres_array::type::number};
    auto epochs = postgres_array{postgres_array::type::number};
    for (const auto& owner : owners) {
        spaces.add(owner.space);
        shards.add(std::uint64_t{owner.shard});
        epochs.add(owner.epoch);
    }
    auto parameters = postgres_parameters{};
    parameters.add(spaces.view()).add(shards.view()).add(epochs.view());
    // To raise an epoch twice is to raise it once.
    auto rows = ask("cache_activate", parameters, "cannot write the shard's epoch",
                    effect::repeatable, until);
    if (!rows) {
        return std::move(rows).error();
    }
    auto refused = std::vector<write_fence>{};
    for (auto row = 0; row < rows->size(); ++row) {
        refused.push_back({.space = std::string{rows->bytes(row, 0)},
                           .shard = static_cast<std::uint32_t>(rows->number(row, 1)),
                           .epoch = rows->number(row, 2)});
    }
    return refused;
}

result<origin_row> postgres_origin::load(std::string_view key, const write_fence& owner,
                                         time_point until) {
    if (auto checked = check_key(key); !checked) {
        return checked.error();
    }
    options_.counters->loads.fetch_add(1, std::memory_order_relaxed);
    auto parameters = postgres_parameters{};
    parameters.add(owner.space).add(std::uint64_t{owner.shard}).add(key);
    auto rows = ask("cache_load", parameters, "cannot read a row", effect::none, until);
    if (!rows) {
        return std::move(rows).error();
    }
    if (auto checked = check_fence(epoch_of(*rows), owner); !checked) {
        return checked.error();
    }
    if (rows->number(0, 3) == 0) {
        return errc::not_found;
    }
    return origin_row{bytes{rows->bytes(0, 1)}, rows->number(0, 2)};
}

result<stored_row> postgres_origin::store(std::string_view key, std::string_view content,
                                          const write_fence& owner, time_point until) {
    if (auto checked = check_row(key, content); !checked) {
        return checked.error();
    }
    if (auto checked = check_owners(std::span{&owner, 1}); !checked) {
        return checked.error();
    }
    options_.counters->stores.fetch_add(1, std::memory_order_relaxed);
    auto parameters = postgres_parameters{};
    parameters.add(owner.space).add(std::uint64_t{owner.shard}).add(owner.epoch);
    parameters.add(key).add(content);
    auto rows = ask("cache_store", parameters, "cannot write a row", effect::once, until);
    if (!rows) {
        return std::move(rows).error();
    }
    if (auto checked = check_fence(epoch_of(*rows), owner); !checked) {
        return checked.error();
    }
    return stored_row{rows->number(0, 1), rows->number(0, 2) != 0};
}

result<void> postgres_origin::erase(std::string_view key, const write_fence& owner,
                                    time_point until) {
    if (auto checked = check_key(key); !checked) {
        return checked;
    }
    if (auto checked = check_owners(std::span{&owner, 1}); !checked) {
        return checked;
    }
    options_.counters->erases.fetch_add(1, std::memory_order_relaxed);
    auto parameters = postgres_parameters{};
    parameters.add(owner.space).add(std::uint64_t{owner.shard}).add(owner.epoch).add(key);
    auto rows = ask("cache_erase", parameters, "cannot erase a row", effect::once, until);
    if (!rows) {
        return std::move(rows).error();
    }
    if (auto checked = check_fence(epoch_of(*rows), owner); !checked) {
        return checked;
    }
    return rows->null(0, 1) ? result<void>{errc::not_found} : result<void>{};
}

result<void> postgres_origin::check_row(std::string_view key, std::string_view content) const {
    return cohort::check_row(key, content, options_.content_bytes_max);
}

result<void> postgres_origin::run(const char* sql, time_point until) {
    auto ran = connection_->run(sql, sql, until);
    return ran ? result<void>{} : std::move(ran).error();
}

result<import_counts> postgres_origin::import_rows(std::span<const import_row> rows) {
    auto until = after(world_->now(), import_time);
    for (const auto& row : rows) {
        if (auto checked = check_row(row.key, row.content); !checked) {
            return checked.error();
        }
    }
    if (auto connected = be_connected(until); !connected) {
        return connected.error();
    }
    if (auto begun = run("BEGIN", until); !begun) {
        return begun.error();
    }
    // A statement takes a key once, so a second row of one begins the next statement.
    auto sum = import_counts{};
    auto failure = std::optional<error>{};
    auto seen = std::unordered_set<std::string_view>{};
    for (std::size_t begin = 0, at = 0; at <= rows.size() && !failure; ++at) {
        if (at < rows.size() && seen.insert(rows[at].key).second) {
            continue;
        }
        auto counts = import_distinct(rows.subspan(begin, at - begin), until);
        if (!counts) {
            failure = counts.error();
            break;
        }
        sum.added += counts->added;
        sum.replaced += counts->replaced;
        sum.unchanged += counts->unchanged;
        seen.clear();
        begin = at;
        if (at < rows.size()) {
            seen.insert(rows[at].key);
        }
    }
    if (!failure) {
        auto committed = run("COMMIT", until);
        return committed ? result<import_counts>{sum} : committed.error();
    }
    if (connection_->alive()) {
        static_cast<void>(run("ROLLBACK", until).has_value());
    }
    return *failure;
}

result<import_counts> postgres_origin::import_distinct(std::span<const import_row> rows,
                                                       time_point until) {
    if (rows.empty()) {
        return import_counts{};
    }
    auto keys = postgres_array{postgres_array::type::bytes};
    auto contents = postgres_array{postgres_array::type::bytes};
    for (const auto& row : rows) {
        keys.add(row.key);
        contents.add(row.content);
    }
    auto parameters = postgres_parameters{};
    parameters.add(keys.view()).add(contents.view());
    auto present = connection_->execute("cache_import", parameters, "cannot write rows", until);
    if (!present) {
        return std::move(present).error();
    }
    auto known = present->number(0, 0);
    auto same = present->number(0, 1);
    return import_counts{.added = rows.size() - known, .replaced = known - same, .unchanged = same};
}

result<std::vector<audit_row>> postgres_origin::read_audit(std::uint64_t after,
                                                           std::size_t rows_max) {
    auto until = cohort::after(world_->now(), import_time);
    if (auto connected = be_connected(until); !connected) {
        return connected.error();
    }
    if (!has_audit_) {
        return error{errc::not_found, "the origin keeps no audit",
                     *shown_postgres(options_.address)};
    }
    auto parameters = postgres_parameters{};
    parameters.add(after).add(std::uint64_t{rows_max});
    auto found = ask("cache_audit", parameters, "cannot read the audit", effect::none, until);
    if (!found) {
        return std::move(found).error();
    }
    auto rows = std::vector<audit_row>{};
    for (auto row = 0; row < found->size(); ++row) {
        rows.push_back({.seq = found->number(row, 0),
                        .what = static_cast<audit_row::kind>(found->number(row, 1)),
                        .owner = {.space = std::string{found->bytes(row, 2)},
                                  .shard = static_cast<std::uint32_t>(found->number(row, 3)),
                                  .epoch = found->number(row, 4)},
                        .key = std::string{found->bytes(row, 5)},
                        .version = found->number(row, 6),
                        .writer = std::string{found->bytes(row, 7)}});
    }
    return rows;
}

}  // namespace cohort
