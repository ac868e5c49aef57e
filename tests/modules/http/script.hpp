#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <cohort/actor/system.hpp>

namespace cohort::script {

// A client that follows a script, for servers on the deterministic runtime.

struct nothing {};
using silent = protocol<nothing>;

struct answer {
    int status = 0;
    std::string head;
    std::string body;
    [[nodiscard]] bool says(std::string_view text) const {
        return head.find(text) != std::string::npos;
    }
};

/// What came back, cut into answers; `left` is the rest that is none.
inline std::vector<answer> answers_in(std::string_view text, std::string_view& left,
                                      bool head_only = false) {
    auto out = std::vector<answer>{};
    for (;;) {
        left = text;
        auto end = text.find("\r\n\r\n");
        if (!text.starts_with("HTTP/1.1 ") || end == std::string_view::npos) {
            return out;
        }
        auto one = answer{0, std::string{text.substr(0, end + 2)}, {}};
        std::from_chars(text.data() + 9, text.data() + 12, one.status);
        text.remove_prefix(end + 4);
        auto length = std::size_t{0};
        if (auto at = one.head.find("Content-Length: "); at != std::string::npos && !head_only) {
            std::from_chars(one.head.data() + at + 16, one.head.data() + one.head.size(), length);
        }
        if (text.size() < length) {
            return out;
        }
        one.body = text.substr(0, length);
        text.remove_prefix(length);
        out.push_back(std::move(one));
    }
}

struct transcript {
    std::string received;
    bool connected = false;
    bool ended = false;  // the server closed
    bool done = false;
    time_point ended_at{};
    [[nodiscard]] std::vector<answer> answers(bool head_only = false) const {
        auto left = std::string_view{};
        auto out = answers_in(received, left, head_only);
        EXPECT_EQ(left, "");
        return out;
    }
};

struct step {
    enum class kind : std::uint8_t { send, pause, read, read_to_end, end_writing, close };
    kind what = kind::send;
    std::string bytes = {};
    duration length{};
    std::size_t count = 0;
};
inline step send(std::string bytes) {
    return {.what = step::kind::send, .bytes = std::move(bytes)};
}
inline step wait(duration length) { return {.what = step::kind::pause, .length = length}; }
inline step read(std::size_t answers) { return {.what = step::kind::read, .count = answers}; }
inline step read_to_end() { return {.what = step::kind::read_to_end}; }
inline step end_writing() { return {.what = step::kind::end_writing}; }
inline step close() { return {.what = step::kind::close}; }

inline behavior<silent> run_script(context<silent> self, endpoint where, std::vector<step> script,
                                   transcript* out) {
    auto socket = co_await connect(where);
    out->connected = socket.has_value();
    for (std::size_t at = 0; socket && at < script.size(); ++at) {
        auto& each = script[at];
        auto rest = std::as_bytes(std::span{each.bytes});
        while (!rest.empty()) {
            auto buffers = std::array{rest};
            auto outcome = co_await write_some(**socket, buffers);
            if (outcome.code != errc::ok) {
                break;
            }
            rest = rest.subspan(outcome.bytes);
        }
        if (each.what == step::kind::pause) {
            co_await self.sleep(each.length);
        } else if (each.what == step::kind::end_writing) {
            (*socket)->end_writing();
        } else if (each.what == step::kind::close) {
            (*socket)->close();
            break;
        }
        auto reading = each.what == step::kind::read || each.what == step::kind::read_to_end;
        while (reading && !out->ended) {
            auto left = std::string_view{};
            if (each.what == step::kind::read &&
                answers_in(out->received, left).size() >= each.count) {
                break;
            }
            auto room = std::array<std::byte, 700>{};
            auto outcome = co_await read_some(**socket, room);
            if (outcome.code != errc::ok) {
                out->ended = true;
                out->ended_at = self.now();
                break;
            }
            out->received.append(reinterpret_cast<const char*>(room.data()), outcome.bytes);
        }
    }
    out->done = true;
}

inline std::string get(std::string_view target, std::string_view headers = "") {
    return "GET " + std::string{target} + " HTTP/1.1\r\nHost: h\r\n" + std::string{headers} +
           "\r\n";
}
inline std::string put(std::string_view target, std::string_view body) {
    return "PUT " + std::string{target} +
           " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string{body};
}

}  // namespace cohort::script
