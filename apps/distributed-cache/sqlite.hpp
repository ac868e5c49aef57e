#pragma once

#include <cohort/world/result.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace cohort {

class sqlite_statement;

/// A connection to an SQLite file, without locks of its own.
///
/// Thread: one at a time; it may move between threads.
/// Errors: `errc::storage` when the file is damaged, full or not accessible, `errc::unavailable`
/// when
///         another process kept it locked for longer than the busy time-out; the text names the
///         file.
class sqlite_connection {
public:
    static result<sqlite_connection> open(std::string path, std::chrono::milliseconds busy_timeout);

    /// Runs statements that return nothing that matters.
    result<void> run(const char* sql);
    result<sqlite_statement> prepare(std::string_view sql);
    /// The first column of the first row, 0 when there is no row.
    result<std::int64_t> number(const char* sql);
    result<std::string> text(const char* sql);

    /// What the last call on this connection failed with.
    [[nodiscard]] error failure(std::string_view what) const;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    /// What `read` makes of the first row; nothing's value when there is none.
    template <class Read>
    auto first_row(const char* sql, Read read)
        -> result<decltype(read(std::declval<sqlite_statement&>()))>;

    struct close {
        void operator()(sqlite3* connection) const noexcept;
    };
    sqlite_connection(std::unique_ptr<sqlite3, close> connection, std::string path)
        : connection_{std::move(connection)}, path_{std::move(path)} {}

    std::unique_ptr<sqlite3, close> connection_;
    std::string path_;
};

/// A prepared statement, bound and stepped again and again. Parameters count from 1, columns from
/// 0.
///
/// Ownership: bound bytes are borrowed until the next `reset()`; column bytes until the next
/// `step()`.
class sqlite_statement {
public:
    sqlite_statement& bind(int parameter, std::string_view bytes);
    sqlite_statement& bind(int parameter, std::uint64_t number);

    /// Takes a step; false when there are no more rows.
    result<bool> step(const sqlite_connection& connection, std::string_view what);
    /// Steps a statement that returns no row to its end and resets it.
    result<void> run(const sqlite_connection& connection, std::string_view what);
    void reset() noexcept;

    [[nodiscard]] std::string_view bytes(int column) const;
    [[nodiscard]] std::uint64_t number(int column) const;
    [[nodiscard]] bool null(int column) const;

private:
    friend class sqlite_connection;
    struct finalize {
        void operator()(sqlite3_stmt* statement) const noexcept;
    };
    explicit sqlite_statement(std::unique_ptr<sqlite3_stmt, finalize> statement)
        : statement_{std::move(statement)} {}

    std::unique_ptr<sqlite3_stmt, finalize> statement_;
};

}  // namespace cohort
