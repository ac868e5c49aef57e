#include <distributed-cache/sqlite_origin.hpp>

#include <fmt/format.h>
#include <sqlite3.h>

#include <filesystem>

namespace cohort {
namespace {

constexpr std::int64_t application_id =
    0x43484f52;  // "CHOR", so that `file` and we know our own files
constexpr std::int64_t schema_version = 1;

constexpr const char* schema = R"(
CREATE TABLE cache_data (key BLOB PRIMARY KEY, content BLOB NOT NULL, version INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE shard_fence (space TEXT NOT NULL, shard INTEGER NOT NULL, epoch INTEGER NOT NULL,
    PRIMARY KEY (space, shard)) WITHOUT ROWID;
CREATE TABLE last_version (version INTEGER NOT NULL);
INSERT INTO last_version VALUES (0);
)";

constexpr const char* audit_schema = R"(
CREATE TABLE IF NOT EXISTS write_audit (seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL, space TEXT NOT NULL, shard INTEGER NOT NULL, epoch INTEGER NOT NULL,
    key BLOB NOT NULL, version INTEGER NOT NULL, writer TEXT NOT NULL);
)";

result<void> refuse_foreign(const sqlite_connection& connection, std::string text) {
    return error{errc::invalid, std::move(text), "sqlite:" + connection.path()};
}

}  // namespace

result<sqlite_origin> sqlite_origin::open(sqlite_origin_options options, origin_use wanted) {
    if (options.content_bytes_max == 0 || options.content_bytes_max > content_bytes_ceiling) {
        return error{errc::invalid,
                     fmt::format("the content limit must be 1 to {} bytes", content_bytes_ceiling)};
    }
    if (!options.counters) {
        options.counters = std::make_shared<origin_counters>();
    }
    auto lock = std::optional<file_lock>{};
    if (options.path != ":memory:") {
        // One name for one file: the lock must be the same whatever way leads there, and an
        // absolute path is never taken for one of SQLite's addresses.
        auto failed = std::error_code{};
        auto canonical = std::filesystem::weakly_canonical(options.path, failed);
        if (failed) {
            return error{errc::storage, failed.message(), options.path};
        }
        options.path = std::filesystem::absolute(canonical).string();
        auto mode =
            wanted == origin_use::import ? file_lock::mode::exclusive : file_lock::mode::shared;
        auto taken = file_lock::take(options.path + "-lock", mode);
        if (!taken && taken.error() == errc::unavailable) {
            return error{errc::unavailable,
                         wanted == origin_use::import
                             ? "a node or another import uses the origin: stop it first"
                             : "an import is filling the origin: wait until it has finished",
                         "sqlite:" + options.path};
        }
        if (!taken) {
            return std::move(taken).error();
        }
        lock = std::move(*taken);
    }
    auto connection = sqlite_connection::open(options.path, options.busy_timeout);
    if (!connection) {
        return std::move(connection).error();
    }
    if (auto configured = configure(*connection, options); !configured) {
        return configured.error();
    }
    auto prepared = prepare(*connection, options.audit);
    if (!prepared) {
        return std::move(prepared).error();
    }
    return sqlite_origin{std::move(options), std::move(lock), std::move(*connection),
                         std::move(*prepared)};
}

result<void> sqlite_origin::configure(sqlite_connection& connection,
                                      const sqlite_origin_options& options) {
    if (auto checked = create_or_check_schema(connection, options.audit); !checked) {
        return checked;
    }
    auto journal = result<std::string>{errc::unavailable};
    auto naps = options.busy_timeout / std::chrono::milliseconds{10} + 1;
    for (; naps > 0 && !journal; --naps) {
        // Two processes that open a new file at once collide here, and SQLite does not wait for
        // this lock.
        journal = connection.text("PRAGMA journal_mode=WAL");
        if (!journal && journal.error() == errc::unavailable) {
            sqlite3_sleep(10);
        } else if (!journal) {
            break;
        }
    }
    if (!journal) {
        return std::move(journal).error();
    }
    if (*journal != "wal" && *journal != "memory") {
        return error{
            errc::unsupported,
            fmt::format("this file system cannot keep a write-ahead log (journal: {})", *journal),
            "sqlite:" + connection.path()};
    }
    if (options.file_bytes_max != 0) {
        auto page_bytes = connection.number("PRAGMA page_size");
        if (!page_bytes) {
            return std::move(page_bytes).error();
        }
        auto pages = options.file_bytes_max / static_cast<std::uint64_t>(*page_bytes);
        auto limited = connection.number(fmt::format("PRAGMA max_page_count={}", pages).c_str());
        if (!limited) {
            return std::move(limited).error();
        }
    }
    return connection.run("PRAGMA synchronous=NORMAL");
}

