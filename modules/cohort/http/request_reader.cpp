#include <cohort/http/request_reader.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <cohort/http/percent.hpp>

namespace cohort {
namespace {

namespace beast_http = boost::beast::http;
using beast_error = boost::beast::error_code;

constexpr std::size_t first_buffer_bytes = 2048;
constexpr std::size_t read_bytes_min = 512;
// A length is only a claim until the bytes are here.
constexpr std::size_t body_reserve_bytes_max = 64 * 1024;
// From any chunk's line on at least these are still to come (`0`, two line ends). Beast 1.81
// asserts it instead of asking for more.
constexpr std::size_t chunk_tail_bytes_min = 5;
// What a connection keeps of the last header lines that it saw.
constexpr std::size_t repeated_bytes_max = 2048;

/// A version that looks like HTTP and is not spoken here.
bool other_version(std::string_view line) {
    auto version = line.substr(line.rfind(' ') + 1);
    auto digit = [](char character) { return character >= '0' && character <= '9'; };
    return version.size() == 8 && version.starts_with("HTTP/") && digit(version[5]) &&
           version[6] == '.' && digit(version[7]) && version != "HTTP/1.1" && version != "HTTP/1.0";
}

detail::text_slice part(detail::text_slice whole, std::size_t begin, std::size_t end) {
    return {whole.offset + static_cast<std::uint32_t>(begin),
            static_cast<std::uint32_t>(end - begin)};
}

/// Where the path begins in a target of the absolute form, as sent to proxies: behind the
/// authority.
broken_request skip_authority(std::string_view target, std::size_t& begin) {
    auto scheme = target.find("://");
    if (scheme == std::string_view::npos || (!same_header(target.substr(0, scheme), "http") &&
                                             !same_header(target.substr(0, scheme), "https"))) {
        return {400, "the target must be a path"};
    }
    begin = std::min(target.find_first_of("/?", scheme + 3), target.size());
    auto authority = target.substr(scheme + 3, begin - scheme - 3);
    if (authority.empty() || authority.find('@') != std::string_view::npos) {
        return {400, "the authority of the target is malformed"};
    }
    return {};
}

/// Splits the path at its slashes and then decodes each segment, so that an escaped slash stays
/// inside. `path` is empty or begins with a slash.
broken_request decode_path(std::string_view path, detail::request_data& out,
                           const request_limits& limits) {
    if (path.size() <= 1) {
        return {};
    }
    auto escapes = path.find('%') != std::string_view::npos;
    for (auto begin = std::size_t{1}; begin <= path.size();) {
        if (out.segments.size() == limits.segment_count_max) {
            return {414, "the path has too many segments"};
        }
        auto end = std::min(path.find('/', begin), path.size());
        auto at = out.path.offset + begin;
        auto size = end - begin;
        if (escapes) {
            at = out.decoded.size();
            if (!percent_decode(path.substr(begin, size), out.decoded)) {
                return {400, "the path has a broken percent escape"};
            }
            size = out.decoded.size() - at;
        }
        out.segments.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size)});
        begin = end + 1;
    }
    return {};
}

/// Finds path and query in the target.
broken_request take_target(detail::request_data& out, const request_limits& limits) {
    auto target = out.target.in(out.head);
    if (out.method == method::connect) {
        return {501, "CONNECT is not offered"};
    }
    if (target.find('#') != std::string_view::npos) {
        return {400, "a request target has no fragment"};
    }
    if (target == "*") {
        out.path = out.target;
        return out.method == method::options
                   ? broken_request{}
                   : broken_request{400, "the target * is for OPTIONS only"};
    }
    auto begin = std::size_t{0};
    if (target[0] != '/') {
        if (auto broken = skip_authority(target, begin); broken.status != 0) {
            return broken;
        }
    }
    auto question = std::min(target.find('?', begin), target.size());
    out.path = part(out.target, begin, question);
    if (question < target.size()) {
        out.query = part(out.target, question + 1, target.size());
    }
    auto path = out.path.in(out.head);
    if (path.empty()) {
        // No path is the path "/"; there is one to point at in "://".
        out.path = part(out.target, target.find('/'), target.find('/') + 1);
    }
    return decode_path(path, out, limits);
}

