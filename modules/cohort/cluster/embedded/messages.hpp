#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <cohort/cluster/view.hpp>
#include <cohort/cluster/view_rules.hpp>
#include <cohort/runtime/codec.hpp>

/// What the nodes of the register say to each other (B3). Times on the wire are lengths, never
/// instants: there is no common clock. `asked_at` is of the asker's own clock and comes back as it
/// was sent.

namespace cohort {

/// A view travels whole. One that no node could have made is refused by the decoder (E6).
template <>
struct codec<view_ptr> {
    static constexpr std::size_t bytes_min = 1;

    template <class Sink>
    static void write(Sink& out, const view_ptr& value) {
        out.put(value != nullptr);
        if (value != nullptr) {
            codec<view>::write(out, *value);
        }
    }
    static bool read(codec_reader& in, view_ptr& value) {
        value = nullptr;
        auto present = false;
        if (!in.get(present)) {
            return false;
        }
        if (!present) {
            return true;
        }
        auto read = std::make_shared<view>();
        if (!codec<view>::read(in, *read)) {
            return false;
        }
        if (const auto* wrong = what_is_wrong(*read)) {
            return in.fail(errc::invalid, wrong);
        }
        value = std::move(read);
        return true;
    }
};

/// Orders proposals (R1): a higher one wins; no two proposers have the same one.
struct ballot {
    std::uint64_t number = 0;
    node_uid proposer;  // its acceptor
    friend bool operator==(const ballot&, const ballot&) noexcept = default;
    friend auto operator<=>(const ballot&, const ballot&) noexcept = default;
};

/// Asks an acceptor to take nothing with a lower ballot any more.
struct paxos_prepare {
    node_uid acceptor;
    cohort::ballot ballot;
    std::uint64_t epoch = 0;  // committed, as far as the asker knows
};
struct paxos_promise {
    node_uid acceptor;
    cohort::ballot ballot;
    cohort::ballot accepted_at;
    view_ptr accepted;   // above the committed epoch, or null
    view_ptr committed;  // when it is newer than the asker's
};
/// Asks an acceptor to accept the view behind the one of the epoch before.
struct paxos_accept {
    node_uid acceptor;
    cohort::ballot ballot;
    view_ptr next;
    bool recovered = false;  // it may have been chosen already (R10)
};
struct paxos_accepted {
    node_uid acceptor;
    cohort::ballot ballot;
    std::uint64_t epoch = 0;
};
enum class paxos_refusal : std::uint8_t {
    promised,  ///< to a higher ballot
    behind,    ///< the acceptor does not know the view before this one
    over,      ///< this epoch is decided
    guarded,   ///< it fences a member whose lease may hold (R6)
    silent,    ///< fences come later (R7)
    unsound,   ///< no view that may follow the one before (E6)
};
struct paxos_refused {
    node_uid acceptor;
    cohort::ballot ballot;
    paxos_refusal why = paxos_refusal::promised;
    cohort::ballot promised;
    std::uint64_t epoch = 0;  // committed, as far as the acceptor knows
    duration remaining{};     // until the reason is gone, when time alone heals it
    view_ptr committed;       // when it is newer than what was asked for
};

/// A view that is decided.
struct view_commit {
    view_ptr decided;
};
/// Asks for it when the other one knows a newer view than this epoch.
struct view_request {
    std::uint64_t epoch = 0;
};

struct lease_renew {
    node_uid acceptor;
    node_uid uid;
    std::uint32_t config = 0;
    std::uint64_t epoch = 0;
    duration asked_at{};
};
struct lease_grant {
    node_uid acceptor;
    node_uid uid;
    std::uint32_t config = 0;
    std::uint64_t epoch = 0;
    duration asked_at{};
};
enum class lease_denial : std::uint8_t {
    unknown,       ///< no member, in the newest view that the acceptor knows
    config_moved,  ///< the electorate is another one
    doomed,        ///< a view that fences the node may have been chosen (R11)
};
struct lease_denied {
    node_uid acceptor;
    node_uid uid;
    std::uint64_t epoch = 0;
    lease_denial why = lease_denial::unknown;
};

/// Asks an acceptor what it owes to whom.
struct lease_query {
    node_uid acceptor;
    std::uint64_t epoch = 0;
    duration asked_at{};
};
struct lease_state {
    static constexpr duration unknown = duration::max();  // it never asked, and is new (R12)
    node_uid uid;
    duration remaining{};  // zero: its lease is over, as far as this acceptor knows
};
struct lease_info {
    node_uid acceptor;
    std::uint64_t epoch = 0;
    std::uint64_t accepted_epoch = 0;  // above `epoch` when there is a view that nobody decided
    duration asked_at{};
    duration silent{};        // until fences (R7)
    duration first_silent{};  // until first owners (B6)
    std::vector<lease_state> leases;
};

/// What a node without a cluster asks the seeds, and a member that lost its own asks its voters.
struct seed_hello {
    std::string cluster;
    member self;
    std::uint64_t seeds_hash = 0;  // every node is given the same list
    bool blank = false;            // it has no cluster
};
struct seed_answer {
    std::string cluster;
    member self;
    std::uint64_t seeds_hash = 0;
    bool blank = false;
    bool has_quorum = false;
    node_uid cluster_id;
    std::uint64_t epoch = 0;
    std::vector<endpoint> voters;  // whom to ask for admission
};

struct join_request {
    member self;
    std::vector<space_options> spaces;
    cluster_times times;
    node_uid cluster_id;
    std::uint64_t epoch = 0;  // of an answer that came to this incarnation
};
struct join_refused {
    node_uid uid;
    std::string why;
};
/// The member's lease holds: it can own shards.
struct ready_report {
    node_uid uid;
};
struct shard_release {
    node_uid uid;
    std::string space;
    std::uint32_t shard = 0;
    std::uint64_t drain_epoch = 0;
};
struct leave_request {
    node_uid uid;
};

/// Asks a member whether it would take a seat (R14).
struct seat_probe {
    node_uid acceptor;
    std::uint64_t epoch = 0;
    duration asked_at{};
};
struct seat_ready {
    node_uid acceptor;
    std::uint64_t epoch = 0;
    duration asked_at{};
};

using control_message =
    std::variant<paxos_prepare, paxos_promise, paxos_accept, paxos_accepted, paxos_refused,
                 view_commit, view_request, lease_renew, lease_grant, lease_denied, lease_query,
                 lease_info, seed_hello, seed_answer, join_request, join_refused, ready_report,
                 shard_release, leave_request, seat_probe, seat_ready>;

}  // namespace cohort
