#include <cohort/http/detail/connection.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace cohort::detail {
namespace {

constexpr std::string_view continue_answer = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

std::string_view server_core::date_at(core& here) {
    if (here.turn_time() - date_read >= date_valid) {
        auto wall = here.world().wall_now();
        date_read = here.turn_time();
        date_valid =
            std::chrono::seconds{1} - (wall - std::chrono::floor<std::chrono::seconds>(wall));
        date_text = date.at(wall);
    }
    return date_text;
}

void server_core::drain() {
    draining = true;
    for (auto* each = connections; each != nullptr; each = each->next) {
        each->drain();
    }
}

connection::connection(server_core& server, cell& actor, std::unique_ptr<stream> socket,
                       admission place)
    : server_{server}, actor_{actor}, home_{this_core()}, socket_{std::move(socket)},
      place_{std::move(place)}, reader_{server.options->limits},
      timer_{*this, [](wheel_timer& fired) noexcept {
                 auto& self = timer_of<connection>::owner_of(fired);
                 self.armed_for_ = time_point::max();
                 self.on_deadline();
             }} {
    last_activity_ = last_read_ = home_.turn_time();
    next = server_.connections;
    if (next != nullptr) {
        next->previous = this;
    }
    server_.connections = this;
}

connection::~connection() {
    home_.timers().cancel(timer_);
    (previous != nullptr ? previous->next : server_.connections) = next;
    if (next != nullptr) {
        next->previous = previous;
    }
    for (auto& slot : ring_) {
        if (slot && slot->running) {
            home_.keeper().disown(*slot);
        }
    }
    socket_->close();
}

// -- requests ------------------------------------------------------------------------------------

connection::step connection::take_requests() {
    for (auto begun = std::size_t{0};; ++begun) {
        if (closing_) {
            return step::close;
        }
        if (!held_) {
            auto state = reader_.next(held_.emplace());
            if (state == request_reader::state::need_more) {
                held_.reset();
                if (reader_.take_expectation()) {
                    owes_continue_ = true;
                    compose_finished();
                }
                return step::read;
            }
            if (state == request_reader::state::broken) {
                held_.reset();
                if (count_ == pipeline_max) {
                    return step::wait;
                }
                server_.broken_requests.add();
                fail_request(reader_.failure().status, reader_.failure().reason);
                return step::close;
            }
        }
        auto side_by_side = held_->method() == method::get || held_->method() == method::head;
        auto blocked = count_ != 0 && (count_ == pipeline_max || !side_by_side ||
                                       ring_[(first_ + count_ - 1) % pipeline_max]->alone);
        if (blocked || output_size() > server_.options->output_bytes_max) {
            return step::wait;
        }
        if (begun == pipeline_max) {
            // Handlers that never wait run right here, as many as there are requests in the buffer.
            return step::yield;
        }
        auto incoming = std::move(*held_);
        held_.reset();
        auto last = !incoming.keep_alive();
        begin(std::move(incoming));
        if (last) {
            return step::close;
        }
    }
}

exchange& connection::push(answer_form form) {
    COHORT_ASSERT(count_ < pipeline_max,
                  "a connection answers a bounded number of requests at once");
    auto& slot = ring_[(first_ + count_) % pipeline_max];
    if (!slot) {
        slot = std::make_unique<exchange>(actor_, *this);
    }
    ++count_;
    slot->form = form;
    slot->alone = false;
    return *slot;
}

void connection::pop() noexcept {
    ring_[first_]->answer.reset();
    first_ = (first_ + 1) % pipeline_max;
    --count_;
}

/// An answer to something that was no request; the connection ends with it.
void connection::fail_request(int status, std::string_view reason) {
    finish_now({}, problem(status, reason));
}

void connection::begin(request incoming) {
    server_.requests.add();
    auto verb = incoming.method();
    auto form =
        answer_form{.with_body = verb != method::head, .chunked = incoming.minor_version() != 0};
    if (incoming.keep_alive()) {
        form.after = incoming.minor_version() == 0 ? connection_after::stays_explicitly
                                                   : connection_after::stays;
    }
    if (verb == method::other) {
        finish_now(form, problem(501, "this method is not known here"));
        return;
    }
    if (incoming.path() == "*") {
        finish_now(form, no_content());
        return;
    }
    auto found = server_.routes->find(verb, incoming);
    if (found.what == router::match::kind::route) {
        auto& data = incoming.data();
        data.parameters = found.parameters;
        data.deadline = home_.turn_time() + server_.options->request_time;
        auto given = call(found.route, std::move(incoming));
        if (auto* answer = std::get_if<response>(&given)) {
            finish_now(form, std::move(*answer));
            return;
        }
        auto& slot = push(form);
        slot.alone = verb != method::get && verb != method::head;
        begin_task(slot, found.route, std::get<task<response>>(std::move(given)));
    } else if (found.what == router::match::kind::no_path) {
        finish_now(form, problem(404, "nothing is at this path"));
    } else if (verb == method::options) {
        finish_now(form, no_content().header("Allow", std::string{found.allow} + ", OPTIONS"));
    } else {
        finish_now(
            form, problem(405, "this path does not take this method").header("Allow", found.allow));
    }
}

eventual_response connection::call(std::size_t route, request incoming) noexcept {
    try {
        return server_.calls[route]->call(std::move(incoming));
    } catch (...) {
        return failure_answer(route, std::current_exception());
    }
}

void connection::begin_task(exchange& slot, std::size_t route, task<response> work) {
    slot.deadline = home_.turn_time() + server_.options->request_time;
    slot.route = route;
    slot.work.emplace(std::move(work));
    slot.flags = fiber::is_task;
    slot.state = run_state::blocked;
    slot.resume = slot.work->handle().address();
    slot.settled = &connection::settled;
    slot.running = true;
    home_.keeper().adopt(slot);
    home_.make_ready(slot);
    rearm();
}

/// Answers at once, or as soon as the requests before it are answered. For the reader's coroutine.
void connection::finish_now(answer_form form, response answer) {
    if (count_ != 0 || closing_) {
        push(form).answer = std::move(answer);
        return;
    }
    compose(form, answer);
    writer_wakes_.notify();
}

// -- answers -------------------------------------------------------------------------------------

void connection::settled(task_fiber& line) noexcept {
    auto& slot = static_cast<exchange&>(line);
    slot.whole.settle(slot);
}

void connection::settle(exchange& slot) noexcept {
    home_.keeper().disown(slot);
    slot.running = false;
    if (slot.state == run_state::finished) {
        auto& promise = slot.work->handle().promise();
        if (promise.failure) {
            slot.answer = failure_answer(slot.route, promise.failure);
        } else {
            slot.answer = std::move(*promise.value);
        }
    } else {
        slot.answer = problem(error{errc::timeout, "the answer took too long"});
    }
    slot.work.reset();
    compose_finished();
}

response connection::failure_answer(std::size_t route, const std::exception_ptr& failure) noexcept {
    server_.handler_failures.add();
    auto what = std::string{"not derived from std::exception"};
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& known) {
        what = known.what();
    } catch (...) {
    }
    home_.owner().report(
        {"route handler failed", (*server_.patterns)[route], what, event_kind::failure});
    return problem(500, "the handler of this route failed");
}