enum class mark : std::uint8_t { other, plain, slash };

// The characters of a path that is its own decoded form. What ends it is an `other` one.
constexpr auto path_marks = [] {
    auto table = std::array<mark, 256>{};
    for (auto character = '!'; character <= '~'; ++character) {
        table[static_cast<unsigned char>(character)] = mark::plain;
    }
    for (auto character : std::string_view{"#%?"}) {
        table[static_cast<unsigned char>(character)] = mark::other;
    }
    table['/'] = mark::slash;
    return table;
}();

mark mark_of(char character) { return path_marks[static_cast<unsigned char>(character)]; }

/// Cuts the path that begins with the slash at `begin` into at most `count_max` segments; one more
/// says that there are too many. Returns where the path ends.
std::size_t cut_plain_path(std::string_view text, std::size_t begin, std::size_t count_max,
                           std::vector<detail::text_slice>& segments) {
    auto at = begin;
    auto kind = mark::slash;
    while (kind == mark::slash && segments.size() <= count_max) {
        auto segment = ++at;
        kind = mark::other;
        while (at < text.size() && (kind = mark_of(text[at])) == mark::plain) {
            ++at;
        }
        segments.push_back(
            {static_cast<std::uint32_t>(segment), static_cast<std::uint32_t>(at - segment)});
    }
    if (at == begin + 1) {
        segments.clear();  // the path "/" has none
    }
    return at;
}

/// Header lines that were parsed and found good, and what they mean.
struct known_lines {
    std::string text;  // with the empty line behind them; empty: none are known
    std::vector<detail::header_slice> headers;  // from the beginning of `text`
    trace_parent trace;
    bool keep_alive = true;
};

detail::text_slice moved(detail::text_slice slice, std::size_t by) {
    return {slice.offset + static_cast<std::uint32_t>(by), slice.size};
}

// Beast reads the syntax; this class keeps what it finds as offsets into the request's own head,
// which costs a third less than Beast's own message type and allocates nothing.
class syntax final : public beast_http::basic_parser<true> {
public:
    syntax(detail::request_data& out, const request_limits& limits) : out_{out}, limits_{limits} {
        // Lines and headers are counted before Beast sees them, so that its own limit, which counts
        // what one call was given, never decides.
        header_limit(
            static_cast<std::uint32_t>(limits.line_bytes_max + limits.header_bytes_max + 8));
        body_limit(limits.body_bytes_max);
    }

    /// Parses bytes that stand at `offset` of the head; false when they are no such part of a head.
    bool put_head(std::size_t offset, bool whole) {
        auto error = beast_error{};
        head_size_ = out_.head.size();
        auto size = head_size_ - offset;
        auto used = put(boost::asio::const_buffer{out_.head.data() + offset, size}, error);
        auto fits = whole ? !error.failed() : error == beast_http::error::need_more;
        if (!COHORT_LIKELY(used == size && fits)) {
            if (error == beast_http::error::body_limit) {
                failure_ = {413, "the body is over the limit"};
            } else if (error == beast_http::error::bad_version && other_version(first_line())) {
                set_failure({505, "the versions here are HTTP/1.1 and HTTP/1.0"});
            } else {
                set_failure(
                    {400, line_done_ ? "a header is malformed" : "the request line is malformed"});
            }
        }
        return failure_.status == 0;
    }

    /// Parses bytes of the body; `error` is `need_more` when these are too few to go on.
    std::size_t put_body(std::string_view bytes, beast_error& error) {
        return put(boost::asio::const_buffer{bytes.data(), bytes.size()}, error);
    }