result<void> sqlite_origin::create_or_check_schema(sqlite_connection& connection, bool audit) {
    // The write lock first: of two processes that find a new file, one makes the tables.
    if (auto begun = connection.run("BEGIN IMMEDIATE"); !begun) {
        return begun;
    }
    auto version = connection.number("PRAGMA user_version");
    auto application = connection.number("PRAGMA application_id");
    auto tables = connection.number("SELECT count(*) FROM sqlite_master");
    if (!version || !application || !tables) {
        return !version ? version.error() : !application ? application.error() : tables.error();
    }
    if (*tables == 0 && *version == 0 && *application == 0) {
        for (auto& statement : {std::string{schema}, std::string{audit ? audit_schema : ""},
                                fmt::format("PRAGMA user_version={}", schema_version),
                                fmt::format("PRAGMA application_id={}", application_id)}) {
            if (auto made = connection.run(statement.c_str()); !made) {
                return made;
            }
        }
        return connection.run("COMMIT");
    }
    if (*application != application_id) {
        return refuse_foreign(connection, "the file is an SQLite database of another program");
    }
    if (*version != schema_version) {
        return refuse_foreign(connection,
                              fmt::format("the file has schema version {}, this program knows {}",
                                          *version, schema_version));
    }
    if (auto made = connection.run(audit ? audit_schema : ""); !made) {
        return made;
    }
    return connection.run("COMMIT");
}

result<sqlite_origin::statements> sqlite_origin::prepare(sqlite_connection& connection,
                                                         bool audit) {
    auto failed = std::optional<error>{};
    auto make = [&](std::string_view sql) {
        auto made = connection.prepare(sql);
        if (!made && !failed) {
            failed = made.error();
        }
        return made;
    };
    // One statement, so that the row and the epoch are of one moment.
    auto load = make(
        "SELECT f.epoch, d.content, d.version, d.key IS NOT NULL FROM (SELECT 1) "
        "LEFT JOIN shard_fence f ON f.space = CAST(?1 AS TEXT) AND f.shard = ?2 "
        "LEFT JOIN cache_data d ON d.key = ?3");
    auto find = make("SELECT content FROM cache_data WHERE key = ?1");
    auto upsert = make(
        "INSERT INTO cache_data (key, content, version) VALUES (?1, ?2, ?3) ON CONFLICT "
        "(key) DO UPDATE SET content = excluded.content, version = excluded.version");
    auto erase = make("DELETE FROM cache_data WHERE key = ?1 RETURNING version");
    auto next_version = make("UPDATE last_version SET version = version + 1 RETURNING version");
    auto read_epoch =
        make("SELECT epoch FROM shard_fence WHERE space = CAST(?1 AS TEXT) AND shard = ?2");
    auto write_epoch = make(
        "INSERT INTO shard_fence (space, shard, epoch) VALUES (CAST(?1 AS TEXT), ?2, "
        "?3) ON CONFLICT (space, shard) DO UPDATE SET epoch = excluded.epoch");
    auto audited = std::optional<sqlite_statement>{};
    if (audit) {
        auto made = make(
            "INSERT INTO write_audit (kind, space, shard, epoch, key, version, writer) "
            "VALUES (?1, CAST(?2 AS TEXT), ?3, ?4, ?5, ?6, CAST(?7 AS TEXT))");
        if (made) {
            audited = std::move(*made);
        }
    }
    if (failed) {
        return *failed;
    }
    return statements{std::move(*load),        std::move(*find),         std::move(*upsert),
                      std::move(*erase),       std::move(*next_version), std::move(*read_epoch),
                      std::move(*write_epoch), std::move(audited)};
}