/// Ends a handler whose time is over; `settled` follows, now or when its operation came back.
void connection::cancel(exchange& slot) noexcept { home_.cancel(slot); }

void connection::compose(answer_form form, const response& answer) {
    if (answer.data().stream != nullptr) {
        if (!begin_stream(form, answer)) {
            compose(form, problem(503, "too many streams"));
        }
        return;
    }
    auto ends = answer.closes() || (server_.draining && count_ == 0 && !held_);
    auto after = ends ? connection_after::closes : form.after;
    filling_.append(answer, form.with_body, after, server_.date_at(home_));
    auto kind = static_cast<std::size_t>(answer.status() / 100 - 1);
    server_.answers[std::min(kind, server_.answers.size() - 1)].add();
    closing_ = after == connection_after::closes;
}

/// Puts the answers that are ready, and whose turn it is, behind one another.
void connection::compose_finished() {
    while (count_ > 0 && !closing_ && ring_[first_]->answer) {
        auto& slot = *ring_[first_];
        auto answer = std::move(*slot.answer);
        pop();
        compose(slot.form, answer);
    }
    if (owes_continue_ && count_ == 0 && !closing_) {
        owes_continue_ = false;
        filling_.append(continue_answer);
    }
    if (!filling_.empty()) {
        writer_wakes_.notify();
    }
    if (closing_) {
        wake_reader();
    } else {
        reader_wakes_.notify();
    }
}

task<void> connection::write() {
    auto pieces = std::array<std::string_view, 8>{};
    auto buffers = std::array<std::span<const std::byte>, 8>{};
    for (;;) {
        if (sending_.empty()) {
            if (filling_.empty()) {
                co_await writer_wakes_;
                continue;
            }
            // What is being written must not move, so the next answers fill the other one.
            std::swap(sending_, filling_);
        }
        auto count = sending_.pieces(pieces);
        for (std::size_t index = 0; index < count; ++index) {
            buffers[index] = std::as_bytes(std::span{pieces[index]});
        }
        write_began_ = home_.turn_time();
        rearm();
        auto outcome = co_await write_some(*socket_, std::span{buffers}.first(count));
        write_began_ = time_point::max();
        last_activity_ = home_.turn_time();
        if (outcome.code == errc::ok) {
            sending_.consume(outcome.bytes);
            reader_wakes_.notify();
        } else if (outcome.code != errc::cancelled || expired_) {
            // Cancelling a read cancels the write as well; only an expired one is not tried again.
            failed_ = true;
            wake_reader();
            co_return;
        }
    }
}

// -- the connection ------------------------------------------------------------------------------