    [[nodiscard]] bool at_chunk_line() const { return chunked() && chunk_left_ == 0; }
    [[nodiscard]] const broken_request& failure() const noexcept { return failure_; }
    [[nodiscard]] bool expects_continue() const noexcept { return expects_continue_; }
    [[nodiscard]] int hosts() const noexcept { return hosts_; }

private:
    void set_failure(broken_request failure) noexcept {
        if (failure_.status == 0) {
            failure_ = failure;
        }
    }
    [[nodiscard]] std::string_view first_line() const {
        return std::string_view{out_.head}.substr(0, out_.head.find('\r'));
    }
    void refuse(beast_error& error, broken_request failure) {
        set_failure(failure);
        error = beast_http::error::bad_value;
    }
    [[nodiscard]] detail::text_slice slice(boost::beast::string_view text) const {
        if (text.empty()) {
            return {};
        }
        const auto* base = out_.head.data();
        COHORT_ASSERT(text.data() >= base && text.data() + text.size() <= base + head_size_,
                      "Beast returned text from outside the head");
        return {static_cast<std::uint32_t>(text.data() - base),
                static_cast<std::uint32_t>(text.size())};
    }

    void on_request_impl(beast_http::verb, boost::beast::string_view method_text,
                         boost::beast::string_view target, int version,
                         beast_error& error) override {
        line_done_ = true;
        out_.method_name = slice(method_text);
        out_.method = method_of(out_.method_name.in(out_.head));
        out_.target = slice(target);
        out_.minor_version = version == 10 ? 0 : 1;
        if (auto broken = take_target(out_, limits_); broken.status != 0) {
            refuse(error, broken);
        }
    }
    void on_response_impl(int, boost::beast::string_view, int, beast_error&) override {}

    void on_field_impl(beast_http::field field, boost::beast::string_view name_text,
                       boost::beast::string_view value_text, beast_error& error) override {
        if (head_done_) {
            return;  // trailers are read and dropped
        }
        auto value = detail::header_slice{slice(name_text), slice(value_text)};
        out_.headers.push_back(value);
        auto text = value.value.in(out_.head);
        if (field == beast_http::field::host) {
            ++hosts_;
        } else if (field == beast_http::field::transfer_encoding) {
            if (out_.minor_version == 0) {
                refuse(error, {400, "HTTP/1.0 has no transfer codings"});
            } else if (!same_header(text, "chunked")) {
                refuse(error, {501, "the only transfer coding here is chunked"});
            }
        } else if (field == beast_http::field::content_length) {
            if (std::exchange(has_length_, true) || text.empty() ||
                text.find_first_not_of("0123456789") != std::string_view::npos) {
                refuse(error, {400, "there must be one content length and it must be a number"});
            }
        } else if (field == beast_http::field::unknown) {
            if (same_header(value.name.in(out_.head), "traceparent")) {
                out_.trace = parse_traceparent(text);
            }
        } else if (field == beast_http::field::expect && out_.minor_version == 1) {
            if (same_header(text, "100-continue")) {
                expects_continue_ = true;
            } else {
                refuse(error, {417, "the only expectation here is 100-continue"});
            }
        }
    }
    void on_header_impl(beast_error&) override { head_done_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, beast_error&) override {
        if (length) {
            out_.body.reserve(std::min<std::uint64_t>(*length, body_reserve_bytes_max));
        }
    }
    std::size_t on_body_impl(boost::beast::string_view part, beast_error&) override {
        out_.body.append(part.data(), part.size());
        return part.size();
    }
    void on_chunk_header_impl(std::uint64_t size, boost::beast::string_view,
                              beast_error&) override {
        chunk_left_ = size;
    }
    std::size_t on_chunk_body_impl(std::uint64_t, boost::beast::string_view part,
                                   beast_error&) override {
        out_.body.append(part.data(), part.size());
        chunk_left_ -= part.size();
        return part.size();
    }
    void on_finish_impl(beast_error&) override {}

    detail::request_data& out_;
    const request_limits& limits_;
    std::size_t head_size_ = 0;
    std::uint64_t chunk_left_ = 0;
    broken_request failure_;
    int hosts_ = 0;
    bool line_done_ = false;
    bool head_done_ = false;
    bool has_length_ = false;
    bool expects_continue_ = false;
};

}  // namespace

/// Finds the end of the headers and what is wrong with their lines, however they arrive.
struct header_lines {
    enum class verdict : std::uint8_t { whole, need_more, broken };

