#pragma once

#include "connection.hpp"
#include "keys.hpp"
#include "options.hpp"
#include "response.hpp"
#include "stats.hpp"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace cohort::bench {

/// Sends the requests, reads the answers, counts.
///
/// In a closed loop every answer makes room for a new request, so a slow server is asked less. In
/// an open loop requests arrive by themselves; one that finds no free connection waits its turn,
/// and its latency counts from the time it was meant to be sent.
///
/// Thread:       one; `run` blocks until the measurement is over.
class generator {
public:
    explicit generator(const options& asked);
    ~generator();
    generator(const generator&) = delete;
    generator& operator=(const generator&) = delete;

    stats run();

private:
    bool connect_all();
    void start(connection& link, std::uint64_t tag);
    void drop(connection& link);
    void reconnect_due(std::uint64_t now);

    void poll(std::uint64_t now, std::uint64_t wake_at);
    void on_event(std::uint64_t tag, std::uint32_t events);
    void read_answers(connection& link, std::uint64_t tag);
    void count(const pending& request, const response& answer, std::uint64_t now);
    std::string name_of(std::uint64_t key) const;
    bool matches(const pending& request, const response& answer) const;

    void generate_arrivals(std::uint64_t now);
    void assign_arrivals();
    void refill(connection& link, std::uint64_t now);
    void send_one(connection& link, std::uint64_t intended);
    void flush(connection& link, std::uint64_t tag);
    void list(std::uint64_t tag);
    void count_unfinished(std::uint64_t now);
    bool everything_answered() const;
    bool accepts_requests(std::uint64_t now) const;
    second_of_load* second_at(std::uint64_t time);

    options asked_;
    int poller_;
    random_source random_;
    key_source keys_;
    bool keyed_ = true;
    std::string before_key_;
    std::string after_key_;
    std::string request_;
    std::vector<std::unique_ptr<connection>> links_;

    /// Open loop: intended times without a connection yet, and connections with room.
    std::deque<std::uint64_t> backlog_;
    std::deque<std::uint64_t> ready_;
    std::vector<std::uint64_t> dirty_;
    std::uint64_t next_arrival_ns_ = 0;

    std::uint64_t in_flight_ = 0;
    std::uint64_t closed_links_ = 0;
    std::uint64_t window_begin_ns_ = 0;
    std::uint64_t window_end_ns_ = 0;
    bool started_ = false;
    stats counted_;
};

}  // namespace cohort::bench
