#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cohort/runtime/message.hpp>
#include <cohort/runtime/remote.hpp>
#include <cohort/runtime/wheel.hpp>
#include <cohort/world/result.hpp>

namespace cohort::detail {

class desk;

/// A message on its way to an entity that cannot be handed to it at once: it waits, or is on its
/// way to another node. It keeps its content until it is certain that it need not be sent again.
///
/// Thread: its desk's core.
class flight {
public:
    flight(desk& at, std::uint32_t shard, const request_header& header) noexcept;
    flight(const flight&) = delete;
    flight& operator=(const flight&) = delete;
    virtual ~flight();

    [[nodiscard]] virtual const std::string& key() const noexcept = 0;
    /// What it takes in memory, about.
    [[nodiscard]] virtual std::size_t weigh() const = 0;
    /// Makes the message for the entity's mailbox, with the content moved into it.
    [[nodiscard]] virtual message* to_node() = 0;
    /// Called behind `to_node` when the mailbox has the message.
    virtual void handed_over() noexcept = 0;
    /// Sends it to another node. The answer, or the failure, comes to the desk.
    virtual void launch(const actor_address& host) = 0;
    /// Nobody is expected to answer any more: what still comes of the last launch is too late.
    virtual void abandon() noexcept = 0;
    /// Whether it may be sent again although it was perhaps executed.
    [[nodiscard]] virtual bool idempotent() const noexcept = 0;
    /// Tells whoever waits.
    virtual void refuse(error why) noexcept = 0;

    [[nodiscard]] desk& at() const noexcept { return at_; }
    [[nodiscard]] const request_header& header() const noexcept { return header_; }

    flight* next = nullptr;
    flight* previous = nullptr;
    std::int64_t sequence = 0;
    std::size_t bytes = 0;     // while it is counted as waiting
    node_uid to;               // who was sent it, while it is on its way
    std::uint64_t stream = 0;  // of a guest: who sent it, in which round and by which view
    std::uint32_t round = 0;
    std::uint64_t epoch = 0;
    std::uint32_t shard;
    bool guest = false;             // came from another node, and is not sent on
    error last{errc::unavailable};  // why it had to wait
    time_point expires;
    timer_of<flight> timer;

private:
    desk& at_;

protected:
    request_header header_;
};

using flight_ptr = std::unique_ptr<flight>;

/// Flights in a row; owns them.
class flights {
public:
    flights() = default;
    flights(const flights&) = delete;
    flights& operator=(const flights&) = delete;
    ~flights();

    [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] flight* front() const noexcept { return head_; }
    [[nodiscard]] flight* back() const noexcept { return tail_; }
    void push_back(flight_ptr it) noexcept;
    /// Puts it where its sequence belongs. What comes back, comes back in order mostly, so the
    /// search goes on from the last place.
    void insert(flight_ptr it) noexcept;
    [[nodiscard]] flight_ptr take(flight& it) noexcept;
    [[nodiscard]] flight_ptr pop_front() noexcept { return take(*head_); }

private:
    void link_behind(flight* before, flight& it) noexcept;

    flight* head_ = nullptr;
    flight* tail_ = nullptr;
    flight* last_inserted_ = nullptr;
    std::size_t size_ = 0;
};

/// Which rounds of a sender's stream this node has turned away: once it refused a message, it
/// refuses all that the sender sent behind it before it heard so, because they would overtake it.
/// The sender sends them again, in order, in a later round.
class turned_away {
public:
    static constexpr std::size_t streams_max = 64;

    [[nodiscard]] bool refuses(std::uint64_t stream, std::uint32_t round) noexcept;
    void note(std::uint64_t stream, std::uint32_t round);

private:
    struct entry {
        std::uint64_t stream;
        std::uint32_t round_min;
    };
    std::vector<entry> entries_;
};

/// What one shard's messages wait in.
struct backlog {
    explicit backlog(desk& where, std::uint32_t which) noexcept;

    desk& at;
    std::uint32_t shard;
    flights queue;   // of this node, to be sent or delivered in order
    flights flying;  // of this node, on their way to another one
    flights guests;  // of other nodes, until the shard is served here
    turned_away refused;
    std::size_t bytes = 0;    // of queue and guests
    std::int64_t newest = 0;  // sequence numbers, counted up, and down for what is put in front
    std::int64_t oldest = 0;
    std::uint32_t round = 1;
    std::uint32_t attempts = 0;
    bool probing = false;     // one was sent again, alone: the others go when it seems to be taken
    bool again = false;       // something came back: the next that is sent begins a new round
    timer_of<backlog> pause;  // before the next attempt
    error last{errc::unavailable};
};

}  // namespace cohort::detail
