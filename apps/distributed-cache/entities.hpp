#pragma once

#include <distributed-cache/entity.hpp>

#include <cohort/cohort.hpp>
#include <cohort/runtime/counters.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cohort {

class entity_table;

struct entities_options {
    std::size_t entities_max = 1'000'000;                  ///< of the node
    std::size_t content_bytes_max = std::size_t{1} << 30;  ///< of the node, held by entities
    entity_times times = {};
};

/// What one core's entities did, always counted by that core; any thread may read.
struct entity_counters {
    core_counter started;
    core_counter ended;
    core_counter evicted;  ///< asked to leave because of a limit
    core_counter hits;     ///< gets that were answered without the origin
    core_counter misses;   ///< gets that asked the origin
    core_counter failed;   ///< gets, puts and erases that the origin did not answer
    core_counter bytes_in;
    core_counter bytes_out;  ///< content that entities took and gave back
};

/// The sums over all cores.
struct entity_figures {
    std::uint64_t entities = 0;
    std::uint64_t content_bytes = 0;
    std::uint64_t started = 0;
    std::uint64_t evicted = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t failed = 0;
};

/// An entity's place in its core's table: as long as it lives, requests for the key reach the
/// entity.
class entity_seat {
public:
    struct entry;

    entity_seat(entity_table& table, entry& mine) noexcept : table_{&table}, entry_{&mine} {}
    entity_seat(entity_seat&& other) noexcept
        : table_{other.table_}, entry_{std::exchange(other.entry_, nullptr)} {}
    entity_seat& operator=(entity_seat&&) = delete;
    ~entity_seat();

    [[nodiscard]] const std::string& key() const noexcept;
    /// What the origin holds, as far as the entity knows; nothing before the first answer. Only the
    /// entity writes it.
    [[nodiscard]] std::optional<cached_item>& known() const noexcept;
    /// Says, before the entity waits for a message, whether none waits for it: then what it knows
    /// is shown to `entities::peek`, until a message comes.
    void rests(bool nothing_waits) noexcept;
    /// When the entity was last read by `entities::peek`.
    [[nodiscard]] time_point peeked() const noexcept;
    /// Says how much content the entity holds from now on.
    void holds(std::size_t content_bytes) noexcept;
    [[nodiscard]] entity_counters& counters() const noexcept;

private:
    entity_table* table_;
    entry* entry_;
};

/// Finds the entity of a key, on the core where that key is at home, and starts it when there is
/// none.
///
/// Ownership: outlives the system whose actors it starts.
/// Thread:    `start` before requests; `ask` on any core; `figures` anywhere.
class entities {
public:
    entities(cache_origin& origin, entities_options options);
    entities(const entities&) = delete;
    entities& operator=(const entities&) = delete;
    ~entities();

    /// Gives every core of the system its table and the actor that owns the core's entities.
    void start(system& owner);

    /// Asks the entity of a key; as `ref::ask`.
    ///
    /// Errors: as `ref::ask`, and `errc::overloaded` when the core's table is full of busy
    /// entities.
    template <class M>
    [[nodiscard]] auto ask(std::string_view key, deadline until, M message) {
        return entity_ask<M>{*this, key, until, std::move(message)};
    }

    /// What the entity of a key would answer to a `get_item` now, without a message: when it is an
    /// entity of this core, waits for messages while there are none, and knows the key's content.
    /// Null whenever that is not sure; then ask. Counts as a request.
    ///
    /// Ownership: lives until the caller suspends.
    [[nodiscard]] const cached_item* peek(std::string_view key);

    [[nodiscard]] entity_figures figures() const;

private:
    template <class M>
    class [[nodiscard]] entity_ask;

    /// Which core a key lives on: its bytes decide, never text or a signed number.
    [[nodiscard]] std::uint32_t home_of(std::string_view key) const noexcept;
    /// Delivers to the entity of a key of this core.
    void deliver(core& here, std::string_view key, message* node);

    cache_origin& origin_;
    entities_options options_;
    std::vector<std::unique_ptr<entity_table>> tables_;
};

template <class M>
class [[nodiscard]] entities::entity_ask : public pending_ask<reply_value<M>> {
public:
    entity_ask(entities& all, std::string_view key, deadline until, M content)
        : pending_ask<reply_value<M>>{until} {
        auto& here = this_core();
        auto header = request_header{this->reply_address(), until};
        auto home = all.home_of(key);
        if (until.at <= here.turn_time()) {
            this->fail_now(error{errc::timeout}.with(executed::no));
        } else if (home == here.id()) {
            all.deliver(here, key, make_request(header, std::move(content)));
        } else if (!here.post(home, request{&all, std::string{key}, header, std::move(content)},
                              true)) {
            here.counters().ring_refused.add();
            this->fail_now(errc::overloaded);
        }
    }

private:
    static message* make_request(request_header header, M&& content) {
        auto* node = make_node<ask_node<M>>(ask_type<M>, std::move(content));
        node->header = header;
        return node;
    }

    struct request {
        entities* all;
        std::string key;
        request_header header;
        M content;
        void operator()(core& home) {
            all->deliver(home, key, make_request(header, std::move(content)));
        }
    };
};

}  // namespace cohort
