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

result<void> refuse_foreign(const sqlite_connection& connection, std::string text) {
    return error{errc::invalid, std::move(text), "sqlite:" + connection.path()};
}

}  // namespace

result<std::string> sqlite_path(std::string_view address) {
    constexpr std::string_view scheme = "sqlite:";
    if (!address.starts_with(scheme) || address.size() == scheme.size()) {
        return error{
            errc::invalid,
            fmt::format("\"{}\" is no origin: write sqlite:PATH, for example sqlite:cache.db",
                        address)};
    }
    return std::string{address.substr(scheme.size())};
}

result<sqlite_origin> sqlite_origin::open(sqlite_origin_options options, use wanted) {
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
        auto mode = wanted == use::import ? file_lock::mode::exclusive : file_lock::mode::shared;
        auto taken = file_lock::take(options.path + "-lock", mode);
        if (!taken && taken.error() == errc::unavailable) {
            return error{errc::unavailable,
                         wanted == use::import
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
    auto prepared = prepare(*connection);
    if (!prepared) {
        return std::move(prepared).error();
    }
    return sqlite_origin{std::move(options), std::move(lock), std::move(*connection),
                         std::move(*prepared)};
}

result<void> sqlite_origin::configure(sqlite_connection& connection,
                                      const sqlite_origin_options& options) {
    if (auto checked = create_or_check_schema(connection); !checked) {
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

result<void> sqlite_origin::create_or_check_schema(sqlite_connection& connection) {
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
        for (auto& statement :
             {std::string{schema}, fmt::format("PRAGMA user_version={}", schema_version),
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
    return connection.run("ROLLBACK");
}

result<sqlite_origin::statements> sqlite_origin::prepare(sqlite_connection& connection) {
    auto failed = std::optional<error>{};
    auto make = [&](std::string_view sql) {
        auto made = connection.prepare(sql);
        if (!made && !failed) {
            failed = made.error();
        }
        return made;
    };
    auto load = make("SELECT content, version FROM cache_data WHERE key = ?1");
    auto present = make("SELECT 1 FROM cache_data WHERE key = ?1");
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
    if (failed) {
        return *failed;
    }
    return statements{std::move(*load),       std::move(*present),      std::move(*upsert),
                      std::move(*erase),      std::move(*next_version), std::move(*read_epoch),
                      std::move(*write_epoch)};
}

result<void> sqlite_origin::check_row(std::string_view key, std::string_view content) const {
    if (auto checked = check_key(key); !checked) {
        return checked;
    }
    if (content.size() > options_.content_bytes_max) {
        return error{errc::too_large, fmt::format("the content has {} bytes, {} are allowed",
                                                  content.size(), options_.content_bytes_max)};
    }
    return {};
}

void sqlite_origin::abandon() {
    // After some failures, a full disk among them, SQLite has taken the transaction back itself;
    // then there is nothing to roll back, and it says so.
    static_cast<void>(connection_.run("ROLLBACK").has_value());
}

template <class Body>
auto sqlite_origin::transaction(Body body) -> decltype(body()) {
    if (auto begun = begin(); !begun) {
        return begun.error();
    }
    auto outcome = body();
    if (!outcome) {
        abandon();
        return outcome;
    }
    if (auto committed = commit(); !committed) {
        return committed.error();
    }
    return outcome;
}

result<void> sqlite_origin::begin() { return connection_.run("BEGIN IMMEDIATE"); }

result<void> sqlite_origin::commit() {
    auto committed = connection_.run("COMMIT");
    if (!committed) {
        abandon();
    }
    return committed;
}

result<void> sqlite_origin::checkpoint() {
    return connection_.number("PRAGMA wal_checkpoint(TRUNCATE)").has_value()
               ? result<void>{}
               : result<void>{connection_.failure("cannot move the log into the file")};
}

result<std::uint64_t> sqlite_origin::newest_epoch(const write_fence& owner) {
    auto& read = prepared_.read_epoch;
    read.bind(1, owner.space).bind(2, owner.shard);
    auto found = read.step(connection_, "cannot read the shard's epoch");
    if (!found) {
        return std::move(found).error();
    }
    auto epoch = *found ? read.number(0) : 0;
    read.reset();
    return epoch;
}

result<void> sqlite_origin::activate(const write_fence& owner) {
    COHORT_ASSERT(owner.epoch > 0, "epochs count from 1");
    return transaction([&]() -> result<void> {
        auto newest = newest_epoch(owner);
        if (!newest) {
            return std::move(newest).error();
        }
        if (*newest > owner.epoch) {
            return error{errc::stale_epoch,
                         fmt::format("shard {} of {} has epoch {}, this is {}", owner.shard,
                                     owner.space, *newest, owner.epoch)};
        }
        auto& write = prepared_.write_epoch;
        write.bind(1, owner.space).bind(2, owner.shard).bind(3, owner.epoch);
        return write.run(connection_, "cannot write the shard's epoch");
    });
}

result<void> sqlite_origin::check_fence(const write_fence& owner) {
    auto newest = newest_epoch(owner);
    if (!newest) {
        return std::move(newest).error();
    }
    if (*newest > owner.epoch) {
        return error{errc::stale_epoch,
                     fmt::format("shard {} of {} belongs to epoch {}, this is {}", owner.shard,
                                 owner.space, *newest, owner.epoch)};
    }
    if (*newest < owner.epoch) {
        return error{errc::invalid, fmt::format("shard {} of {} was not activated with epoch {}",
                                                owner.shard, owner.space, owner.epoch)};
    }
    return {};
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

result<origin_row> sqlite_origin::load(std::string_view key) {
    if (auto checked = check_key(key); !checked) {
        return checked.error();
    }
    options_.counters->loads.fetch_add(1, std::memory_order_relaxed);
    auto& read = prepared_.load;
    read.bind(1, key);
    auto found = read.step(connection_, "cannot read a row");
    if (!found) {
        return std::move(found).error();
    }
    auto row = result<origin_row>{errc::not_found};
    if (*found) {
        row = origin_row{bytes{read.bytes(0)}, read.number(1)};
    }
    read.reset();
    return row;
}

result<stored_row> sqlite_origin::store(std::string_view key, std::string_view content,
                                        const write_fence& owner) {
    if (auto checked = check_row(key, content); !checked) {
        return checked.error();
    }
    options_.counters->stores.fetch_add(1, std::memory_order_relaxed);
    return transaction([&]() -> result<stored_row> {
        if (auto checked = check_fence(owner); !checked) {
            return checked.error();
        }
        auto& present = prepared_.present;
        present.bind(1, key);
        auto found = present.step(connection_, "cannot look a key up");
        if (!found) {
            return std::move(found).error();
        }
        present.reset();
        auto version = write_row(key, content);
        if (!version) {
            return std::move(version).error();
        }
        return stored_row{*version, !*found};
    });
}

result<void> sqlite_origin::erase(std::string_view key, const write_fence& owner) {
    if (auto checked = check_key(key); !checked) {
        return checked;
    }
    options_.counters->erases.fetch_add(1, std::memory_order_relaxed);
    return transaction([&]() -> result<void> {
        if (auto checked = check_fence(owner); !checked) {
            return checked;
        }
        auto& erase = prepared_.erase;
        erase.bind(1, key);
        auto found = erase.step(connection_, "cannot erase a row");
        if (!found) {
            return std::move(found).error();
        }
        erase.reset();
        return *found ? result<void>{} : result<void>{errc::not_found};
    });
}

result<sqlite_origin::imported> sqlite_origin::import_row(std::string_view key,
                                                          std::string_view content) {
    if (auto checked = check_row(key, content); !checked) {
        return checked.error();
    }
    auto present = load(key);
    if (present && present->content == content) {
        return imported::unchanged;
    }
    if (!present && present.error().code() != errc::not_found) {
        return std::move(present).error();
    }
    if (auto written = write_row(key, content); !written) {
        return written.error();
    }
    return present ? imported::replaced : imported::added;
}

}  // namespace cohort