    /// `text` begins where the headers begin, and has grown since the last call.
    verdict scan(std::string_view text, const request_limits& limits) {
        for (;;) {
            auto line_end = text.find('\n', scanned);
            if ((line_end == std::string_view::npos ? text.size() : line_end + 1) >
                limits.header_bytes_max) {
                return fail({431, "the headers are over the limit"});
            }
            if (line_end == std::string_view::npos) {
                scanned = text.size();
                return verdict::need_more;
            }
            if (line_end == line_begin || text[line_end - 1] != '\r') {
                return fail({400, "a line ends without a carriage return"});
            }
            scanned = line_end + 1;
            if (line_end - line_begin == 1) {
                return verdict::whole;
            }
            if (text[line_begin] == ' ' || text[line_begin] == '\t') {
                return fail({400, "a header is folded"});
            }
            if (++count > limits.header_count_max) {
                return fail({431, "there are too many headers"});
            }
            line_begin = scanned;
        }
    }

    std::size_t scanned = 0;  // of the text; all of it when its last line has no end yet
    std::size_t line_begin = 0;
    std::size_t count = 0;
    broken_request failure;

private:
    verdict fail(broken_request why) {
        failure = why;
        return verdict::broken;
    }
};

struct request_reader::machine {
    enum class phase : std::uint8_t { line, fields, body };

    explicit machine(request_limits given) : limits{given} {}

    [[nodiscard]] std::string_view unread() const { return {buffer.get() + begin, end - begin}; }
    [[nodiscard]] std::size_t capacity_max() const {
        return limits.line_bytes_max + limits.header_bytes_max + limits.chunk_line_bytes_max +
               read_bytes_min;
    }
    bool fail(broken_request why) {
        failure = why;
        return false;
    }
    void consume(std::size_t size) {
        begin += size;
        scanned = 0;
    }

    detail::request_data& begin_request();
    bool take_repeated(request& out);
    void remember();
    bool take_head();
    bool take_line();
    bool take_fields();
    bool check_head();
    bool check_chunk_line(std::string_view text);
    bool take_body();

    request_limits limits;
    std::unique_ptr<char[]> buffer;
    std::size_t capacity = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    // Bytes behind `begin` that hold no end of a line that is not known yet.
    std::size_t scanned = 0;
    header_lines lines;
    known_lines known;
    std::optional<request> current;
    std::optional<syntax> parser;
    broken_request failure;
    phase at = phase::line;
    bool skipped_blank_line = false;
    bool expectation = false;
};

detail::request_data& request_reader::machine::begin_request() {
    auto& data = current.emplace().data();
    parser.emplace(data, limits);
    return data;
}

/// The usual case on a connection that stays: a GET with the header lines of the request before,
/// byte for byte. They were looked at then. Whatever is odd about the request line is left to the
/// steps below, which find out what it is.
bool request_reader::machine::take_repeated(request& out) {
    constexpr auto verb = std::string_view{"GET "};
    constexpr auto version = std::string_view{" HTTP/1.1\r\n"};
    auto text = unread();
    if (known.text.empty() || !text.starts_with(verb) ||
        text.size() <= verb.size() + version.size() + known.text.size() ||
        text[verb.size()] != '/') {
        return false;
    }
    auto& data = out.data();
    if (!data.head.empty()) {
        data.reset();
    }
    auto path_end = cut_plain_path(text.substr(0, limits.line_bytes_max + 2), verb.size(),
                                   limits.segment_count_max, data.segments);
    auto line_size = path_end + version.size();
    if (data.segments.size() > limits.segment_count_max || line_size > limits.line_bytes_max + 2 ||
        text.substr(path_end, version.size()) != version ||
        !text.substr(line_size).starts_with(known.text)) {
        data.segments.clear();
        return false;
    }
    data.head.append(text.data(), line_size + known.text.size());
    for (const auto& each : known.headers) {
        data.headers.push_back({moved(each.name, line_size), moved(each.value, line_size)});
    }
    data.method_name = {0, static_cast<std::uint32_t>(verb.size() - 1)};
    data.target = data.path = {static_cast<std::uint32_t>(verb.size()),
                               static_cast<std::uint32_t>(path_end - verb.size())};
    data.trace = known.trace;
    data.keep_alive = known.keep_alive;
    consume(data.head.size());
    return true;
}

