#include <cohort/remoting/detail/connection.hpp>

#include <algorithm>
#include <array>

#include <cohort/remoting/detail/remote_core.hpp>
#include <cohort/remoting/detail/state.hpp>
#include <cohort/tls/secure.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort::detail {

task<bool> write_all(stream* to, std::string_view bytes) {
    while (!bytes.empty()) {
        auto buffer = std::array{std::as_bytes(std::span{bytes})};
        auto outcome = co_await write_some(*to, buffer);
        if (outcome.code != errc::ok) {
            co_return false;
        }
        bytes.remove_prefix(outcome.bytes);
    }
    co_return true;
}

peer_connection::peer_connection(remoting_state& node)
    : node_{node}, home_{this_core()}, out_{{.queue_bytes_max = node.options.peer_bytes_max,
                                             .message_bytes_max = node.options.message_bytes_max},
                                            node.outbound},
      reader_{node.options.frame_bytes_max}, chunks_{node.options.message_bytes_max},
      inbound_{node.inbound}, tick_{*this, [](wheel_timer& fired) noexcept {
                                        timer_of<peer_connection>::owner_of(fired).on_tick();
                                    }} {}

// A link may outlive its core; what belongs to the core was put away then.
peer_connection::~peer_connection() {
    COHORT_ASSERT(!tick_.armed() && socket_ == nullptr, "N-6: a connection is put away at its end");
}

void peer_connection::assign(lane kind) noexcept {
    kind_ = kind;
    if (kind == lane::control) {
        out_.limit({.queue_bytes_max = node_.options.control_bytes_max,
                    .message_bytes_max = node_.options.message_bytes_max},
                   node_.control);
        inbound_.take_from(node_.control_inbound);
    }
}

duration peer_connection::stall_time() const noexcept {
    return kind_ == lane::control ? node_.options.control_patience : node_.options.stall_time;
}

duration peer_connection::ping_interval() const noexcept {
    return kind_ == lane::control
               ? std::min(node_.options.ping_interval, node_.options.control_patience / 4)
               : node_.options.ping_interval;
}

void peer_connection::begin(std::unique_ptr<stream> socket, std::uint32_t, std::string_view rest) {
    COHORT_ASSERT(socket_ == nullptr, "N-6: a connection has one socket at a time");
    socket_ = std::move(socket);
    reader_ = frame_reader{node_.options.frame_bytes_max};
    chunks_ = reassembly{node_.options.message_bytes_max};
    ended_ = false;
    introduced_.clear();
    why_.clear();
    ungranted_ = 0;
    heard_ = home_.turn_time();
    write_began_ = time_point::max();
    reader_.seed(rest);
    home_.timers().arm(tick_, after(home_.turn_time(), ping_interval()));
}

void peer_connection::put_away() noexcept {
    if (tick_.armed()) {
        home_.timers().cancel(tick_);
    }
    if (socket_ != nullptr) {
        socket_->close();
        socket_.reset();
    }
    inbound_.shrink(0);
}

void peer_connection::introduce(const std::vector<actor_address>& mentioned) {
    for (const auto& each : mentioned) {
        auto key = std::pair{each.place(), each.generation};
        if (std::find(introduced_.begin(), introduced_.end(), key) != introduced_.end()) {
            continue;
        }
        introduced_.push_back(key);
        auto third = node_.peers->find(each.place(), each.generation);
        if (third && third->address.port != 0) {
            write_frame({.kind = frame_kind::introduce,
                         .correlation = third->uid.high,
                         .trace = third->uid.low,
                         .total = third->address.port,
                         .payload = third->address.host},
                        out_.filling());
        }
    }
}

std::size_t peer_connection::introduce_before(std::size_t mark,
                                              const std::vector<actor_address>& mentioned) {
    auto& bytes = out_.filling();
    auto frame = std::string{bytes.view().substr(mark)};
    bytes.truncate(mark);
    introduce(mentioned);
    mark = bytes.size();
    bytes.append(frame);
    return mark;
}

