#pragma once

#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>
#include <cohort/world/world.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct pg_conn;
struct pg_result;

namespace cohort {

/// Host, port, user and database of a `postgresql://` address, for people: never a password.
///
/// Errors: `errc::invalid`, without quoting what may be a part of a password.
[[nodiscard]] result<std::string> shown_postgres(const std::string& address);

/// The rows that a statement returned, in binary. Columns count from 0.
class postgres_rows {
public:
    postgres_rows() = default;
    explicit postgres_rows(pg_result* rows) : rows_{rows} {}

    [[nodiscard]] int size() const;
    /// Borrowed from the rows.
    [[nodiscard]] std::string_view bytes(int row, int column) const;
    /// Of a bool, an int2, an int4 or an int8.
    [[nodiscard]] std::uint64_t number(int row, int column) const;
    [[nodiscard]] bool null(int row, int column) const;

private:
    struct clear {
        void operator()(pg_result* rows) const noexcept;
    };
    std::unique_ptr<pg_result, clear> rows_;
};

/// The parameters of a prepared statement, in binary. Bytes are borrowed.
class postgres_parameters {
public:
    static constexpr std::size_t count_max = 6;

    postgres_parameters& add(std::string_view bytes);
    postgres_parameters& add(std::uint64_t number);

private:
    friend class postgres_connection;
    std::array<const char*, count_max> values_{};
    std::array<int, count_max> lengths_{};
    std::array<std::array<char, 8>, count_max> numbers_{};
    std::size_t count_ = 0;
};

/// A one-dimensional array as a parameter, in binary.
class postgres_array {
public:
    enum class type : std::uint32_t { bytes = 17, number = 20, text = 25 };  // as in pg_type

    explicit postgres_array(type of);
    void add(std::string_view bytes);
    void add(std::uint64_t number);
    [[nodiscard]] std::string_view view() const noexcept { return encoded_; }

private:
    std::string encoded_;
    std::uint32_t count_ = 0;
};

/// A connection to a PostgreSQL server. Once it is lost it stays so; a call that does not end in
/// time loses it, because its answer may come at any time.
///
/// Thread: one at a time; it may move between threads. Every call blocks, `until` at the latest,
///         except for the look-up of the server's name.
/// Errors: `errc::network` when the server cannot be reached, `errc::unavailable` when the
///         connection gets lost or the server cannot do it now, `errc::timeout`, `errc::storage`
///         when the server refuses; `executed` is `no` when nothing was sent or the server took it
///         back, `maybe` when that is not known.
class postgres_connection {
public:
    static result<postgres_connection> open(world& around, const std::string& address,
                                            time_point until);

    /// Runs statements, together or not at all. Returns the rows of the last one, whose columns are
    /// text.
    result<postgres_rows> run(const std::string& sql, std::string_view what, time_point until);
    /// Runs a statement that was prepared by `PREPARE`.
    result<postgres_rows> execute(const char* statement, const postgres_parameters& parameters,
                                  std::string_view what, time_point until);

    /// Whether the connection is there, as far as this side has heard.
    [[nodiscard]] bool alive();
    /// As the server counts: 150004 is 15.4.
    [[nodiscard]] int server_version() const;

private:
    struct finish {
        void operator()(pg_conn* connection) const noexcept;
    };
    postgres_connection(world& around, std::unique_ptr<pg_conn, finish> connection,
                        std::string shown)
        : world_{&around}, connection_{std::move(connection)}, shown_{std::move(shown)} {}

    [[nodiscard]] result<void> connect(time_point until);
    [[nodiscard]] error not_connected();
    /// Waits for one of the events of poll(2); 0 when the time is over.
    [[nodiscard]] short wait(short events, time_point until) const;
    [[nodiscard]] result<postgres_rows> collect(std::string_view what, time_point until);
    /// What the server refused; some refusals end the connection.
    [[nodiscard]] error refusal(const pg_result* answer, std::string_view what);
    [[nodiscard]] error lost(std::string_view what, executed outcome);
    [[nodiscard]] error late(std::string_view what, executed outcome);

    world* world_;
    std::unique_ptr<pg_conn, finish> connection_;
    std::string shown_;
};

}  // namespace cohort
