#include <distributed-cache/postgres.hpp>

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>

namespace cohort {
namespace {

/// What libpq says, on one line.
std::string one_line(const char* said) {
    auto text = std::string{said == nullptr ? "" : said};
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

/// Numbers travel with their highest byte first.
template <class Number>
std::array<char, sizeof(Number)> encode(Number number) {
    auto encoded = std::array<char, sizeof(Number)>{};
    for (auto at = sizeof(Number); at-- > 0; number >>= 8) {
        encoded[at] = static_cast<char>(number & 0xff);
    }
    return encoded;
}

template <class Number>
void append(std::string& to, Number number) {
    auto encoded = encode(number);
    to.append(encoded.data(), encoded.size());
}

errc code_of(std::string_view state) {
    auto of_class = [&](std::string_view name) { return state.starts_with(name); };
    if (state == "57014") {  // query_canceled: a time-out of the server
        return errc::timeout;
    }
    // Connections, resources, operator intervention, serialization, a lock that was not to be had,
    // a server that only reads.
    if (of_class("08") || of_class("53300") || of_class("57") || of_class("40") ||
        state == "55P03" || state == "25006") {
        return errc::unavailable;
    }
    return errc::storage;
}

}  // namespace

result<std::string> shown_postgres(const std::string& address) {
    struct free_options {
        void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
    };
    char* complaint = nullptr;
    auto parsed = std::unique_ptr<PQconninfoOption, free_options>{
        PQconninfoParse(address.c_str(), &complaint)};
    PQfreemem(complaint);  // not shown: it may quote a piece of the password
    if (!parsed) {
        return error{errc::invalid,
                     "libpq cannot read the address: write postgresql://USER@HOST:PORT/DATABASE, "
                     "special characters in its parts as %XX"};
    }
    auto value = [&](std::string_view name) -> std::string {
        for (auto* option = parsed.get(); option->keyword != nullptr; ++option) {
            if (option->keyword == name && option->val != nullptr) {
                return option->val;
            }
        }
        return {};
    };
    auto user = value("user");
    auto host = value("host").empty() ? value("hostaddr") : value("host");
    auto port = value("port");
    return fmt::format("postgresql://{}{}{}{}{}/{}", user, user.empty() ? "" : "@", host,
                       port.empty() ? "" : ":", port, value("dbname"));
}

void postgres_rows::clear::operator()(pg_result* rows) const noexcept { PQclear(rows); }

int postgres_rows::size() const { return PQntuples(rows_.get()); }

std::string_view postgres_rows::bytes(int row, int column) const {
    return {PQgetvalue(rows_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(rows_.get(), row, column))};
}

std::uint64_t postgres_rows::number(int row, int column) const {
    auto encoded = bytes(row, column);
    COHORT_ASSERT(encoded.size() <= 8, "a column that is read as a number has at most 8 bytes");
    auto number = std::uint64_t{0};
    for (auto digit : encoded) {
        number = (number << 8) | static_cast<unsigned char>(digit);
    }
    return number;
}

bool postgres_rows::null(int row, int column) const {
    return PQgetisnull(rows_.get(), row, column) == 1;
}

postgres_parameters& postgres_parameters::add(std::string_view bytes) {
    COHORT_ASSERT(count_ < count_max, "a statement has few parameters");
    COHORT_ASSERT(bytes.size() <= std::numeric_limits<int>::max(), "a parameter is below 2 GiB");
    values_[count_] = bytes.empty() ? "" : bytes.data();  // a null pointer would be NULL
    lengths_[count_++] = static_cast<int>(bytes.size());
    return *this;
}

postgres_parameters& postgres_parameters::add(std::uint64_t number) {
    COHORT_ASSERT(count_ < count_max, "a statement has few parameters");
    COHORT_ASSERT(number <= std::numeric_limits<std::int64_t>::max(),
                  "PostgreSQL keeps numbers below 2^63");
    numbers_[count_] = encode(number);
    values_[count_] = numbers_[count_].data();
    lengths_[count_++] = sizeof number;
    return *this;
}

postgres_array::postgres_array(type of) {
    append(encoded_, std::uint32_t{1});  // dimensions
    append(encoded_, std::uint32_t{0});  // no NULL among the elements
    append(encoded_, static_cast<std::uint32_t>(of));
    append(encoded_, std::uint32_t{0});  // elements, counted by `add`
    append(encoded_, std::uint32_t{1});  // the index of the first
}

void postgres_array::add(std::string_view bytes) {
    constexpr std::size_t count_at = 12;
    append(encoded_, static_cast<std::uint32_t>(bytes.size()));
    encoded_.append(bytes);
    auto count = encode(++count_);
    std::copy(count.begin(), count.end(), encoded_.begin() + count_at);
}

void postgres_array::add(std::uint64_t number) {
    auto encoded = encode(number);
    add(std::string_view{encoded.data(), encoded.size()});
}

void postgres_connection::finish::operator()(pg_conn* connection) const noexcept {
    PQfinish(connection);
}

result<postgres_connection> postgres_connection::open(world& around, const std::string& address,
                                                      time_point until) {
    auto shown = shown_postgres(address);
    if (!shown) {
        return std::move(shown).error();
    }
    // What stands before dbname are defaults that the address may overrule. A server that only
    // reads is no origin; a silent host is given up, so that the next one of a list gets its turn.
    constexpr std::array keywords{
        "target_session_attrs",           "tcp_user_timeout", "gssencmode",
        "fallback_application_name",      "dbname",           "client_encoding",
        static_cast<const char*>(nullptr)};
    const std::array values{"read-write",
                            "3000",
                            "disable",
                            "cohort-cache",
                            address.c_str(),
                            "UTF8",
                            static_cast<const char*>(nullptr)};
    auto raw = std::unique_ptr<pg_conn, finish>{
        PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1)};
    if (!raw) {
        return error{errc::unavailable, "there is no memory for a connection"}.with(executed::no);
    }
    PQsetNoticeReceiver(raw.get(), [](void*, const PGresult*) {}, nullptr);
    auto connection = postgres_connection{around, std::move(raw), std::move(*shown)};
    if (auto connected = connection.connect(until); !connected) {
        return connected.error();
    }
    return connection;
}

result<void> postgres_connection::connect(time_point until) {
    auto* connection = connection_.get();
    if (PQstatus(connection) == CONNECTION_BAD) {
        return not_connected();
    }
    for (auto step = PGRES_POLLING_WRITING; step != PGRES_POLLING_OK;
         step = PQconnectPoll(connection)) {
        if (step == PGRES_POLLING_FAILED) {
            return not_connected();
        }
        if (wait(step == PGRES_POLLING_READING ? POLLIN : POLLOUT, until) == 0) {
            return late("cannot connect", executed::no);
        }
    }
    PQsetnonblocking(connection, 1);
    return {};
}

error postgres_connection::not_connected() {
    // A server that came to ask for the password is there: what it said it will say again.
    auto answered = PQconnectionUsedPassword(connection_.get()) == 1 ||
                    PQconnectionNeedsPassword(connection_.get()) == 1;
    auto failed = lost("cannot connect", executed::no);
    return error{answered ? errc::storage : errc::network, std::string{failed.text()}, shown_}.with(
        executed::no);
}

short postgres_connection::wait(short events, time_point until) const {
    for (;;) {
        auto waited = pollfd{.fd = PQsocket(connection_.get()), .events = events, .revents = 0};
        auto left = std::max(until - world_->now(), duration::zero());
        auto rounded = std::chrono::ceil<std::chrono::milliseconds>(
            std::min<duration>(left, std::chrono::hours{1}));
        auto ready = ::poll(&waited, 1, static_cast<int>(rounded.count()));
        if (ready > 0) {
            return waited.revents;
        }
        if (ready == 0 && world_->now() >= until) {
            return 0;
        }
        if (ready < 0 && errno != EINTR) {
            return POLLERR;
        }
    }
}

error postgres_connection::lost(std::string_view what, executed outcome) {
    auto said = one_line(PQerrorMessage(connection_.get()));
    connection_.reset();
    return error{errc::unavailable, fmt::format("{}: {}", what, said), shown_}.with(outcome);
}

error postgres_connection::late(std::string_view what, executed outcome) {
    connection_.reset();
    return error{errc::timeout, fmt::format("{}: the server did not answer in time", what), shown_}
        .with(outcome);
}

error postgres_connection::refusal(const pg_result* answer, std::string_view what) {
    auto field = [&](int name) {
        auto* text = PQresultErrorField(answer, name);
        return std::string_view{text == nullptr ? "" : text};
    };
    auto state = field(PG_DIAG_SQLSTATE);
    // The first line only: details may quote keys and contents.
    auto refused =
        error{code_of(state),
              fmt::format("{}: {} ({})", what, field(PG_DIAG_MESSAGE_PRIMARY), state), shown_}
            .with(executed::no);
    // A server that became a stand-by, or a pooler that gave the session to others: another
    // connection may do better.
    if (state == "25006" || state == "26000") {
        connection_.reset();
    }
    return refused;
}

result<postgres_rows> postgres_connection::collect(std::string_view what, time_point until) {
    auto* connection = connection_.get();
    auto flushed = false;
    auto rows = postgres_rows{};
    auto failed = std::optional<error>{};
    for (;;) {
        if (!flushed) {
            auto left = PQflush(connection);
            if (left < 0) {
                return lost(what, executed::maybe);
            }
            flushed = left == 0;
        }
        // A commit comes after its statement's result, so nothing is known before the end.
        while (PQisBusy(connection) == 0) {
            auto* answer = PQgetResult(connection);
            if (answer == nullptr) {
                if (PQstatus(connection) == CONNECTION_BAD) {
                    return lost(what, executed::maybe);
                }
                return failed ? result<postgres_rows>{*failed} : std::move(rows);
            }
            auto kept = postgres_rows{answer};
            auto status = PQresultStatus(answer);
            if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
                rows = std::move(kept);
            } else if (PQstatus(connection) == CONNECTION_BAD) {
                return lost(what, executed::maybe);
            } else {
                failed = refusal(answer, what);
                if (!connection_) {
                    return *failed;
                }
            }
        }
        auto events = wait(static_cast<short>(flushed ? POLLIN : POLLIN | POLLOUT), until);
        if (events == 0) {
            // Without its last byte the server runs nothing.
            return late(what, flushed ? executed::maybe : executed::no);
        }
        if ((events & ~POLLOUT) != 0 && PQconsumeInput(connection) == 0) {
            return lost(what, executed::maybe);
        }
    }
}