template <class Body>
auto sqlite_origin::transaction(Body body) -> decltype(body()) {
    // After some failures, a full disk among them, SQLite has taken the transaction back itself;
    // then there is nothing to roll back, and it says so.
    auto abandon = [this] { static_cast<void>(connection_.run("ROLLBACK").has_value()); };
    if (auto begun = connection_.run("BEGIN IMMEDIATE"); !begun) {
        return error{begun.error()}.with(executed::no);
    }
    auto outcome = body();
    if (!outcome) {
        abandon();
        return error{outcome.error()}.with(executed::no);
    }
    if (auto committed = connection_.run("COMMIT"); !committed) {
        abandon();
        return committed.error();
    }
    return outcome;
}

result<void> sqlite_origin::finish_import() {
    return connection_.number("PRAGMA wal_checkpoint(TRUNCATE)").has_value()
               ? result<void>{}
               : result<void>{connection_.failure("cannot move the log into the file")};
}

result<std::optional<std::uint64_t>> sqlite_origin::newest_epoch(const write_fence& owner) {
    auto& read = prepared_.read_epoch;
    read.bind(1, owner.space).bind(2, owner.shard);
    auto found = read.step(connection_, "cannot read the shard's epoch");
    if (!found) {
        return std::move(found).error();
    }
    auto epoch = *found ? std::optional{read.number(0)} : std::nullopt;
    read.reset();
    return epoch;
}

result<void> sqlite_origin::check_newest(const write_fence& owner) {
    auto newest = newest_epoch(owner);
    return newest ? check_fence(*newest, owner) : std::move(newest).error();
}

result<void> sqlite_origin::audit(audit_row::kind what, const write_fence& owner,
                                  std::string_view key, row_version version) {
    if (!prepared_.audit) {
        return {};
    }
    auto& insert = *prepared_.audit;
    insert.bind(1, static_cast<std::uint64_t>(what)).bind(2, owner.space).bind(3, owner.shard);
    insert.bind(4, owner.epoch).bind(5, key).bind(6, version).bind(7, options_.writer);
    return insert.run(connection_, "cannot write the audit");
}

result<std::vector<write_fence>> sqlite_origin::activate(std::span<const write_fence> owners,
                                                         time_point) {
    if (auto checked = check_owners(owners); !checked) {
        return checked.error();
    }
    return transaction([&]() -> result<std::vector<write_fence>> {
        auto refused = std::vector<write_fence>{};
        for (const auto& owner : owners) {
            auto newest = newest_epoch(owner);
            if (!newest) {
                return std::move(newest).error();
            }
            if (*newest > owner.epoch) {
                refused.push_back(owner);
                continue;
            }
            auto& write = prepared_.write_epoch;
            write.bind(1, owner.space).bind(2, owner.shard).bind(3, owner.epoch);
            auto written = write.run(connection_, "cannot write the shard's epoch");
            if (written) {
                written = audit(audit_row::kind::activate, owner, "", 0);
            }
            if (!written) {
                return written.error();
            }
        }
        return refused;
    });
}

result<row_version> sqlite_origin::write_row(std::string_view key, std::string_view content) {
    auto& next = prepared_.next_version;
    auto counted = next.step(connection_, "cannot count the version");
    if (!counted) {
        return std::move(counted).error();
    }
    COHORT_ASSERT(*counted, "the version counter has one row");
    auto version = row_version{next.number(0)};
    next.reset();
    auto& upsert = prepared_.upsert;
    upsert.bind(1, key).bind(2, content).bind(3, version);
    if (auto written = upsert.run(connection_, "cannot write a row"); !written) {
        return written.error();
    }
    return version;
}

result<void> sqlite_origin::check_row(std::string_view key, std::string_view content) const {
    return cohort::check_row(key, content, options_.content_bytes_max);
}

result<origin_row> sqlite_origin::load(std::string_view key, const write_fence& owner, time_point) {
    if (auto checked = check_key(key); !checked) {
        return checked.error();
    }
    options_.counters->loads.fetch_add(1, std::memory_order_relaxed);
    auto& read = prepared_.load;
    read.bind(1, owner.space).bind(2, owner.shard).bind(3, key);
    auto found = read.step(connection_, "cannot read a row");
    if (!found) {
        return std::move(found).error();
    }
    COHORT_ASSERT(*found, "an outer join of one row returns one row");
    auto row = result<origin_row>{errc::not_found};
    auto newest = read.null(0) ? std::nullopt : std::optional{read.number(0)};
    if (auto checked = check_fence(newest, owner); !checked) {
        row = checked.error();
    } else if (read.number(3) != 0) {
        row = origin_row{bytes{read.bytes(1)}, read.number(2)};
    }
    read.reset();
    return row;
}