task<void> connection::read() {
    for (;;) {
        auto step = take_requests();
        if (step == step::close) {
            break;
        }
        if (server_.draining && idle()) {
            co_return;
        }
        if (step == step::wait || step == step::yield) {
            rearm();
            if (step == step::wait) {
                co_await reader_wakes_;
            } else {
                co_await yield{};
            }
            if (failed_ || expired_) {
                co_return;
            }
            continue;
        }
        note_progress();
        auto room = std::as_writable_bytes(reader_.prepare());
        COHORT_ASSERT(!room.empty(), "a reader whose requests were taken has room");
        reading_ = true;
        rearm();
        auto outcome = co_await read_some(*socket_, room);
        reading_ = false;
        if (outcome.code == errc::ok) {
            last_read_ = home_.turn_time();
            reader_.commit(outcome.bytes);
            continue;
        }
        if (outcome.code == errc::end_of_stream) {
            // The client may have ended only its half of the stream.
            if (reader_.inside_request() && count_ < pipeline_max) {
                server_.broken_requests.add();
                fail_request(400, "the request ended too early");
            }
            co_await finish_answers(server_.options->half_closed_time);
            co_return;
        }
        if (outcome.code != errc::cancelled || failed_) {
            co_return;
        }
        if (expired_) {
            if (!reader_.inside_request() || !answered_all()) {
                co_return;
            }
            expired_ = false;
            fail_request(408, "the request took too long");
            break;
        }
    }
    if (streaming_ != nullptr && !co_await stream_body_out()) {
        co_return;
    }
    auto sent = co_await finish_answers(duration::max());
    if (sent) {
        co_await linger();
    }
}

/// Waits until everything is answered and sent; false when that did not come about.
task<bool> connection::finish_answers(duration limit) {
    if (limit != duration::max()) {
        closing_until_ = home_.turn_time() + limit;
    }
    while (!answered_all() && !failed_ && !expired_) {
        rearm();
        co_await reader_wakes_;
    }
    closing_until_ = time_point::max();
    co_return answered_all() && !failed_ && !expired_;
}

/// Reads on for a moment: closing while bytes arrive would reset the connection, and the client
/// might lose the last answer before it has read it.
task<void> connection::linger() {
    socket_->end_writing();
    closing_until_ = home_.turn_time() + server_.options->linger_time;
    for (;;) {
        reading_ = true;
        rearm();
        // Nobody looks at these bytes, so the connections of a core share the memory for them.
        auto outcome = co_await read_some(*socket_, server_.waste);
        reading_ = false;
        if (outcome.code != errc::ok || expired_) {
            co_return;
        }
    }
}

void connection::drain() noexcept {
    if (reading_ && (idle() || streams_)) {
        socket_->cancel();
    }
}

void connection::wake_reader() noexcept {
    if (reading_) {
        socket_->cancel();
    } else {
        reader_wakes_.notify();
    }
}

// -- time ----------------------------------------------------------------------------------------

/// Notes when a request began, for the time that its head may take.
void connection::note_progress() noexcept {
    if (!reader_.inside_request()) {
        request_began_ = time_point::max();
    } else if (request_began_ == time_point::max()) {
        request_began_ = home_.turn_time();
    }
}

/// The next instant at which something will have taken too long.
time_point connection::deadline() const noexcept {
    if (closing_until_ != time_point::max()) {
        return closing_until_;
    }
    const auto& options = *server_.options;
    auto due = time_point::max();
    if (write_began_ != time_point::max()) {
        due = write_began_ + options.write_stall_time;
    }
    for (std::size_t index = 0; index < count_; ++index) {
        const auto& slot = *ring_[(first_ + index) % pipeline_max];
        if (slot.running && (slot.flags & fiber::cancelled) == 0) {
            due = std::min(due, slot.deadline);
            break;  // the oldest ends first
        }
    }
    if (reading_ && reader_.inside_request()) {
        auto since = reader_.inside_body() ? last_read_ : request_began_;
        due = std::min(due, since + options.header_time);
    } else if (due == time_point::max()) {
        due = last_activity_ + options.idle_time;
    }
    return due;
}

/// Sees to it that the timer fires in time. It is left alone when it fires earlier than needed, so
/// that a busy connection hardly ever touches the wheel.
void connection::rearm() noexcept {
    auto due = deadline();
    if (due < armed_for_) {
        home_.timers().cancel(timer_);
        home_.timers().arm(timer_, due);
        armed_for_ = due;
    }
}

void connection::on_deadline() noexcept {
    auto now = home_.turn_time();
    if (deadline() <= now) {
        bool handlers_only = false;
        for (std::size_t index = 0; index < count_; ++index) {
            auto& slot = *ring_[(first_ + index) % pipeline_max];
            if (slot.running && slot.deadline <= now && (slot.flags & fiber::cancelled) == 0) {
                server_.timeouts.add();
                handlers_only = true;
                cancel(slot);
                break;  // cancelling may have moved the ring; the next one is due at once
            }
        }
        if (!handlers_only) {
            if (closing_until_ == time_point::max() && !idle()) {
                server_.timeouts.add();
            }
            expired_ = true;
            wake_reader();
            return;
        }
    }
    rearm();
}

}  // namespace cohort::detail
