#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include <cohort/remoting/detail/inbound.hpp>
#include <cohort/remoting/detail/link.hpp>
#include <cohort/remoting/detail/state.hpp>
#include <cohort/runtime/remote.hpp>

namespace cohort::detail {

/// Remoting on one core: its links to peers, the connections that came to it, and the requests of
/// other nodes that its actors answer.
///
/// Thread: its core's; the counters are read from anywhere.
class remote_core final : public remote_gateway {
public:
    remote_core(remoting_state& node, core& here, std::uint32_t core_count)
        : node_{node}, here_{here}, refs_{node.uid, *this, core_count} {}

    // what refs, answers and death watch call
    void tell(const actor_address& to, const wire_format& format,
              const void* content) noexcept override;
    void ask(const actor_address& to, const wire_format& format, const void* content,
             pending_answer& asker, const deadline& until) noexcept override;
    void send(const actor_address& to, const wire_format& format, const void* content,
              pending_answer& asker) noexcept override;
    void reply(handle token, const void* answer) noexcept override;
    void fail_reply(handle token, const error& why) noexcept override;
    void watch(handle watcher, const actor_address& target) noexcept override;
    void unwatch(handle watcher, const actor_address& target) noexcept override;
    void terminated(const actor_address& watcher, handle who, std::uint8_t reason,
                    std::string_view why) noexcept override;
    [[nodiscard]] node_uid self() const noexcept override { return node_.uid; }
    [[nodiscard]] std::uint32_t cores() const noexcept override {
        return static_cast<std::uint32_t>(node_.cores.size());
    }
    [[nodiscard]] node_uid node_of(const actor_address& address) noexcept override;
    [[nodiscard]] actor_address address_of(node_uid node, handle there) noexcept override;

    // what comes in
    void arrived(const source& from, const frame& it);
    void arrived(const source& from, std::string_view frames);
    /// The way to another core is full: requests are refused, tells dropped, the rest gets through.
    void overflowed(const source& from, std::uint32_t to, std::string_view frames);

    // connections that came to this core
    [[nodiscard]] holder enter(inbound& fresh);
    [[nodiscard]] inbound* find(const holder& which) noexcept;
    void leave(const holder& which) noexcept;

    // peers
    /// Keeps a control lane with a peer, from core 0.
    void acquaint(const peer& who);
    /// The same from any core, on core 0.
    void post_acquaint(const peer& who);
    void peer_gone(std::uint32_t place, std::uint32_t generation) noexcept;
    /// Ends what comes by connections of an older acquaintance with the same node.
    void end_older(const peer& now) noexcept;
    void watch_again(std::uint32_t place, std::uint32_t generation);

    // stopping
    void leave(lane kind) noexcept;
    /// Whether nothing is left to be sent on the lanes that were told to leave.
    [[nodiscard]] bool has_left() noexcept;

    /// After a message was encoded at `mark`: puts the nodes whose actors it mentions before it.
    /// Gives its new mark.
    [[nodiscard]] std::size_t introduce_before(peer_connection& to, std::size_t mark) {
        return mentioned_.empty() ? mark : to.introduce_before(mark, std::exchange(mentioned_, {}));
    }

    [[nodiscard]] remoting_counters& counters() noexcept { return counters_; }
    [[nodiscard]] codec_options codec() noexcept {
        return {.limits = node_.limits(), .context = &refs_};
    }

private:
    struct ways {
        std::uint32_t generation = 0;  // of the peer in this place
        std::shared_ptr<link> data;
        std::shared_ptr<link> control;
        // Actors of this core that the peer watches, and by whom.
        std::set<std::pair<std::uint64_t, std::uint64_t>> watched;
        node_uid uid;
    };
    /// The right to answer a request that came from another node.
    struct served {
        holder connection;
        std::uint64_t correlation = 0;
        const wire_format* format = nullptr;
        std::uint32_t generation = 1;
        bool used = false;
    };

    [[nodiscard]] ways* ways_to(std::uint32_t place, std::uint32_t generation);
    [[nodiscard]] link* link_to(const actor_address& address, message_lane by = message_lane::data);
    [[nodiscard]] std::shared_ptr<link> start(const peer& who, lane kind);

    void take_message(const source& from, const frame& it);
    void take_terminated(const source& from, const frame& it);
    [[nodiscard]] cell* receiver(const source& from, const frame& it, const wire_format*& format);
    template <class Take>
    static void each_frame(std::string_view frames, Take take);
    void refuse(const source& from, const frame& it, const error& why);
    void bad_peer(const source& from, std::string_view why);

    [[nodiscard]] handle take_token(const source& from, const frame& it, const wire_format* format);
    [[nodiscard]] std::optional<served> release(handle token) noexcept;
    template <class Write>
    void answer(const holder& to, Write write);
    void write_failure(const holder& to, std::uint64_t correlation, const error& why);

    remoting_state& node_;
    core& here_;
    struct context : ref_context {
        context(node_uid self, remote_gateway& way, std::uint32_t core_count) : ref_context{self} {
            cores = core_count;
            peers = &way;
        }
    } refs_;
    remoting_counters counters_;
    std::vector<ways> ways_;
    std::vector<actor_address> mentioned_;  // by the message that is being encoded
    std::map<node_uid, std::pair<std::uint32_t, std::uint32_t>> places_;

    struct seat {
        inbound* taken = nullptr;
        std::uint32_t generation = 0;
    };
    std::vector<seat> seats_;
    std::deque<std::uint32_t> free_seats_;
    std::vector<served> served_;
    std::deque<std::uint32_t> free_served_;
};

template <class Action>
void remoting_state::on_every_core(Action action) {
    auto& here = this_core();
    for (std::uint32_t id = 0; id < cores.size(); ++id) {
        post_to(here, id, [action, it = cores[id].get()](core&) { action(*it); });
    }
}

}  // namespace cohort::detail