result<postgres_rows> postgres_connection::run(const std::string& sql, std::string_view what,
                                               time_point until) {
    COHORT_ASSERT(connection_, "a lost connection was used");
    if (PQsendQuery(connection_.get(), sql.c_str()) == 0) {
        return lost(what, executed::no);
    }
    return collect(what, until);
}

result<postgres_rows> postgres_connection::execute(const char* statement,
                                                   const postgres_parameters& parameters,
                                                   std::string_view what, time_point until) {
    COHORT_ASSERT(connection_, "a lost connection was used");
    static constexpr std::array<int, postgres_parameters::count_max> binary{1, 1, 1, 1, 1, 1};
    if (PQsendQueryPrepared(connection_.get(), statement, static_cast<int>(parameters.count_),
                            parameters.values_.data(), parameters.lengths_.data(), binary.data(),
                            /*resultFormat=*/1) == 0) {
        return lost(what, executed::no);
    }
    return collect(what, until);
}

bool postgres_connection::alive() {
    if (!connection_) {
        return false;
    }
    auto* connection = connection_.get();
    for (;;) {
        // A server that ends says so first, and then closes.
        auto waited = pollfd{.fd = PQsocket(connection), .events = POLLIN, .revents = 0};
        if (PQstatus(connection) == CONNECTION_OK && ::poll(&waited, 1, 0) == 0) {
            return true;
        }
        if (PQstatus(connection) == CONNECTION_BAD || PQconsumeInput(connection) == 0) {
            connection_.reset();
            return false;
        }
        static_cast<void>(PQisBusy(connection));  // takes what was said out of the buffer
    }
}

int postgres_connection::server_version() const { return PQserverVersion(connection_.get()); }

}  // namespace cohort
