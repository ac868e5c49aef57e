#include <distributed-cache/sqlite.hpp>

#include <fmt/format.h>
#include <sqlite3.h>

#include <limits>

namespace cohort {
namespace {

error translate(int code, std::string_view detail, std::string_view what, const std::string& path) {
    auto where = fmt::format("sqlite:{}", path);
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return error{errc::unavailable,
                         fmt::format("{}: another process keeps the file locked", what), where};
        case SQLITE_FULL:
            return error{errc::storage,
                         fmt::format("{}: the disk or the file's limit is full", what), where};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return error{
                errc::storage,
                fmt::format("{}: the file is damaged or no SQLite database ({})", what, detail),
                where};
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_READONLY:
            return error{
                errc::storage,
                fmt::format("{}: the file or its folder is missing or may not be written ({})",
                            what, detail),
                where};
        case SQLITE_TOOBIG:
            return error{errc::too_large, fmt::format("{}: {}", what, detail), where};
        default:
            return error{errc::storage, fmt::format("{}: {}", what, detail), where};
    }
}

}  // namespace

void sqlite_connection::close::operator()(sqlite3* connection) const noexcept {
    // close_v2 also succeeds while statements are alive, whatever the order of destruction.
    sqlite3_close_v2(connection);
}

result<sqlite_connection> sqlite_connection::open(std::string path,
                                                  std::chrono::milliseconds busy_timeout) {
    sqlite3* raw = nullptr;
    // NOMUTEX: one thread uses the connection at a time, so SQLite need not lock.
    auto flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    auto code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
    auto connection = std::unique_ptr<sqlite3, close>{raw};
    if (code != SQLITE_OK) {
        return translate(code, sqlite3_errstr(code), "cannot open", path);
    }
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_timeout(raw, static_cast<int>(busy_timeout.count()));
    return sqlite_connection{std::move(connection), std::move(path)};
}

error sqlite_connection::failure(std::string_view what) const {
    auto code = sqlite3_extended_errcode(connection_.get());
    return translate(code, sqlite3_errmsg(connection_.get()), what, path_);
}

result<void> sqlite_connection::run(const char* sql) {
    if (sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return failure(sql);
    }
    return {};
}

result<sqlite_statement> sqlite_connection::prepare(std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    auto code = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                   SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    if (code != SQLITE_OK) {
        return failure("cannot prepare a statement");
    }
    return sqlite_statement{std::unique_ptr<sqlite3_stmt, sqlite_statement::finalize>{raw}};
}

template <class Read>
auto sqlite_connection::first_row(const char* sql, Read read)
    -> result<decltype(read(std::declval<sqlite_statement&>()))> {
    auto statement = prepare(sql);
    if (!statement) {
        return std::move(statement).error();
    }
    auto stepped = statement->step(*this, sql);
    if (!stepped) {
        return std::move(stepped).error();
    }
    return *stepped ? read(*statement) : decltype(read(*statement)){};
}

result<std::int64_t> sqlite_connection::number(const char* sql) {
    return first_row(
        sql, [](sqlite_statement& row) { return static_cast<std::int64_t>(row.number(0)); });
}

result<std::string> sqlite_connection::text(const char* sql) {
    return first_row(sql, [](sqlite_statement& row) { return std::string{row.bytes(0)}; });
}

void sqlite_statement::finalize::operator()(sqlite3_stmt* statement) const noexcept {
    sqlite3_finalize(statement);
}

sqlite_statement& sqlite_statement::bind(int parameter, std::string_view bytes) {
    // A null pointer would bind NULL, and an empty content is not NULL.
    auto code = sqlite3_bind_blob64(statement_.get(), parameter, bytes.empty() ? "" : bytes.data(),
                                    bytes.size(), SQLITE_STATIC);
    COHORT_ASSERT(code == SQLITE_OK, "a parameter was bound that the statement does not have");
    return *this;
}

sqlite_statement& sqlite_statement::bind(int parameter, std::uint64_t number) {
    COHORT_ASSERT(number <= std::numeric_limits<std::int64_t>::max(),
                  "SQLite keeps numbers below 2^63");
    auto code = sqlite3_bind_int64(statement_.get(), parameter, static_cast<std::int64_t>(number));
    COHORT_ASSERT(code == SQLITE_OK, "a parameter was bound that the statement does not have");
    return *this;
}

result<bool> sqlite_statement::step(const sqlite_connection& connection, std::string_view what) {
    switch (sqlite3_step(statement_.get())) {
        case SQLITE_ROW:
            return true;
        case SQLITE_DONE:
            return false;
        default: {
            auto failed = connection.failure(what);
            reset();
            return failed;
        }
    }
}

result<void> sqlite_statement::run(const sqlite_connection& connection, std::string_view what) {
    auto stepped = step(connection, what);
    if (!stepped) {
        return std::move(stepped).error();
    }
    COHORT_ASSERT(!*stepped, "a statement that returns nothing returned a row");
    reset();
    return {};
}

void sqlite_statement::reset() noexcept {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
}

std::string_view sqlite_statement::bytes(int column) const {
    // The order matters: column_blob may convert, column_bytes then tells the converted length.
    auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    auto size = sqlite3_column_bytes(statement_.get(), column);
    return {data, static_cast<std::size_t>(size)};
}

std::uint64_t sqlite_statement::number(int column) const {
    return static_cast<std::uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

bool sqlite_statement::null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

}  // namespace cohort