result<stored_row> sqlite_origin::store(std::string_view key, std::string_view content,
                                        const write_fence& owner, time_point) {
    if (auto checked = check_row(key, content); !checked) {
        return checked.error();
    }
    options_.counters->stores.fetch_add(1, std::memory_order_relaxed);
    return transaction([&]() -> result<stored_row> {
        if (auto checked = check_newest(owner); !checked) {
            return checked.error();
        }
        auto& find = prepared_.find;
        find.bind(1, key);
        auto found = find.step(connection_, "cannot look a key up");
        if (!found) {
            return std::move(found).error();
        }
        find.reset();
        auto version = write_row(key, content);
        if (!version) {
            return std::move(version).error();
        }
        if (auto noted = audit(audit_row::kind::store, owner, key, *version); !noted) {
            return noted.error();
        }
        return stored_row{*version, !*found};
    });
}

result<void> sqlite_origin::erase(std::string_view key, const write_fence& owner, time_point) {
    if (auto checked = check_key(key); !checked) {
        return checked;
    }
    options_.counters->erases.fetch_add(1, std::memory_order_relaxed);
    return transaction([&]() -> result<void> {
        if (auto checked = check_newest(owner); !checked) {
            return checked;
        }
        auto& erase = prepared_.erase;
        erase.bind(1, key);
        auto found = erase.step(connection_, "cannot erase a row");
        if (!found) {
            return std::move(found).error();
        }
        auto version = *found ? erase.number(0) : 0;
        erase.reset();
        return *found ? audit(audit_row::kind::erase, owner, key, version)
                      : result<void>{errc::not_found};
    });
}

result<import_counts> sqlite_origin::import_rows(std::span<const import_row> rows) {
    return transaction([&]() -> result<import_counts> {
        auto counts = import_counts{};
        auto& find = prepared_.find;
        for (const auto& row : rows) {
            if (auto checked = check_row(row.key, row.content); !checked) {
                return checked.error();
            }
            find.bind(1, row.key);
            auto found = find.step(connection_, "cannot look a key up");
            if (!found) {
                return std::move(found).error();
            }
            auto same = *found && find.bytes(0) == row.content;
            find.reset();
            ++(!*found ? counts.added : same ? counts.unchanged : counts.replaced);
            if (same) {
                continue;
            }
            if (auto written = write_row(row.key, row.content); !written) {
                return std::move(written).error();
            }
        }
        return counts;
    });
}

result<std::vector<audit_row>> sqlite_origin::read_audit(std::uint64_t after,
                                                         std::size_t rows_max) {
    auto tables = connection_.number("SELECT count(*) FROM sqlite_master WHERE name='write_audit'");
    if (!tables) {
        return std::move(tables).error();
    }
    if (*tables == 0) {
        return error{errc::not_found, "the origin keeps no audit", "sqlite:" + connection_.path()};
    }
    auto read = connection_.prepare(
        "SELECT seq, kind, space, shard, epoch, key, version, writer FROM write_audit "
        "WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    if (!read) {
        return std::move(read).error();
    }
    read->bind(1, after).bind(2, rows_max);
    auto rows = std::vector<audit_row>{};
    for (;;) {
        auto found = read->step(connection_, "cannot read the audit");
        if (!found) {
            return std::move(found).error();
        }
        if (!*found) {
            return rows;
        }
        rows.push_back({.seq = read->number(0),
                        .what = static_cast<audit_row::kind>(read->number(1)),
                        .owner = {.space = std::string{read->bytes(2)},
                                  .shard = static_cast<std::uint32_t>(read->number(3)),
                                  .epoch = read->number(4)},
                        .key = std::string{read->bytes(5)},
                        .version = read->number(6),
                        .writer = std::string{read->bytes(7)}});
    }
}

}  // namespace cohort