void peer_connection::end(std::string_view why) noexcept {
    if (socket_ != nullptr && !std::exchange(ended_, true)) {
        why_ = why;
        socket_->close();
        room_.notify();
        writer_.notify();
    }
}

bool peer_connection::take_chunk(const frame& it) {
    ungranted_ += static_cast<std::uint32_t>(it.payload.size());
    if (ungranted_ > credit_window) {
        failure_ = "more chunks come than there is credit for";
        return false;
    }
    failure_ = chunks_.add(it);
    if (failure_ != nullptr) {
        return false;
    }
    auto body = chunks_.take_complete();
    if (body.empty()) {
        return true;
    }
    auto whole = frame{};
    failure_ = parse_frame(body.view(), whole);
    if (failure_ == nullptr && whole.kind >= frame_kind::credit) {
        failure_ = "a chunked message is none";
    }
    return failure_ == nullptr && arrived(whole);
}

// Whoever is mentioned is called, and given up when it does not answer: what others say must not
// fill the directory for good.
void peer_connection::take_introduction(const frame& it) {
    auto uid = node_uid{it.correlation, it.trace};
    if (uid == node_.uid) {
        return;
    }
    auto news = node_.peers->introduce(
        uid, {std::string{it.payload}, static_cast<std::uint16_t>(it.total)});
    if (news) {
        node_.cores[0]->post_acquaint(*news);
    }
}

bool peer_connection::take(const frame& it) {
    switch (it.kind) {
        case frame_kind::ping:
            write_frame({.kind = frame_kind::pong, .correlation = it.correlation}, out_.filling());
            flush();
            return true;
        case frame_kind::pong:
            return true;
        case frame_kind::credit:
            if (!out_.add_credit(it.total)) {
                failure_ = "more credit is given than was used";
                return false;
            }
            flush();
            return true;
        case frame_kind::chunk:
            return take_chunk(it);
        case frame_kind::introduce:
            take_introduction(it);
            return true;
        default:
            return arrived(it);
    }
}

// Credit goes back when what came incomplete is within the node's budget; until then the other side
// waits.
void peer_connection::grant_credit() {
    if (COHORT_MUTANT(credit_leaked)) {
        ungranted_ = 0;
    }
    if (ungranted_ != 0 && inbound_.covers(chunks_.bytes_held())) {
        write_frame({.kind = frame_kind::credit, .total = std::exchange(ungranted_, 0)},
                    out_.filling());
        flush();
    }
    inbound_.shrink(chunks_.bytes_held());
}

// Takes a batch of complete frames.
peer_connection::step peer_connection::take_frames() {
    auto it = frame{};
    failure_ = nullptr;
    for (int taken = 0;; ++taken) {
        if (taken == batch_frames) {
            return step::yield;
        }
        auto state = reader_.next(it);
        if (state == frame_reader::state::need_more) {
            break;
        }
        if (state == frame_reader::state::broken) {
            failure_ = reader_.failure().data();
        }
        if (state == frame_reader::state::broken || !take(it)) {
            if (failure_ != nullptr && !ended_) {
                node_.cores[home_.id()]->counters().bad_bytes.add();
                end(failure_);
            }
            return step::end;
        }
        if (ended_) {
            return step::end;
        }
    }
    grant_credit();
    read_some_more();
    return step::read;
}

task<void> peer_connection::read() {
    auto& counters = node_.cores[home_.id()]->counters();
    for (;;) {
        auto step = take_frames();
        if (step == step::end) {
            break;
        }
        if (step == step::yield) {
            // Who got a message runs, and what that sends leaves, before the next batch is looked
            // at: so both sides of a busy connection work at the same time.
            co_await cohort::yield{};
            if (ended_) {
                co_return;
            }
            continue;
        }
        while (is_full() && !ended_) {
            co_await room_;
        }
        if (ended_) {
            co_return;
        }
        auto outcome = co_await read_some(*socket_, reader_.prepare());
        if (outcome.code != errc::ok) {
            end(outcome.code == errc::end_of_stream ? "the other side closed" : "it was lost");
            co_return;
        }
        counters.bytes_in.add(outcome.bytes);
        heard_ = home_.turn_time();
        reader_.commit(outcome.bytes);
    }
    end("it was ended");
}

