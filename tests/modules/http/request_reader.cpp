#include <cohort/http/request_reader.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "requests.hpp"

namespace cohort {
namespace {

int status_of_bytes(std::string_view bytes, request_limits limits = {}) {
    auto out = read_all(bytes, limits);
    EXPECT_TRUE(out.requests.empty());
    return out.failure.status;
}

int status_of_headers(const std::string& headers) {
    return status_of_bytes("PUT /k HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n\r\n");
}

TEST(request_reader, reads_what_a_request_says) {
    auto incoming = read_one(
        "PUT /cache-data/a%2Fb?fresh=1 HTTP/1.1\r\nHost: here\r\nX-Thing:  two words \r\n"
        "Content-Length: 5\r\n\r\nhello");
    EXPECT_EQ(incoming.method(), method::put);
    EXPECT_EQ(incoming.target(), "/cache-data/a%2Fb?fresh=1");
    EXPECT_EQ(incoming.path(), "/cache-data/a%2Fb");
    EXPECT_EQ(incoming.query(), "fresh=1");
    ASSERT_EQ(incoming.segments(), 2u);
    EXPECT_EQ(incoming.segment(1), "a/b");
    EXPECT_EQ(incoming.header("x-tHING"), "two words");
    EXPECT_TRUE(incoming.has_header("HOST"));
    EXPECT_FALSE(incoming.has_header("Hos"));
    EXPECT_EQ(incoming.body(), "hello");
    EXPECT_TRUE(incoming.keep_alive());
}

TEST(request_reader, takes_pipelined_requests_in_order) {
    auto bytes = std::string{};
    for (int index = 0; index < 100; ++index) {
        bytes += "GET /" + std::to_string(index) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    }
    auto out = read_all(bytes);
    ASSERT_EQ(out.requests.size(), 100u);
    for (std::size_t index = 0; index < 100; ++index) {
        EXPECT_EQ(out.requests[index].segment(0), std::to_string(index));
    }
    EXPECT_FALSE(out.inside_request);
}

TEST(request_reader, decodes_any_byte_of_a_key_once) {
    EXPECT_EQ(get_request("/k/libstdc++6").segment(1), "libstdc++6");
    EXPECT_EQ(get_request("/k/%2541").segment(1), "%41");
    EXPECT_EQ(get_request("/k/a%00%ffb").segment(1), std::string_view("a\0\xff"
                                                                      "b",
                                                                      4));
    EXPECT_EQ(get_request("/k/%20").segment(1), " ");
    EXPECT_EQ(get_request("/a//b").segments(), 3u);
    EXPECT_EQ(get_request("/").segments(), 0u);
    EXPECT_EQ(get_request("/a/").segments(), 2u);
    for (const auto* target : {"/%", "/%4", "/%zz", "/a%2", "/%-1"}) {
        EXPECT_EQ(status_of_bytes("GET " + std::string{target} + " HTTP/1.1\r\nHost: h\r\n\r\n"),
                  400)
            << target;
    }
}

TEST(request_reader, joins_chunks_and_drops_extensions_and_trailers) {
    auto incoming = read_one(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "5;name=value\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 1\r\n\r\n");
    EXPECT_EQ(incoming.body(), "hello world");
    EXPECT_FALSE(incoming.has_header("X-Sum"));
}

TEST(request_reader, accepts_absolute_targets_and_the_asterisk_of_options) {
    auto absolute = get_request("http://host:80/a/b?c");
    EXPECT_EQ(absolute.path(), "/a/b");
    EXPECT_EQ(absolute.query(), "c");
    EXPECT_EQ(absolute.segments(), 2u);
    EXPECT_EQ(get_request("HTTP://host").path(), "/");
    EXPECT_EQ(get_request("http://host?x").query(), "x");
    EXPECT_EQ(read_one("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").path(), "*");
    for (const auto* target : {"*", "a", "http:///x", "http://u@h/", "ftp://h/", "/a#b", "://h"}) {
        EXPECT_EQ(status_of_bytes("GET " + std::string{target} + " HTTP/1.1\r\nHost: h\r\n\r\n"),
                  400)
            << target;
    }
}

TEST(request_reader, follows_the_versions_rules_for_keep_alive) {
    EXPECT_TRUE(get_request("/").keep_alive());
    EXPECT_FALSE(get_request("/", "Connection: foo, Close\r\n").keep_alive());
    EXPECT_FALSE(read_one("GET / HTTP/1.0\r\n\r\n").keep_alive());
    auto old = read_one("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_TRUE(old.keep_alive());
    EXPECT_EQ(old.minor_version(), 0);
}

TEST(request_reader, joins_chunks_that_come_byte_by_byte) {
    auto bytes = std::string_view{
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"};
    auto reader = request_reader{};
    auto out = read_outcome{};
    for (auto byte : bytes) {
        EXPECT_TRUE(out.requests.empty());
        feed(reader, std::string_view{&byte, 1}, out);
    }
    EXPECT_EQ(out.requests.size(), 1u);
}

TEST(request_reader, forgives_one_empty_line_before_a_request) {
    EXPECT_EQ(read_all("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").requests.size(), 1u);
    EXPECT_EQ(status_of_bytes("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
    EXPECT_FALSE(read_all("\r\n").inside_request);
}

TEST(request_reader, refuses_what_is_over_a_limit_with_its_status) {
    auto line = [](std::size_t size) {
        return "GET /" + std::string(size - 14, 'a') + " HTTP/1.1\r\n";
    };
    EXPECT_EQ(read_all(line(8192) + "Host: h\r\n\r\n").requests.size(), 1u);
    EXPECT_EQ(status_of_bytes(line(8193) + "Host: h\r\n\r\n"), 414);
    EXPECT_EQ(status_of_bytes(std::string(9000, 'a')), 414);
    auto headers = [](std::size_t size) {
        return "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(size - 16, 'a') + "\r\n\r\n";
    };
    EXPECT_EQ(read_all(headers(16 * 1024)).requests.size(), 1u);
    EXPECT_EQ(status_of_bytes(headers(16 * 1024 + 1)), 431);
    auto many = std::string{"GET / HTTP/1.1\r\nHost: h\r\n"};
    for (int index = 0; index < 100; ++index) {
        many += "A: b\r\n";
    }
    EXPECT_EQ(status_of_bytes(many + "\r\n"), 431);
    EXPECT_EQ(status_of_bytes("GET " + std::string(130, '/') + " HTTP/1.1\r\nHost: h\r\n\r\n"),
              414);
    auto limits = request_limits{.body_bytes_max = 4};
    auto chunked = std::string{"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"};
    EXPECT_EQ(status_of_bytes("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", limits),
              413);
    EXPECT_EQ(status_of_bytes(chunked + "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", limits), 413);
    EXPECT_EQ(read_all(chunked + "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", limits).requests.size(), 1u);
    EXPECT_EQ(status_of_bytes(chunked + "1;" + std::string(2000, 'x') + "\r\na\r\n0\r\n\r\n"), 400);
    EXPECT_EQ(status_of_bytes(chunked + "0\r\nA: " + std::string(2000, 'x') + "\r\n\r\n"), 400);
}

TEST(request_reader, refuses_broken_syntax) {
    for (const auto* bytes : {"GARBAGE\r\n",
                              "GET /\r\n",
                              "GET  / HTTP/1.1\r\n",
                              "GET / HTTP/1.1 \r\n",
                              "GET / HTTP/x.y\r\n",
                              " GET / HTTP/1.1\r\n",
                              "GET / HTTP/1.1\n",
                              "GET\n",
                              "\n",
                              "G@T / HTTP/1.1\r\n",
                              "GET /a b HTTP/1.1\r\n",
                              "GET /\x01 HTTP/1.1\r\n",
                              "GET / http/1.1\r\n",
                              "GET / HTTP/1.1\r\nHost: h\n\r\n",
                              "GET / HTTP/1.1\r\nHost: h\r\n\n",
                              "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
                              "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
                              "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
                              "GET / HTTP/1.1\r\n: h\r\n\r\n",
                              "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n",
                              "GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n",
                              "GET / HTTP/1.1\r\nHost: h\r\nA: \x7f\r\n\r\n"}) {
        EXPECT_EQ(status_of_bytes(bytes), 400) << bytes;
    }
    EXPECT_EQ(status_of_bytes(std::string_view("GET /\0 HTTP/1.1\r\n", 17)), 400);
    EXPECT_EQ(status_of_bytes(std::string_view("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24)), 400);
}

TEST(request_reader, refuses_versions_and_methods_that_it_does_not_speak) {
    EXPECT_EQ(status_of_bytes("GET / HTTP/2.0\r\n"), 505);
    EXPECT_EQ(status_of_bytes("PRI * HTTP/2.0\r\n"), 505);
    EXPECT_EQ(status_of_bytes("GET / HTTP/1.2\r\n"), 505);
    EXPECT_EQ(status_of_bytes("CONNECT h:80 HTTP/1.1\r\n"), 501);
    EXPECT_EQ(read_one("brew / HTTP/1.1\r\nHost: h\r\n\r\n").method(), method::other);
}

TEST(request_reader, needs_exactly_one_host) {
    EXPECT_EQ(status_of_bytes("GET / HTTP/1.1\r\n\r\n"), 400);
    EXPECT_EQ(status_of_bytes("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(read_all("GET / HTTP/1.0\r\n\r\n").requests.size(), 1u);
}

TEST(request_reader, refuses_bodies_that_another_server_could_read_differently) {
    EXPECT_EQ(status_of_headers("Content-Length: 1\r\nTransfer-Encoding: chunked"), 400);
    EXPECT_EQ(status_of_headers("Transfer-Encoding: chunked\r\nContent-Length: 1"), 400);
    EXPECT_EQ(status_of_headers("Content-Length: 1\r\nContent-Length: 1"), 400);
    EXPECT_EQ(status_of_headers("Content-Length: 1, 1"), 400);
    EXPECT_EQ(status_of_headers("Content-Length: +1"), 400);
    EXPECT_EQ(status_of_headers("Content-Length: -1"), 400);
    EXPECT_EQ(status_of_headers("Content-Length: 0x1"), 400);
    EXPECT_EQ(status_of_headers("Content-Length:"), 400);
    EXPECT_EQ(status_of_headers("Content-Length: 99999999999999999999999"), 400);
    EXPECT_EQ(status_of_headers("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400);
    EXPECT_EQ(status_of_headers("Transfer-Encoding: gzip"), 501);
    EXPECT_EQ(status_of_headers("Transfer-Encoding: gzip, chunked"), 501);
    EXPECT_EQ(status_of_headers("Transfer-Encoding: chunked, identity"), 501);
    EXPECT_EQ(status_of_headers("Transfer-Encoding: \x0b"
                                "chunked"),
              400);
    EXPECT_EQ(status_of_bytes("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    auto chunked = std::string{"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"};
    for (const auto* body :
         {"x\r\n\r\n", "5\r\nhelloo\r\n0\r\n", "-1\r\n1", "1\nabc\r\n", "fffffffffffffffff\r\n",
          " 1\r\na\r\n", "1 x\r\na\r\n", "1;a=\"b\"\r\na\r\n0\r\n\r\n", "0\r\nA\r\n\r\n",
          "0\r\nContent-Length: 3\r\n\r\n"}) {
        EXPECT_EQ(status_of_bytes(chunked + body), 400) << body;
    }
}

TEST(request_reader, answers_nothing_behind_a_broken_request) {
    auto out = read_all(
        "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nBROKEN\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(out.requests.size(), 1u);
    EXPECT_EQ(out.requests[0].path(), "/1");
    EXPECT_EQ(out.failure.status, 400);
    EXPECT_FALSE(out.inside_request);
}

TEST(request_reader, tells_once_that_the_client_waits_for_continue) {
    auto reader = request_reader{};
    auto out = read_outcome{};
    feed(reader, "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n",
         out);
    EXPECT_TRUE(reader.take_expectation());
    EXPECT_FALSE(reader.take_expectation());
    feed(reader, "ab", out);
    EXPECT_EQ(out.requests.size(), 1u);
    // Who sends the body at once, or none, does not wait.
    feed(reader, "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\na",
         out);
    EXPECT_FALSE(reader.take_expectation());
    EXPECT_EQ(status_of_headers("Expect: tea"), 417);
    EXPECT_EQ(read_one("GET / HTTP/1.0\r\nExpect: tea\r\n\r\n").minor_version(), 0);
}

TEST(request_reader, reads_header_lines_that_repeat_as_it_read_them_first) {
    auto lines = std::string{
        "Host: h\r\nX: 1\r\n"
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"};
    auto out = read_all("GET /first HTTP/1.1\r\n" + lines + "GET /a//b%41 HTTP/1.1\r\n" + lines +
                        "GET /a//b HTTP/1.1\r\n" + lines + "GET / HTTP/1.1\r\n" + lines +
                        "GET /last HTTP/1.1\r\nHost: h\r\nX: 2\r\nConnection: close\r\n\r\n");
    ASSERT_EQ(out.requests.size(), 5u) << out.failure.reason;
    for (std::size_t index = 0; index < 4; ++index) {
        EXPECT_EQ(out.requests[index].header("X"), "1");
        EXPECT_EQ(out.requests[index].trace().span, 0x00f067aa0ba902b7u);
        EXPECT_TRUE(out.requests[index].keep_alive());
    }
    EXPECT_EQ(out.requests[1].segment(2), "bA");
    EXPECT_EQ(out.requests[2].target(), "/a//b");
    ASSERT_EQ(out.requests[2].segments(), 3u);
    EXPECT_EQ(out.requests[2].segment(1), "");
    EXPECT_EQ(out.requests[2].segment(2), "b");
    EXPECT_EQ(out.requests[3].segments(), 0u);
    EXPECT_EQ(out.requests[4].header("X"), "2");
    EXPECT_FALSE(out.requests[4].trace());
    EXPECT_FALSE(out.requests[4].keep_alive());
}

TEST(request_reader, holds_requests_with_repeated_header_lines_to_the_same_limits) {
    auto limits = request_limits{.line_bytes_max = 40, .segment_count_max = 3};
    auto first = std::string{"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"};
    auto status = [&](const std::string& line, std::size_t requests) {
        auto out = read_all(first + line + "\r\nHost: h\r\n\r\n" + first, limits);
        EXPECT_EQ(out.requests.size(), requests) << line;
        return out.failure.status;
    };
    EXPECT_EQ(status("GET /a/b/c HTTP/1.1", 3), 0);
    EXPECT_EQ(status("GET /a/b/ HTTP/1.1", 3), 0);
    EXPECT_EQ(status("GET /a/b/c/d HTTP/1.1", 1), 414);
    EXPECT_EQ(status("GET /a/b/c/ HTTP/1.1", 1), 414);
    EXPECT_EQ(status("GET /" + std::string(26, 'k') + " HTTP/1.1", 3), 0);
    EXPECT_EQ(status("GET /" + std::string(27, 'k') + " HTTP/1.1", 1), 414);
    EXPECT_EQ(status("GET /a HTTP/1.1 ", 1), 400);
    EXPECT_EQ(status("GET /a  HTTP/1.1", 1), 400);
    EXPECT_EQ(status("GET /a HTTP/1.2", 1), 505);
    EXPECT_EQ(status("GET /\x7f HTTP/1.1", 1), 400);
    EXPECT_EQ(status("GET a HTTP/1.1", 1), 400);
}

TEST(request_reader, knows_no_header_lines_that_mean_something_else_in_another_version) {
    auto out = read_all(
        "GET /a HTTP/1.0\r\nX: 1\r\n\r\nGET /b HTTP/1.0\r\nX: 1\r\n\r\n"
        "GET /c HTTP/1.1\r\nX: 1\r\n\r\n");
    ASSERT_EQ(out.requests.size(), 2u);
    EXPECT_FALSE(out.requests[1].keep_alive());
    EXPECT_EQ(out.failure.reason, "there must be one Host header");
}

TEST(request_reader, says_where_the_stream_stands) {
    EXPECT_TRUE(read_all("GET").inside_request);
    EXPECT_TRUE(read_all("GET / HTTP/1.1\r\nHost: h\r\n").inside_request);
    EXPECT_TRUE(
        read_all("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabc").inside_request);
    EXPECT_FALSE(read_all("").inside_request);
}

TEST(request_reader, reads_large_bodies_through_its_small_buffer) {
    auto body = std::string(1024 * 1024, 'x');
    auto incoming = read_one("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n" + body);
    EXPECT_EQ(incoming.body(), body);
    EXPECT_EQ(incoming.take_body().size(), body.size());
}

TEST(request_reader, has_no_more_room_while_whole_requests_wait) {
    auto reader = request_reader{};
    auto one = std::string_view{"GET / HTTP/1.1\r\nHost: h\r\n\r\n"};
    auto fed = std::size_t{0};
    for (auto room = reader.prepare(); !room.empty(); room = reader.prepare()) {
        for (auto& byte : room) {
            byte = one[fed++ % one.size()];
        }
        reader.commit(room.size());
    }
    auto taken = std::size_t{0};
    auto incoming = request{};
    while (reader.next(incoming) == request_reader::state::request) {
        ++taken;
    }
    EXPECT_EQ(taken, fed / one.size());
    EXPECT_FALSE(reader.prepare().empty());
}

TEST(request, reads_the_trace_parent_strictly) {
    auto good = std::string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
    auto parent = get_request("/", "traceparent: " + good + "\r\n").trace();
    EXPECT_EQ(parent.trace_high, 0x4bf92f3577b34da6u);
    EXPECT_EQ(parent.trace_low, 0xa3ce929d0e0e4736u);
    EXPECT_EQ(parent.span, 0x00f067aa0ba902b7u);
    EXPECT_EQ(parent.flags, 1);
    EXPECT_TRUE(parse_traceparent("01" + good.substr(2) + "-later"));
    EXPECT_FALSE(parse_traceparent(good + "-"));
    EXPECT_FALSE(parse_traceparent("ff" + good.substr(2)));
    EXPECT_FALSE(parse_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
    EXPECT_FALSE(parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
    EXPECT_FALSE(parse_traceparent("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"));
    EXPECT_FALSE(parse_traceparent(""));
}

TEST(request, is_emptied_before_it_is_used_again) {
    for (int round = 0; round < 3; ++round) {
        auto incoming = read_one("PUT /a/b?c HTTP/1.0\r\nX: y\r\nContent-Length: 1\r\n\r\nz");
        EXPECT_EQ(incoming.segments(), 2u);
    }
    auto fresh = request{};
    EXPECT_EQ(fresh.segments(), 0u);
    EXPECT_TRUE(fresh.body().empty() && fresh.query().empty() && fresh.path().empty());
    EXPECT_FALSE(fresh.has_header("X"));
    EXPECT_TRUE(fresh.keep_alive());
}

// Properties
// -------------------------------------------------------------------------------------------

/// Something that is nearly always a request, and sometimes is not.
rc::Gen<std::string> any_request() {
    return rc::gen::exec([] {
        auto pick = [](std::vector<std::string> from) {
            return *rc::gen::elementOf(std::move(from));
        };
        auto text = pick({"GET", "GET", "PUT", "HEAD", "get", "OPTIONS"}) + " " +
                    pick({"/", "/a/b", "/a//", "//", "/k/%41%2f", "/x?y", "/x#y", "http://h/p",
                          "/%zz", "/a b", "*", "/\x7f", "/\xff"}) +
                    " " +
                    (*rc::gen::inRange(0, 10) == 0
                         ? pick({"HTTP/1.0", "HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "HTTP"})
                         : "HTTP/1.1") +
                    "\r\n";
        text += "Host: h\r\n";
        for (int count = *rc::gen::inRange(0, 4); count > 0; --count) {
            text += pick({"A: b\r\n", "Connection: close\r\n",
                          "X-Long: " + std::string(50, 'v') + "\r\n", "Expect: 100-continue\r\n",
                          "A: b\r\n", "Cookie: a=b; c=d\r\n",
                          "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
                          "\r\n"});
        }
        if (*rc::gen::inRange(0, 15) == 0) {
            text += pick({"bad\n", " fold\r\n", "A : b\r\n", "Host: i\r\n", "A: \x01\r\n"});
        }
        auto body = std::string(static_cast<std::size_t>(*rc::gen::inRange(0, 40)), 'B');
        switch (*rc::gen::inRange(0, 3)) {
            case 0:
                return text + "\r\n";
            case 1:
                return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
            default:
                return text + "Transfer-Encoding: chunked\r\n\r\n" +
                       (body.empty() ? "" : "1;x=y\r\nC\r\n3\r\nabc\r\n") + "0\r\n" +
                       pick({"\r\n", "T: u\r\n\r\n", "bad\r\n\r\n", "\r\n"});
        }
    });
}

/// Requests of which about half have the header lines of the one before.
rc::Gen<std::string> any_stream() {
    return rc::gen::exec([] {
        auto all = std::string{};
        auto lines = std::string{};
        for (int count = *rc::gen::inRange(0, 12); count > 0; --count) {
            auto next = *any_request();
            auto line_end = next.find("\r\n") + 2;
            if (lines.empty() || *rc::gen::arbitrary<bool>()) {
                lines = next.substr(line_end);
            }
            all += next.substr(0, line_end) + lines;
        }
        return all;
    });
}

std::vector<std::string> summary(const read_outcome& out) {
    auto lines = std::vector<std::string>{};
    for (const auto& incoming : out.requests) {
        auto line = incoming.data().head + "|" + std::string{incoming.body()} + "|" +
                    std::string{incoming.target()} + "|" + std::string{incoming.path()} + "|" +
                    std::string{incoming.query()} + "|" + std::string{incoming.method_name()} +
                    std::string{name(incoming.method())} +
                    std::to_string(incoming.minor_version()) +
                    std::to_string(incoming.keep_alive()) + "|" +
                    std::to_string(incoming.trace().trace_low);
        for (const auto& field : incoming.data().headers) {
            line.append("|").append(field.name.in(incoming.data().head));
            line.append("=").append(field.value.in(incoming.data().head));
        }
        for (std::size_t index = 0; index < incoming.segments(); ++index) {
            line += "|" + std::string{incoming.segment(index)};
        }
        lines.push_back(std::move(line));
    }
    lines.push_back(std::to_string(out.failure.status) + " " + std::string{out.failure.reason});
    return lines;
}

RC_GTEST_PROP(request_reader, finds_the_same_requests_however_the_bytes_are_split, ()) {
    auto bytes = *any_stream();
    auto whole = read_all(bytes);
    auto reader = request_reader{};
    auto split = read_outcome{};
    for (auto rest = std::string_view{bytes}; !rest.empty() && split.failure.status == 0;) {
        auto size = static_cast<std::size_t>(*rc::gen::inRange(1, 60));
        feed(reader, rest.substr(0, size), split);
        rest.remove_prefix(std::min(size, rest.size()));
    }
    RC_ASSERT(summary(whole) == summary(split));
}

RC_GTEST_PROP(request_reader, survives_flipped_bytes_and_stays_the_same_when_split, ()) {
    auto bytes = *any_stream();
    for (int count = *rc::gen::inRange(1, 4); count > 0 && !bytes.empty(); --count) {
        bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] =
            static_cast<char>(*rc::gen::inRange(0, 256));
    }
    auto whole = read_all(bytes);
    auto reader = request_reader{};
    auto single = read_outcome{};
    for (std::size_t index = 0; index < bytes.size() && single.failure.status == 0; ++index) {
        feed(reader, std::string_view{bytes}.substr(index, 1), single);
    }
    RC_ASSERT(summary(whole) == summary(single));
}

}  // namespace
}  // namespace cohort
