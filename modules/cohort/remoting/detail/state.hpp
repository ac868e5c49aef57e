#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <cohort/actor/ref_codec.hpp>
#include <cohort/actor/system.hpp>
#include <cohort/remoting/detail/directory.hpp>
#include <cohort/remoting/detail/resolver.hpp>
#include <cohort/remoting/outbox.hpp>
#include <cohort/remoting/remoting.hpp>
#include <cohort/runtime/counters.hpp>

namespace cohort::detail {

class remote_core;

/// What one core counts; read from anywhere.
struct remoting_counters {
    core_counter messages_out;
    core_counter messages_in;
    core_counter bytes_out;
    core_counter bytes_in;
    core_counter writes;
    core_counter tells_dropped;
    core_counter tells_lost;
    core_counter asks_refused;
    core_counter unknown_types;
    core_counter not_understood;
    core_counter bad_bytes;
    core_counter handshakes_refused;
    core_counter connections_made;
    core_counter connections_lost;
    core_counter stalled;
};

/// The program's messages by their ids: fixed when the node starts.
class wire_registry {
public:
    /// Errors: two messages with the same id.
    [[nodiscard]] result<void> build();
    [[nodiscard]] const wire_format* find(std::uint32_t id) const noexcept {
        for (auto at = id & mask_;; at = (at + 1) & mask_) {
            if (table_[at] == nullptr || table_[at]->id == id) {
                return table_[at];
            }
        }
    }

private:
    std::vector<const wire_format*> table_;
    std::uint32_t mask_ = 0;
};

/// Connections that have not said who they are, bounded in all and for each address.
class half_open {
public:
    [[nodiscard]] bool enter(const std::string& host, std::uint32_t each_max);
    void leave(const std::string& host);
    [[nodiscard]] std::uint32_t all() const noexcept { return all_; }

private:
    friend class stranger;
    std::atomic<std::uint32_t> all_{0};
    std::mutex mutex_;
    std::map<std::string, std::uint32_t> by_host_;
};

/// One of them; the place is free again when this goes.
class stranger {
public:
    stranger() = default;
    explicit stranger(half_open& among) noexcept : among_{&among} { ++among.all_; }
    stranger(stranger&& other) noexcept : among_{std::exchange(other.among_, nullptr)} {}
    stranger& operator=(stranger&& other) noexcept {
        auto gone = std::move(*this);
        among_ = std::exchange(other.among_, nullptr);
        return *this;
    }
    ~stranger() {
        if (among_ != nullptr) {
            --among_->all_;
        }
    }

private:
    half_open* among_ = nullptr;
};

/// Runs an action on a core: now on this one, else in the order of posts.
template <class Action>
void post_to(core& here, std::uint32_t id, Action action) {
    if (id == here.id()) {
        action(here);
    } else {
        here.post(id, std::move(action));
    }
}

/// What the cores of a node share. Plain once started, but for what says otherwise.
struct remoting_state {
    explicit remoting_state(remoting_options given)
        : options{std::move(given)}, outbound{options.node_bytes_max},
          inbound{options.node_bytes_max}, control{options.control_bytes_max * control_connections},
          control_inbound{options.control_bytes_max * control_connections} {}

    // As many may be full at the same time.
    static constexpr std::size_t control_connections = 64;

    remoting_options options;
    node_uid uid;
    endpoint local;  // where others reach this node
    wire_registry formats;
    byte_budget outbound;
    byte_budget inbound;
    byte_budget control;  // of the control lanes, which do not starve beside busy data lanes
    byte_budget control_inbound;
    half_open strangers;
    std::atomic<bool> leaving{false};
    std::atomic<std::uint64_t> peers_gone{0};
    runtime* node = nullptr;
    std::unique_ptr<directory> peers;
    std::vector<std::unique_ptr<remote_core>> cores;
    handle names;
    ref<resolver_protocol> resolver;

    struct exposed {
        handle target;
        std::vector<std::uint32_t> types;
    };
    std::mutex names_mutex;
    std::map<std::string, exposed, std::less<>> names_known;

    /// Gives a peer up everywhere: who watches its actors hears so, and its refs lead nowhere.
    /// Any core.
    void give_up(std::uint32_t place, std::uint32_t generation, std::string_view why);
    void tell_gone(const peer& who, std::string_view why);
    /// Every core says once more what it watches there. Any core.
    void watch_again(std::uint32_t place, std::uint32_t generation);
    /// Runs `action(remote_core&)` on every core, on this one now.
    template <class Action>
    void on_every_core(Action action);

    [[nodiscard]] codec_limits limits() const noexcept {
        return {.message_bytes_max = options.message_bytes_max - 64};
    }
    [[nodiscard]] endpoint reachable_at() const { return local; }
};

}  // namespace cohort::detail
