#include <cohort/world/detail/simulated_connection.hpp>

#include <algorithm>
#include <utility>

namespace cohort::detail {
namespace {

constexpr std::uint64_t for_connections = 0x636f'6e6e;
// A sender that was cut off tries again after a time that doubles, and at most so long.
constexpr duration retry_max = std::chrono::seconds{30};

enum trace_word : std::uint64_t { data_arrived = 0x10, fin_arrived, reset_arrived, failed };

}  // namespace

std::uint64_t simulated_connection::draw(std::size_t side) noexcept {
    return net.random().draw(for_connections, number * 2 + side, pipes[side].drawn++);
}

time_point simulated_connection::here(std::size_t side) const noexcept {
    return net.nodes_[ends[side].node]->here();
}

// -- writing --------------------------------------------------------------------------------------

std::size_t simulated_connection::send(std::size_t side,
                                       std::span<const std::span<const std::byte>> buffers) {
    auto& out = pipes[side];
    auto most = net.options().stream_buffer;
    auto room = most - std::min(most, out.stored() + out.unacked);
    auto wanted = std::size_t{0};
    for (auto buffer : buffers) {
        wanted += buffer.size();
    }
    auto count = std::min(room, wanted);
    if (count == 0) {
        return 0;
    }
    // One write in four is cut somewhere, as on a real socket.
    if (auto drawn = draw(side); drawn % 4 == 0) {
        count = 1 + below(mix(drawn, 1), count);
    }
    if (out.head > out.stored()) {
        out.bytes.erase(out.bytes.begin(),
                        out.bytes.begin() + static_cast<std::ptrdiff_t>(out.head));
        out.head = 0;
    }
    auto left = count;
    for (auto buffer : buffers) {
        auto part = buffer.first(std::min(left, buffer.size()));
        out.bytes.insert(out.bytes.end(), part.begin(), part.end());
        left -= part.size();
    }
    damage(side, count);
    auto when = net.arrival(ends[side].node, ends[1 - side].node, here(side), count);
    out.last_arrival = std::max(out.last_arrival, when);
    out.flying.push_back({out.last_arrival, count, simulated_pipe::mark::data, here(side)});
    net.counters_.bytes += count;
    ++net.counters_.pieces;
    expect(side);
    return count;
}

// Turns one bit of what was just written, where the link does that.
void simulated_connection::damage(std::size_t side, std::size_t count) {
    auto chance = net.link(ends[side].node, ends[1 - side].node).corrupt_per_million;
    if (chance == 0) {
        return;
    }
    auto drawn = draw(side);
    if (below(drawn, 1'000'000) < chance) {
        auto bit = below(mix(drawn, 2), count * 8);
        auto& target = pipes[side].bytes[pipes[side].bytes.size() - count + bit / 8];
        target ^= std::byte{1} << (bit % 8);
        ++net.counters_.corrupted;
    }
}

void simulated_connection::mark(std::size_t side, simulated_pipe::mark what) {
    auto& out = pipes[side];
    if (what == simulated_pipe::mark::fin && std::exchange(out.fin_sent, true)) {
        return;
    }
    auto when = net.arrival(ends[side].node, ends[1 - side].node, here(side), 0);
    out.last_arrival = std::max(out.last_arrival, when);
    out.flying.push_back({out.last_arrival, 0, what, here(side)});
    expect(side);
}

// -- travelling -----------------------------------------------------------------------------------

void simulated_connection::expect(std::size_t side) {
    auto& out = pipes[side];
    if (out.expected || out.held || out.flying.empty()) {
        return;
    }
    out.expected = true;
    net.events_.at(out.flying.front().when,
                   [self = shared_from_this(), side] { self->arrive(side); });
}

void simulated_connection::arrive(std::size_t side) {
    auto& out = pipes[side];
    out.expected = false;
    while (!out.held && !out.flying.empty() && out.flying.front().when <= net.now()) {
        if (!passes(side)) {
            hold(side);
            return;
        }
        auto piece = out.flying.front();
        out.flying.pop_front();
        take(side, piece);
    }
    expect(side);
}

void simulated_connection::hold(std::size_t side) {
    auto& out = pipes[side];
    out.held = true;
    out.held_since = net.now();
    ++net.counters_.held;
    net.events_.at(net.now() + net.options().give_up,
                   [self = shared_from_this(), side, since = out.held_since] {
                       auto& late = self->pipes[side];
                       if (late.held && late.held_since == since) {
                           late.held = false;
                           late.drop_flying();
                           ++self->net.counters_.timed_out;
                           self->fail(side, errc::network);
                       }
                   });
}

void simulated_connection::retry(std::size_t side) {
    auto& out = pipes[side];
    if (!std::exchange(out.held, false)) {
        return;
    }
    auto waited = std::min(net.now() - out.held_since, retry_max);
    auto when = net.arrival(ends[side].node, ends[1 - side].node,
                            net.now() + between(draw(side), duration::zero(), waited), 0);
    for (auto& piece : out.flying) {
        piece.when = std::max(piece.when, when);
    }
    out.last_arrival = std::max(out.last_arrival, when);
    expect(side);
}

void simulated_connection::hear(std::size_t side) {
    pipes[side].unacked = 0;
    if (ends[side].stream != nullptr) {
        ends[side].stream->try_write();
    }
}

void simulated_connection::take(std::size_t side, simulated_pipe::piece piece) {
    auto& out = pipes[side];
    auto& to = ends[1 - side];
    auto whom = number * 2 + side;
    if (piece.what == simulated_pipe::mark::reset) {
        net.trace(reset_arrived, whom, 0);
        fail(1 - side, errc::end_of_stream);
        return;
    }
    if (!healthy(1 - side)) {
        auto first = out.bytes.begin() + static_cast<std::ptrdiff_t>(out.head + out.arrived);
        out.bytes.erase(first, first + static_cast<std::ptrdiff_t>(piece.bytes));
        if (piece.bytes != 0 && ends[side].state == standing::open) {
            mark(1 - side, simulated_pipe::mark::reset);
        }
        return;
    }
    if (piece.what == simulated_pipe::mark::fin) {
        net.trace(fin_arrived, whom, 0);
        out.fin_arrived = true;
    } else {
        auto all = std::span{out.bytes}.subspan(out.head + out.arrived, piece.bytes);
        net.trace(data_arrived, whom, mix(0, std::span<const std::byte>{all}));
        out.arrived += piece.bytes;
    }
    if (to.stream != nullptr) {
        to.stream->try_read();
    }
}

// -- reading and ending ---------------------------------------------------------------------------

std::size_t simulated_connection::receive(std::size_t side, std::span<std::byte> into) {
    auto& in = pipes[1 - side];
    auto count = std::min(in.arrived, into.size());
    if (count == 0) {
        return 0;
    }
    // Short reads happen.
    if (auto drawn = draw(side); drawn % 4 == 0) {
        count = 1 + below(mix(drawn, 1), count);
    }
    std::copy_n(in.bytes.begin() + static_cast<std::ptrdiff_t>(in.head), count, into.begin());
    in.head += count;
    in.arrived -= count;
    if (in.head == in.bytes.size()) {
        in.bytes.clear();
        in.head = 0;
    }
    auto& writer = ends[1 - side];
    if (!passes(side)) {
        in.unacked += count;
    } else if (writer.stream != nullptr && writer.stream->waits_to_write() &&
               !std::exchange(in.ack_expected, true)) {
        auto when = net.arrival(ends[side].node, writer.node, here(side), 0);
        net.events_.at(when, [self = shared_from_this(), side] {
            self->pipes[1 - side].ack_expected = false;
            self->hear(1 - side);
        });
    }
    return count;
}

void simulated_connection::close(std::size_t side) {
    if (ends[side].state != standing::open) {
        return;
    }
    ends[side].state = standing::gone;
    if (ends[side].failed != errc::ok) {
        return;
    }
    // A kernel whose program leaves bytes unread says so with a reset.
    mark(side,
         pipes[1 - side].arrived != 0 ? simulated_pipe::mark::reset : simulated_pipe::mark::fin);
}

void simulated_connection::unsend(std::size_t side) {
    auto& out = pipes[side];
    while (!out.flying.empty() && out.flying.back().sent > net.now()) {
        out.bytes.resize(out.bytes.size() - out.flying.back().bytes);
        out.flying.pop_back();
    }
}

void simulated_connection::fail(std::size_t side, errc why) {
    auto& end = ends[side];
    if (end.failed != errc::ok || end.state != standing::open) {
        return;
    }
    net.trace(failed, number * 2 + side, static_cast<std::uint64_t>(why));
    end.failed = why;
    pipes[side].drop_flying();
    pipes[side].held = false;
    if (end.stream != nullptr) {
        end.stream->try_read();
        end.stream->try_write();
    }
}

void simulated_connection::tear() {
    ++net.counters_.resets;
    for (std::size_t side = 0; side < 2; ++side) {
        auto& out = pipes[side];
        auto flying = out.stored() - out.arrived;
        auto through = healthy(1 - side) ? below(draw(side), flying + 1) : 0;
        out.arrived += through;
        out.drop_flying();
        out.held = false;
    }
    fail(0, errc::end_of_stream);
    fail(1, errc::end_of_stream);
}

// -- the stream -----------------------------------------------------------------------------------

simulated_stream::simulated_stream(simulated_reactor& home,
                                   std::shared_ptr<simulated_connection> whole, std::size_t side)
    : home_{home}, whole_{std::move(whole)}, side_{side} {
    whole_->ends[side_].stream = this;
}

simulated_stream::~simulated_stream() {
    end();
    COHORT_ASSERT(read_done_ == nullptr && write_done_ == nullptr,
                  "a stream outlives its operations");
}

void simulated_stream::end() noexcept {
    if (!std::exchange(closed_, true)) {
        whole_->ends[side_].stream = nullptr;
        if (!home_.world().silent()) {
            whole_->close(side_);
        }
    }
}

std::optional<io_outcome> simulated_stream::read_now(std::span<std::byte> into) {
    if (auto count = whole_->receive(side_, into); count != 0) {
        return io_outcome{errc::ok, count};
    }
    auto& in = whole_->pipes[1 - side_];
    if (in.arrived == 0 && whole_->ends[side_].failed != errc::ok) {
        return io_outcome{whole_->ends[side_].failed, 0};
    }
    if (in.arrived == 0 && in.fin_arrived) {
        return io_outcome{errc::end_of_stream, 0};
    }
    return std::nullopt;
}

std::optional<io_outcome> simulated_stream::read_some(std::span<std::byte> buffer,
                                                      io_completion& done) {
    COHORT_ASSERT(read_done_ == nullptr, "a stream has one read at a time");
    home_.world().seam();
    if (closed_ || home_.world().dead()) {
        return io_outcome{errc::cancelled, 0};
    }
    read_done_ = &done;
    read_into_ = buffer;
    try_read();
    return std::nullopt;
}

std::optional<io_outcome> simulated_stream::write_some(
    std::span<const std::span<const std::byte>> buffers, io_completion& done) {
    COHORT_ASSERT(write_done_ == nullptr, "a stream has one write at a time");
    COHORT_ASSERT(buffers.size() <= write_from_.size(), "one write gathers at most 8 buffers");
    home_.world().seam();
    if (closed_ || home_.world().dead()) {
        return io_outcome{errc::cancelled, 0};
    }
    if (auto why = whole_->ends[side_].failed; why != errc::ok || writing_ended_) {
        return io_outcome{writing_ended_ ? errc::end_of_stream : why, 0};
    }
    if (home_.world().silent()) {
        return io_outcome{errc::ok, buffers.empty() ? 0 : buffers.front().size()};  // never sent
    }
    if (auto sent = whole_->send(side_, buffers); sent != 0) {
        return io_outcome{errc::ok, sent};
    }
    std::copy(buffers.begin(), buffers.end(), write_from_.begin());
    write_buffers_ = buffers.size();
    write_done_ = &done;
    return std::nullopt;
}

void simulated_stream::finish(io_completion*& pending, io_outcome outcome) {
    home_.soon(*std::exchange(pending, nullptr), outcome);
}

void simulated_stream::try_read() {
    if (read_done_ == nullptr) {
        return;
    }
    if (auto outcome = read_now(read_into_)) {
        finish(read_done_, *outcome);
    }
}

void simulated_stream::try_write() {
    if (write_done_ == nullptr) {
        return;
    }
    if (auto why = whole_->ends[side_].failed; why != errc::ok) {
        finish(write_done_, {why, 0});
    } else if (auto sent = whole_->send(side_, std::span{write_from_}.first(write_buffers_))) {
        finish(write_done_, {errc::ok, sent});
    }
}

void simulated_stream::cancel() noexcept {
    if (read_done_ != nullptr) {
        finish(read_done_, {errc::cancelled, 0});
    }
    if (write_done_ != nullptr) {
        finish(write_done_, {errc::cancelled, 0});
    }
}

void simulated_stream::end_writing() noexcept {
    COHORT_ASSERT(write_done_ == nullptr, "writing ends when nothing is being written");
    if (!std::exchange(writing_ended_, true) && whole_->ends[side_].failed == errc::ok &&
        !closed_ && !home_.world().silent()) {
        whole_->mark(side_, simulated_pipe::mark::fin);
    }
}

void simulated_stream::close() noexcept {
    home_.world().seam();
    end();
    cancel();
}

simulated_incoming::~simulated_incoming() {
    if (whole_ && !whole_->net.nodes_[whole_->ends[1].node]->silent()) {
        whole_->close(1);
    }
}

endpoint simulated_stream::peer() const {
    const auto& there = whole_->ends[1 - side_];
    return {home_.world().network().nodes_[there.node]->host(), there.port};
}

result<std::unique_ptr<stream>> simulated_incoming::attach(reactor& here) {
    auto& home = static_cast<simulated_reactor&>(here);
    return std::unique_ptr<stream>{
        std::make_unique<simulated_stream>(home, std::exchange(whole_, nullptr), 1)};
}

}  // namespace cohort::detail
