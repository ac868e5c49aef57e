// Bytes from a socket: whatever they are, the reader returns at most as many requests as heads can
// have ended, gives the same result when it sees one byte at a time, and what it accepts can be
// routed and answered.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cohort/http/caching.hpp>
#include <cohort/http/composer.hpp>
#include <cohort/http/percent.hpp>
#include <cohort/http/request_reader.hpp>
#include <cohort/http/router.hpp>
#include <cohort/world/assert.hpp>

namespace {

using namespace cohort;

router make_routes() {
    auto routes = router{};
    for (const auto* pattern : {"/", "/cache-data/{key}", "/a/{b}/c", "/health/live"}) {
        COHORT_ASSERT(routes.add(GET, pattern).has_value(), "the patterns of the target are good");
    }
    return routes;
}

/// What is encoded is decoded to the same; what can be decoded is.
void check_percent(std::string_view text) {
    auto back = std::string{};
    COHORT_ASSERT(percent_decode(percent_encode(text), back) && back == text,
                  "an encoded text is decoded to itself");
    back.clear();
    static_cast<void>(percent_decode(text, back));
}

struct outcome {
    std::vector<std::string> requests;
    std::size_t answers = 0;
    int status = 0;
};

void answer(const router& routes, request& incoming, outcome& out) {
    auto line = incoming.data().head + "|" + std::string{incoming.body()};
    line.append("|").append(incoming.method_name()).append("|").append(incoming.target());
    line.append("|").append(incoming.path()).append("|").append(incoming.query()).append("|");
    line.append(std::to_string(incoming.minor_version() * 2 + (incoming.keep_alive() ? 1 : 0)));
    line.append("|").append(std::to_string(incoming.trace().trace_low));
    for (std::size_t index = 0; index < incoming.segments(); ++index) {
        line.append("|").append(incoming.segment(index));
    }
    for (const auto& field : incoming.data().headers) {
        line.append("|").append(field.name.in(incoming.data().head));
        line.append("=").append(field.value.in(incoming.data().head));
    }
    out.requests.push_back(std::move(line));
    auto found = routes.find(incoming.method(), incoming);
    auto reply = found.what == router::match::kind::route ? ok(std::string{incoming.target()})
                                                          : problem(404, incoming.path());
    static_cast<void>(matches_etag(incoming, "\"1\""));
    COHORT_ASSERT(incoming.minor_version() == 0 || incoming.has_header("host"),
                  "a request says whom it is for");
    line.append("|").append(incoming.header("accept"));
    auto composed = composer{};
    composed.append(reply, incoming.method() != HEAD, connection_after::stays, "");
    auto pieces = std::array<std::string_view, 2>{};
    COHORT_ASSERT(composed.pieces(pieces) == 1 && pieces[0].starts_with("HTTP/1.1 "),
                  "a small answer is one piece");
    ++out.answers;
}

outcome read_in_steps(const router& routes, std::string_view bytes, std::size_t step) {
    auto reader = request_reader{{.line_bytes_max = 512,
                                  .header_bytes_max = 2300,
                                  .header_count_max = 8,
                                  .body_bytes_max = 1024,
                                  .segment_count_max = 8,
                                  .chunk_line_bytes_max = 64}};
    auto out = outcome{};
    while (!bytes.empty() && out.status == 0) {
        auto room = reader.prepare();
        auto size = std::min({room.size(), bytes.size(), step});
        COHORT_ASSERT(size > 0, "a reader whose requests were taken has room");
        bytes.copy(room.data(), size);
        reader.commit(size);
        bytes.remove_prefix(size);
        auto incoming = request{};
        while (reader.next(incoming) == request_reader::state::request) {
            answer(routes, incoming, out);
        }
        COHORT_ASSERT(!reader.inside_body() || reader.inside_request(), "a body is of a request");
        static_cast<void>(reader.take_expectation());
        out.status = reader.failure().status;
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto routes = make_routes();
    auto bytes = std::string_view{reinterpret_cast<const char*>(data), size};
    check_percent(bytes.substr(0, 64));
    auto whole = read_in_steps(routes, bytes, size);
    auto single = read_in_steps(routes, bytes, 1);
    COHORT_ASSERT(whole.requests == single.requests && whole.status == single.status,
                  "requests do not depend on how their bytes were split");
    auto ends = std::size_t{0};
    for (auto at = bytes.find("\r\n\r\n"); at != std::string_view::npos;
         at = bytes.find("\r\n\r\n", at + 2)) {
        ++ends;
    }
    COHORT_ASSERT(whole.answers == whole.requests.size() && whole.answers <= ends,
                  "nothing is answered that was not asked");
    return 0;
}