task<void> peer_connection::write() {
    auto& counters = node_.cores[home_.id()]->counters();
    while (!ended_) {
        auto bytes = out_.next();
        if (bytes.empty()) {
            room_.notify();
            co_await writer_;
            continue;
        }
        auto buffer = std::array{std::as_bytes(std::span{bytes})};
        write_began_ = home_.turn_time();
        auto outcome = co_await write_some(*socket_, buffer);
        write_began_ = time_point::max();
        if (outcome.code != errc::ok) {
            end("the other side takes no more");
            co_return;
        }
        counters.writes.add();
        counters.bytes_out.add(outcome.bytes);
        out_.written(outcome.bytes);
        if (!is_full()) {
            room_.notify();
        }
    }
}

void peer_connection::on_tick() noexcept {
    auto now = home_.turn_time();
    bool stalled = write_began_ != time_point::max() && now - write_began_ >= stall_time();
    if (!expects_an_answer()) {
        unasked_ = now;
    }
    // Nobody has to say anything before there is a question.
    auto silence = now - std::max(heard_, unasked_);
    if (silence >= ping_interval()) {
        if (silence >= stall_time()) {
            stalled = true;
        } else if (write_began_ == time_point::max()) {
            write_frame({.kind = frame_kind::ping, .correlation = ++pings_}, out_.filling());
            flush();
        }
    }
    if (stalled) {
        node_.cores[home_.id()]->counters().stalled.add();
        end("it made no progress");
        return;
    }
    grant_credit();
    home_.timers().arm(tick_, after(now, ping_interval()));
}

namespace {

/// Connects to a numeric address, or to the first address of a name that takes the connection.
task<result<std::unique_ptr<stream>>> call(remoting_state* node, endpoint address) {
    if (is_address(address.host)) {
        co_return co_await connect(address);
    }
    auto found = co_await node->resolver.ask<look_up>(node->options.handshake_time, address.host);
    if (!found) {
        co_return std::move(found).error();
    }
    auto last = result<std::unique_ptr<stream>>{errc::not_found};
    for (auto& each : *found) {
        last = co_await connect({std::move(each), address.port});
        if (last) {
            break;
        }
    }
    co_return last;
}

}  // namespace

task<result<greeting>> greet(remoting_state* node, endpoint address, hello first) {
    auto socket = co_await call(node, address);
    if (!socket) {
        co_return error{errc::unavailable, "cannot connect to " + address.text(), "remoting",
                        socket.error()};
    }
    if (node->options.credentials) {
        auto secured =
            co_await secure(std::move(*socket), tls_side::client, *node->options.credentials);
        if (!secured) {
            co_return error{errc::unavailable, "cannot secure " + address.text(), "remoting",
                            secured.error()};
        }
        socket = std::move(secured->bytes);
    }
    auto out = byte_buffer{};
    first.nonce = node->node->world().random();
    write_handshake(first, out);
    bool sent = co_await write_all(socket->get(), out.view());
    auto reader = handshake_reader{};
    auto answer = welcome{};
    auto state = handshake_reader::state::need_more;
    while (sent && state == handshake_reader::state::need_more) {
        auto outcome = co_await read_some(**socket, reader.prepare());
        if (outcome.code != errc::ok) {
            break;
        }
        reader.commit(outcome.bytes);
        state = reader.next(answer);
    }
    if (state != handshake_reader::state::complete) {
        auto why = state == handshake_reader::state::broken
                       ? std::string{reader.failure()}
                       : std::string{"the connection was lost in the handshake"};
        co_return error{errc::unavailable, address.text() + ": " + why, "remoting"};
    }
    if (answer.nonce != first.nonce) {
        co_return error{errc::unavailable, address.text() + ": it answers another question",
                        "remoting"};
    }
    co_return greeting{std::move(*socket), std::move(answer), std::string{reader.rest()}};
}

}  // namespace cohort::detail