/// Keeps the header lines of the current request for `take_repeated`. What they mean depends on
/// the version of the request line and on nothing else of it.
void request_reader::machine::remember() {
    const auto& data = current->data();
    auto line_size = data.head.find('\n') + 1;
    auto text = std::string_view{data.head}.substr(line_size);
    if (!parser->is_done() || data.minor_version != 1 || text.size() > repeated_bytes_max ||
        text == known.text) {
        return;
    }
    known.text = text;
    known.headers.clear();
    for (const auto& each : data.headers) {
        known.headers.push_back(
            {moved(each.name, 0 - line_size), moved(each.value, 0 - line_size)});
    }
    known.trace = data.trace;
    known.keep_alive = data.keep_alive;
}

/// The common case: a head that is here whole and has nothing odd in its lines goes to Beast in one
/// piece. Everything else is left to the steps below, which find out what is odd.
bool request_reader::machine::take_head() {
    auto text = unread();
    auto line_end = text.find('\n', scanned);
    if (line_end == std::string_view::npos || line_end < 2 || text[0] == '\r' ||
        line_end > limits.line_bytes_max + 1 || text[line_end - 1] != '\r') {
        return false;
    }
    auto fields = text.substr(line_end + 1);
    auto whole = header_lines{};
    if (whole.scan(fields, limits) != header_lines::verdict::whole) {
        return false;
    }
    auto size = line_end + 1 + whole.scanned;
    begin_request().head.assign(text.data(), size);
    if (!parser->put_head(0, true)) {
        return fail(parser->failure());
    }
    consume(size);
    return check_head();
}

bool request_reader::machine::take_line() {
    if (begin == end) {
        return false;
    }
    if (!skipped_blank_line) {
        // One empty line before a request is forgiven (RFC 9112, 2.2): old clients end bodies with
        // it.
        if (unread() == "\r") {
            return false;
        }
        skipped_blank_line = true;
        if (unread().starts_with("\r\n")) {
            consume(2);
        }
    }
    auto text = unread();
    if (text.empty()) {
        return false;
    }
    auto line_end = text.find('\n', scanned);
    if (std::min(line_end, text.size() - 1) > limits.line_bytes_max + 1) {
        return fail({414, "the request line is over the limit"});
    }
    if (line_end == std::string_view::npos) {
        scanned = text.size();
        return false;
    }
    if (line_end == 0 || text[line_end - 1] != '\r') {
        return fail({400, "a line ends without a carriage return"});
    }
    auto line = text.substr(0, line_end + 1);
    begin_request().head = line;
    if (!parser->put_head(0, false)) {
        return fail(parser->failure());
    }
    consume(line.size());
    lines = {};
    at = phase::fields;
    return true;
}

bool request_reader::machine::take_fields() {
    auto text = unread();
    auto verdict = lines.scan(text, limits);
    if (verdict == header_lines::verdict::need_more) {
        return false;
    }
    if (verdict == header_lines::verdict::broken) {
        return fail(lines.failure);
    }
    auto& data = current->data();
    auto offset = data.head.size();
    data.head.append(text.substr(0, lines.scanned));
    if (!parser->put_head(offset, true)) {
        return fail(parser->failure());
    }
    consume(lines.scanned);
    return check_head();
}

bool request_reader::machine::check_head() {
    auto& data = current->data();
    if (parser->hosts() > 1 || (parser->hosts() == 0 && data.minor_version == 1)) {
        return fail({400, "there must be one Host header"});
    }
    data.keep_alive = parser->keep_alive();
    expectation = parser->expects_continue() && !parser->is_done() && begin == end;
    at = phase::body;
    remember();
    return true;
}

/// Looks at a chunk's own line before Beast does. Beast 1.81 counts a chunk against the body's
/// limit each time that it is short of the end of a quoted extension, which it seeks behind the
/// line as well: what it then says depends on how the bytes were split. Nobody quotes extensions;
/// they are refused.
bool request_reader::machine::check_chunk_line(std::string_view text) {
    auto line_begins = text.starts_with("\r\n") ? 2U : 0U;
    auto line_end = text.find('\n', line_begins);
    if (line_end == std::string_view::npos) {
        return text.size() == limits.chunk_line_bytes_max
                   ? fail({400, "a chunk's line or the trailer is over the limit"})
                   : false;
    }
    auto line = text.substr(line_begins, line_end - line_begins);
    if (!line.ends_with('\r') || line.find('"') != std::string_view::npos) {
        return fail({400, "the chunked body is malformed"});
    }
    return true;
}

