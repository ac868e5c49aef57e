#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cohort/http/request_reader.hpp>

namespace cohort {

/// What a reader made of some bytes.
struct read_outcome {
    std::vector<request> requests;
    broken_request failure;  // status 0: the bytes are not broken
    bool inside_request = false;
};

inline void feed(request_reader& reader, std::string_view bytes, read_outcome& out) {
    while (!bytes.empty()) {
        auto room = reader.prepare();
        auto size = std::min(room.size(), bytes.size());
        ASSERT_GT(size, 0u) << "a reader whose requests were taken has room";
        bytes.copy(room.data(), size);
        reader.commit(size);
        bytes.remove_prefix(size);
        auto incoming = request{};
        auto state = reader.next(incoming);
        while (state == request_reader::state::request) {
            out.requests.push_back(std::exchange(incoming, request{}));
            state = reader.next(incoming);
        }
        if (state == request_reader::state::broken) {
            break;
        }
    }
    out.failure = reader.failure();
    out.inside_request = reader.inside_request();
}

inline read_outcome read_all(std::string_view bytes, request_limits limits = {}) {
    auto reader = request_reader{limits};
    auto out = read_outcome{};
    feed(reader, bytes, out);
    return out;
}

/// One good request.
inline request read_one(std::string_view bytes) {
    auto out = read_all(bytes);
    EXPECT_EQ(out.failure.status, 0) << out.failure.reason;
    EXPECT_EQ(out.requests.size(), 1u);
    return out.requests.empty() ? request{} : std::move(out.requests.front());
}

inline request get_request(std::string_view target, std::string_view headers = "") {
    return read_one("GET " + std::string{target} + " HTTP/1.1\r\nHost: h\r\n" +
                    std::string{headers} + "\r\n");
}

}  // namespace cohort
