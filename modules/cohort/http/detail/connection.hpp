#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cohort/http/composer.hpp>
#include <cohort/http/detail/route.hpp>
#include <cohort/http/request_reader.hpp>
#include <cohort/http/router.hpp>
#include <cohort/http/server.hpp>
#include <cohort/runtime/core.hpp>
#include <cohort/task/awaiters.hpp>
#include <cohort/task/wake_signal.hpp>

namespace cohort::detail {

class connection;

/// What one core of a server has: its copy of the routes and what its connections share.
///
/// Thread: its core's; the counters are read from anywhere.
struct server_core {
    const http_options* options = nullptr;
    const router* routes = nullptr;
    const std::vector<std::string>* patterns = nullptr;
    std::vector<std::unique_ptr<route_call>> calls;
    std::array<std::byte, 16 * 1024> waste;  // what closing connections read and drop
    connection* connections = nullptr;       // linked by `next`
    bool draining = false;
    std::uint32_t streams = 0;  // answers that are being made while they are sent

    date_line date;
    std::string_view date_text;  // of `date`
    time_point date_read{};
    duration date_valid{};

    core_counter requests;
    core_counter broken_requests;
    core_counter timeouts;
    core_counter handler_failures;
    std::array<core_counter, 5> answers;

    [[nodiscard]] std::string_view date_at(core& here);
    /// Lets every connection end after what it is doing now.
    void drain();
};

/// The place of one connection under the server's limit; it is free again when this goes.
class admission {
public:
    admission() = default;
    explicit admission(std::atomic<std::uint32_t>& open) noexcept : open_{&open} { ++open; }
    admission(admission&& other) noexcept : open_{std::exchange(other.open_, nullptr)} {}
    admission& operator=(admission&& other) noexcept {
        std::swap(open_, other.open_);
        return *this;
    }
    ~admission() {
        if (open_ != nullptr) {
            --*open_;
        }
    }

private:
    std::atomic<std::uint32_t>* open_ = nullptr;
};

/// How the answer to a request is sent.
struct answer_form {
    bool with_body = true;
    connection_after after = connection_after::closes;
    bool chunked = true;  // what the client understands of a body without a length
};

/// One request that is being answered: a child task of the connection's actor.
struct exchange : task_fiber {
    exchange(cell& actor, connection& belongs_to) noexcept : task_fiber{actor}, whole{belongs_to} {}

    connection& whole;
    std::optional<task<response>> work;
    std::optional<response> answer;  // set: the exchange is done
    std::size_t route = 0;
    time_point deadline{};
    answer_form form;
    bool alone = false;  // nothing runs beside it
    bool running = false;
};

/// A connection between its socket and its handlers: the state that its coroutines share. The
/// actor's own coroutine reads and takes requests, one task writes, and each request is a task.
///
/// Thread: its core's.
class connection {
public:
    connection(server_core& server, cell& actor, std::unique_ptr<stream> socket, admission place);
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection();

    /// The two coroutines. The reader ends when the connection is over; the actor's end cancels the
    /// rest.
    [[nodiscard]] task<void> read();
    [[nodiscard]] task<void> write();

    /// Ends after what is being answered now.
    void drain() noexcept;
    /// Sends a piece of the body of a stream.
    [[nodiscard]] task<bool> send(std::string_view piece);

    connection* next = nullptr;
    connection* previous = nullptr;

private:
    static constexpr std::size_t pipeline_max = 16;

    enum class step : std::uint8_t {
        read,   // more bytes are needed
        wait,   // something that runs must end first
        yield,  // others have their turn
        close,  // no more requests are taken
    };

    [[nodiscard]] step take_requests();
    void begin(request incoming);
    [[nodiscard]] eventual_response call(std::size_t route, request incoming) noexcept;
    void begin_task(exchange& slot, std::size_t route, task<response> work);
    void finish_now(answer_form form, response answer);
    [[nodiscard]] exchange& push(answer_form form);
    void pop() noexcept;
    void fail_request(int status, std::string_view reason);

    static void settled(task_fiber& line) noexcept;
    void settle(exchange& slot) noexcept;
    [[nodiscard]] response failure_answer(std::size_t route,
                                          const std::exception_ptr& failure) noexcept;
    void cancel(exchange& slot) noexcept;
    void compose(answer_form form, const response& answer);
    void compose_finished();
    /// Nothing is left to be sent. What runs behind a closing answer is not waited for.
    [[nodiscard]] bool answered_all() const noexcept {
        return (count_ == 0 || closing_) && output_size() == 0;
    }
    [[nodiscard]] bool idle() const noexcept {
        return answered_all() && !held_ && !reader_.inside_request();
    }
    [[nodiscard]] std::size_t output_size() const noexcept {
        return filling_.size() + sending_.size();
    }

    [[nodiscard]] bool begin_stream(answer_form form, const response& answer);
    [[nodiscard]] task<bool> stream_body_out();
    [[nodiscard]] task<void> until_client_is_gone();
    [[nodiscard]] task<bool> finish_answers(duration limit);
    [[nodiscard]] task<void> linger();
    [[nodiscard]] time_point deadline() const noexcept;
    void rearm() noexcept;
    void on_deadline() noexcept;
    void note_progress() noexcept;
    void wake_reader() noexcept;

    server_core& server_;
    cell& actor_;
    core& home_;
    std::unique_ptr<stream> socket_;
    admission place_;
    request_reader reader_;
    std::optional<request> held_;  // taken, and waiting for its turn

    // Exchanges in the order of their requests: `count_` of them from `first_` on, round the array.
    std::array<std::unique_ptr<exchange>, pipeline_max> ring_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;

    composer filling_;
    composer sending_;
    wake_signal reader_wakes_;
    wake_signal writer_wakes_;

    timer_of<connection> timer_;
    time_point armed_for_ = time_point::max();
    time_point request_began_ = time_point::max();
    time_point last_read_{};
    time_point last_activity_{};
    time_point write_began_ = time_point::max();
    time_point closing_until_ = time_point::max();
    bool reading_ = false;
    bool owes_continue_ = false;
    bool closing_ = false;  // an answer said so, or will: nothing more is composed behind it
    bool expired_ = false;  // a time-out hit the connection
    bool failed_ = false;   // the socket did not take an answer
    bool chunked_ = false;
    bool streams_ = false;                    // a body is being made
    std::shared_ptr<stream_body> streaming_;  // to be made, behind its head
};

}  // namespace cohort::detail
