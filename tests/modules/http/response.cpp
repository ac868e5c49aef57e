#include <cohort/http/composer.hpp>
#include <cohort/http/response.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <stdexcept>

namespace cohort {
namespace {

using namespace std::literals;

std::string composed(const response& answer, bool with_body = true,
                     connection_after after = connection_after::stays) {
    auto out = composer{};
    out.append(answer, with_body, after, "Date: now\r\n");
    auto pieces = std::array<std::string_view, 4>{};
    auto text = std::string{};
    for (std::size_t count = out.pieces(pieces), index = 0; index < count; ++index) {
        text += pieces[index];
    }
    return text;
}

TEST(response, is_composed_with_length_type_and_date) {
    EXPECT_EQ(composed(ok("hello")),
              "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Content-Length: 5\r\n\r\nhello");
    EXPECT_EQ(composed(response{418}),
              "HTTP/1.1 418 Unknown\r\nDate: now\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(
        composed(created(), true, connection_after::closes),
        "HTTP/1.1 201 Created\r\nDate: now\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(composed(ok(bytes{"x"}, "a/b"), false, connection_after::stays_explicitly),
              "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: a/b\r\nContent-Length: 1\r\n"
              "Connection: keep-alive\r\n\r\n");
}

TEST(response, without_a_body_by_definition_has_no_length) {
    EXPECT_EQ(composed(no_content().body("dropped")),
              "HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n");
    EXPECT_EQ(composed(not_modified("\"1\"")),
              "HTTP/1.1 304 Not Modified\r\nDate: now\r\nETag: \"1\"\r\n\r\n");
}

TEST(response, finds_a_control_character_wherever_it_stands) {
    for (std::size_t size = 1; size < 40; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (auto character : {'\0', '\n', '\r', '\x1f', '\x7f'}) {
                auto value = std::string(size, 'v');
                value[at] = character;
                EXPECT_THROW(response{}.header("A", value), std::invalid_argument) << size;
            }
            for (auto character : {'\t', ' ', '~', '\x80', '\xff'}) {
                auto value = std::string(size, '\xc3');
                value[at] = character;
                EXPECT_EQ(response{}.header("A", value).header("A"), value);
            }
        }
    }
}

TEST(response, repeats_a_line_that_was_checked_once) {
    auto line = header_line{"Cache-Status", "cohort; hit"};
    EXPECT_EQ(response{}.header(line).header(line).data().lines.view(),
              "Cache-Status: cohort; hit\r\nCache-Status: cohort; hit\r\n");
}

TEST(response, refuses_headers_that_would_write_headers_of_their_own) {
    auto answer = response{};
    EXPECT_THROW(answer.header("A", "b\r\nSet-Cookie: c"sv), std::invalid_argument);
    EXPECT_THROW(answer.header("A", "b\n"sv), std::invalid_argument);
    EXPECT_THROW(answer.header("A", "\0"sv), std::invalid_argument);
    EXPECT_THROW(header_line("A", "b\n"), std::invalid_argument);
    for (auto name : {"A: b\r\nC", "", "A B", "content-length", "Connection"}) {
        EXPECT_THROW(static_cast<void>(header_name::checked(name)), std::invalid_argument) << name;
    }
    EXPECT_THROW(static_cast<void>(ok("x", "text/html\r\nA: b"sv)), std::invalid_argument);
    EXPECT_TRUE(answer.data().lines.empty());
    answer.header(header_name::checked("X-Tab"), "a\tb");
    EXPECT_EQ(answer.header("x-tab"), "a\tb");
    EXPECT_EQ(answer.header("x-other"), "");
}

TEST(response, writes_numbers_as_values) {
    EXPECT_EQ(number_value::decimal(0), "0");
    EXPECT_EQ(number_value::decimal(~std::uint64_t{0}), "18446744073709551615");
    EXPECT_EQ(number_value::quoted(0), "\"0\"");
    EXPECT_EQ(number_value::quoted(~std::uint64_t{0}), "\"ffffffffffffffff\"");
    EXPECT_EQ(response{}.header("Age", number_value::decimal(17)).header("age"), "17");
}

TEST(response, tells_a_failure_in_one_line) {
    auto answer = problem(error{errc::not_found, "no such\r\nkey"});
    EXPECT_EQ(answer.status(), 404);
    EXPECT_EQ(answer.body(), "no such  key\n");
    EXPECT_EQ(answer.header("Retry-After"), "");
    auto busy = problem(errc::overloaded);
    EXPECT_EQ(busy.status(), 503);
    EXPECT_EQ(busy.body(), "overloaded\n");
    EXPECT_EQ(busy.header("Retry-After"), "1");
    EXPECT_EQ(busy.header("Executed"), "");
    EXPECT_EQ(problem(errc::network).header("Executed"), "maybe");
    EXPECT_EQ(problem(error{errc::network}.with(executed::no)).header("Executed"), "");
    EXPECT_EQ(problem(400, std::string(10000, 'x')).body().size(), 513u);
}

TEST(response, has_a_failure_status_and_a_phrase_for_every_code) {
    for (int code = 1; code <= static_cast<int>(errc_last); ++code) {
        auto status = status_of(static_cast<errc>(code));
        EXPECT_GE(status, 400);
        EXPECT_NE(reason_phrase(status), "Unknown");
    }
    EXPECT_EQ(status_of(errc::timeout), 504);
    EXPECT_EQ(status_of(errc::too_large), 413);
}

TEST(response, is_emptied_before_it_is_used_again) {
    for (int round = 0; round < 3; ++round) {
        EXPECT_EQ(ok("x").header("A", "b").close().status(), 200);
    }
    auto fresh = response{};
    EXPECT_FALSE(fresh.closes());
    EXPECT_TRUE(fresh.body().empty());
    EXPECT_TRUE(fresh.data().lines.empty());
}

TEST(date_line, is_the_date_of_the_standard) {
    auto line = date_line{};
    auto at = [&](std::int64_t seconds) {
        return std::string{line.at(wall_time{std::chrono::seconds{seconds}})};
    };
    EXPECT_EQ(at(784111777), "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    EXPECT_EQ(at(0), "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
    EXPECT_EQ(at(951782400), "Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n");
    EXPECT_EQ(line.at(wall_time{std::chrono::seconds{951782400} + 999ms}), at(951782400));
}

TEST(composer, sends_large_shared_bodies_uncopied_and_in_order) {
    auto large = bytes::make(composer::shared_bytes_min, [](std::span<char> room) {
        std::fill(room.begin(), room.end(), 'L');
    });
    auto out = composer{};
    out.append(ok("a"), true, connection_after::stays, "");
    out.append(ok(large), true, connection_after::stays, "");
    out.append(ok("b"), true, connection_after::stays, "");
    auto pieces = std::array<std::string_view, 8>{};
    ASSERT_EQ(out.pieces(pieces), 3u);
    EXPECT_EQ(pieces[1].data(), large.data());
    EXPECT_TRUE(pieces[2].ends_with("\r\n\r\nb"));
    EXPECT_EQ(out.size(), pieces[0].size() + pieces[1].size() + pieces[2].size());
    EXPECT_EQ(out.pieces(std::span{pieces}.first(1)), 1u);
}

RC_GTEST_PROP(composer, gives_the_same_bytes_however_they_are_taken, ()) {
    auto out = composer{};
    auto expected = std::string{};
    auto sent = std::string{};
    auto take = [&](std::size_t least) {
        auto pieces = std::array<std::string_view, 3>{};
        auto count = out.pieces(std::span{pieces}.first(*rc::gen::inRange<std::size_t>(1, 4)));
        auto text = std::string{};
        for (std::size_t index = 0; index < count; ++index) {
            text += pieces[index];
        }
        auto size =
            *rc::gen::inRange<std::size_t>(std::max(least, text.size() / 2), text.size() + 1);
        RC_ASSERT(text.size() >= least);
        sent += text.substr(0, size);
        out.consume(size);
    };
    for (int steps = *rc::gen::inRange(1, 30); steps > 0; --steps) {
        auto size = *rc::gen::element<std::size_t>(0, 1, 100, 9000, 16384, 40000);
        auto fill = static_cast<char>('a' + steps % 26);
        auto answer = *rc::gen::arbitrary<bool>() ? ok(bytes{std::string(size, fill)})
                                                  : ok(std::string(size, fill));
        out.append(answer, true, connection_after::stays, "");
        expected += composed(answer).erase(17, 11);
        take(0);
    }
    while (!out.empty()) {
        take(1);
    }
    RC_ASSERT(sent == expected);
    RC_ASSERT(out.size() == 0u);
}

}  // namespace
}  // namespace cohort
