#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <cohort/actor/ref_codec.hpp>
#include <cohort/actor/system.hpp>
#include <cohort/task/task.hpp>
#include <cohort/tls/credentials.hpp>

namespace cohort {

namespace detail {
struct remoting_state;
}

struct remoting_options {
    /// Nodes of another cluster are refused.
    std::string cluster = "cohort";
    endpoint listen = {"127.0.0.1", 0};
    /// Where others reach this node; an empty host takes the listening address.
    endpoint advertised = {"", 0};
    /// With them every connection runs under TLS 1.3, and only nodes of the cluster are let in: the
    /// certificates name it.
    std::optional<tls_credentials> credentials = {};
    /// How often the files of the credentials are looked at. New ones are used for new connections;
    /// when they are bad, the old ones stay in use and the log says why. Zero: never.
    duration credentials_interval = std::chrono::minutes{1};
    /// Without credentials whoever reaches the port can send anything. So another address than
    /// loopback is refused unless this is set, and then the log says so every minute.
    bool insecure = false;

    /// One frame, at most 16 MiB; what is larger than a chunk travels in pieces anyway.
    std::uint32_t frame_bytes_max = 1U << 20;
    /// One message, and all incomplete ones of a connection.
    std::uint32_t message_bytes_max = 4U << 20;
    /// Queued for one peer, by one core, before asks are refused and tells dropped.
    std::size_t peer_bytes_max = std::size_t{4} << 20;
    /// Of the node: queued in all, and once more for what has come incomplete.
    std::size_t node_bytes_max = std::size_t{256} << 20;
    /// Requests of one connection that are answered at the same time.
    std::uint32_t requests_max = 16 * 1024;

    /// Connections that have not said who they are, and those of one address.
    std::uint32_t half_open_max = 128;
    std::uint32_t half_open_each_max = 16;
    duration handshake_time = std::chrono::seconds{5};
    /// A connection that takes no bytes for so long is closed.
    duration stall_time = std::chrono::seconds{10};
    duration ping_interval = std::chrono::seconds{1};
    /// Control connections are for messages that are worth nothing when they are late. One that is
    /// silent for so long is given up and made again, whatever TCP still hopes for, and an attempt
    /// to make one lasts half as long.
    duration control_patience = std::chrono::seconds{2};
    /// Queued on a control connection, beside everything else that is queued.
    std::size_t control_bytes_max = std::size_t{1} << 20;
    /// A peer that gives no sign of life for so long is gone for good: who watches its actors hears
    /// so.
    duration gone_after = std::chrono::seconds{10};
    duration backoff = std::chrono::milliseconds{50};
    duration backoff_max = std::chrono::seconds{2};
};

/// What the node has sent and received so far, over all cores.
struct remoting_numbers {
    std::uint64_t messages_out = 0;
    std::uint64_t messages_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t writes = 0;
    std::uint64_t tells_dropped = 0;   // the queue for their peer was full, or it is gone
    std::uint64_t tells_lost = 0;      // a connection was lost with them
    std::uint64_t asks_refused = 0;    // certainly not executed
    std::uint64_t unknown_types = 0;   // ids that this program does not know
    std::uint64_t not_understood = 0;  // messages that their target does not list
    std::uint64_t bad_bytes = 0;       // connections closed because of what came
    std::uint64_t handshakes_refused = 0;
    std::uint64_t connections_made = 0;
    std::uint64_t connections_lost = 0;
    std::uint64_t stalled = 0;  // connections closed because the other side took nothing
    std::uint64_t peers_gone = 0;
    std::uint64_t peers = 0;
    std::int64_t outbound_bytes_left = 0;
    std::int64_t inbound_bytes_left = 0;
};

/// Actors of other nodes. A ref to one is found by the name under which its node exposes it, or
/// comes in a message; then it answers to the same verbs as a local one.
///
///     auto& network = system.use(remoting{{.listen = {"127.0.0.1", 4000}}});
///     network.expose("counter", counter);
///
///     auto found = co_await network.find<counter_protocol>({"127.0.0.1", 4000}, "counter", 2s);
///
/// Hosts may be names, which are resolved anew with every attempt to connect.
///
/// Messages between the same two actors arrive in order and at most once, across any number of lost
/// connections; those that ask for the control lane keep an order of their own. A `terminated`
/// arrives exactly once, also when the node of the watched actor is gone or does not answer for
/// `gone_after`. A node that was started again is another node. What waits for a connection that
/// cannot be made is dropped like what was on a connection that is lost: asks fail, tells are
/// counted.
class remoting final : public extension {
public:
    explicit remoting(remoting_options options = {});
    remoting(remoting&&) noexcept;
    remoting& operator=(remoting&&) noexcept;
    ~remoting() override;

    /// Lets other nodes find an actor by a name; the newest actor of a name is found. Every message
    /// of its protocol has to be serializable. Any thread.
    template <class P>
    void expose(std::string name, const ref<P>& target) {
        detail::pass_door<P>();
        expose_as(std::move(name), target.address(), types_of(std::type_identity<P>{}));
    }

    /// Looks an exposed actor up; `P` may be narrower than the protocol that it was exposed with.
    ///
    /// Thread: call from an actor or a task; after the start.
    /// Errors: `not_found`, `invalid` when the actor does not understand a message of `P`,
    ///         `timeout`, `unavailable`, `network`.
    template <class P>
    [[nodiscard]] task<result<ref<P>>> find(endpoint node, std::string name, duration within) {
        detail::pass_door<P>();
        return found_as<P>(find_address(std::move(node), std::move(name),
                                        types_of(std::type_identity<P>{}), within));
    }

    /// Whether the node behind a ref to an actor of another node is still known: false once it was
    /// given up, or has said goodbye. What is sent there then is lost. Any thread.
    template <class P>
    [[nodiscard]] bool knows(const ref<P>& target) const {
        return !target.where().remote() || knows_peer(target.where());
    }

    [[nodiscard]] std::string_view name() const noexcept override { return "remoting"; }
    [[nodiscard]] result<void> start(system& owner) override;
    /// Takes no more connections, sends what is queued, says goodbye.
    [[nodiscard]] task<void> stop() override;

    /// Where other nodes reach this one, after `start`.
    [[nodiscard]] endpoint local() const;
    [[nodiscard]] node_uid uid() const;
    /// Any thread.
    [[nodiscard]] remoting_numbers numbers() const;

private:
    template <class... Messages>
    static std::vector<std::uint32_t> types_of(std::type_identity<protocol<Messages...>>) {
        return {message_id<Messages>()...};
    }
    template <class P>
    static task<result<ref<P>>> found_as(task<result<actor_address>> search) {
        auto found = co_await search;
        if (!found) {
            co_return std::move(found).error();
        }
        co_return ref<P>{*found};
    }
    [[nodiscard]] bool knows_peer(const actor_address& of) const;
    void expose_as(std::string name, handle target, std::vector<std::uint32_t> types);
    task<result<actor_address>> find_address(endpoint node, std::string name,
                                             std::vector<std::uint32_t> types, duration within);

    std::unique_ptr<detail::remoting_state> state_;
    ref<detail::silent> acceptor_;
};

}  // namespace cohort