bool request_reader::machine::take_body() {
    while (!parser->is_done()) {
        auto text = unread();
        auto chunk_line = parser->at_chunk_line();
        if (text.size() < (chunk_line ? chunk_tail_bytes_min : 1)) {
            return false;
        }
        expectation = false;  // the client did not wait
        if (chunk_line) {
            text = text.substr(0, limits.chunk_line_bytes_max);
            if (!check_chunk_line(text)) {
                return false;
            }
        }
        auto error = beast_error{};
        auto used = parser->put_body(text, error);
        consume(used);
        if (error == beast_http::error::need_more) {
            return chunk_line && text.size() == limits.chunk_line_bytes_max
                       ? fail({400, "a chunk's line or the trailer is over the limit"})
                       : false;
        }
        if (error == beast_http::error::body_limit) {
            return fail({413, "the body is over the limit"});
        }
        if (error) {
            return fail({400, "the chunked body is malformed"});
        }
    }
    return true;
}

request_reader::request_reader(request_limits limits)
    : machine_{std::make_unique<machine>(limits)} {}
request_reader::request_reader(request_reader&&) noexcept = default;
request_reader& request_reader::operator=(request_reader&&) noexcept = default;
request_reader::~request_reader() = default;

std::span<char> request_reader::prepare() {
    auto& self = *machine_;
    if (self.begin == self.end) {
        self.begin = self.end = 0;
    }
    if (self.capacity - self.end < read_bytes_min && self.begin > 0) {
        std::memmove(self.buffer.get(), self.buffer.get() + self.begin, self.end - self.begin);
        self.end -= self.begin;
        self.begin = 0;
    }
    if (self.capacity - self.end < read_bytes_min && self.capacity < self.capacity_max()) {
        auto larger =
            std::min(self.capacity_max(), std::max(first_buffer_bytes, self.capacity * 4));
        auto room = std::make_unique_for_overwrite<char[]>(larger);
        if (self.end > 0) {
            std::memcpy(room.get(), self.buffer.get(), self.end);
        }
        self.buffer = std::move(room);
        self.capacity = larger;
    }
    return {self.buffer.get() + self.end, self.capacity - self.end};
}

void request_reader::commit(std::size_t size) {
    auto& self = *machine_;
    COHORT_ASSERT(size <= self.capacity - self.end,
                  "more bytes were committed than there was room for");
    self.end += size;
}

request_reader::state request_reader::next(request& out) {
    auto& self = *machine_;
    auto ready = self.failure.status == 0;
    if (ready && self.at == machine::phase::line && self.take_repeated(out)) {
        self.skipped_blank_line = false;
        return state::request;
    }
    if (ready && self.at == machine::phase::line) {
        ready = self.take_head() || (self.failure.status == 0 && self.take_line());
    }
    if (ready && self.at == machine::phase::fields) {
        ready = self.take_fields();
    }
    if (ready && self.at == machine::phase::body) {
        ready = self.take_body();
    }
    if (!ready) {
        return self.failure.status == 0 ? state::need_more : state::broken;
    }
    out = std::move(*self.current);
    self.parser.reset();
    self.current.reset();
    self.expectation = false;
    self.skipped_blank_line = false;
    self.at = machine::phase::line;
    return state::request;
}

const broken_request& request_reader::failure() const noexcept { return machine_->failure; }

bool request_reader::inside_request() const noexcept {
    return machine_->failure.status == 0 &&
           (machine_->at != machine::phase::line || machine_->begin != machine_->end);
}

bool request_reader::inside_body() const noexcept {
    return machine_->failure.status == 0 && machine_->at == machine::phase::body;
}

bool request_reader::take_expectation() noexcept {
    return std::exchange(machine_->expectation, false);
}

}  // namespace cohort
