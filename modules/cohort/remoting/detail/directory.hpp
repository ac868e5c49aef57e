#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <cohort/remoting/handshake.hpp>
#include <cohort/world/world.hpp>

namespace cohort::detail {

/// One node that this node knows: an incarnation, from acquaintance until it is gone.
struct peer {
    std::uint32_t place = 0;  // in the table, from 1 on
    std::uint32_t generation = 0;
    node_uid uid;
    endpoint address;               // without a port while it is unknown
    std::uint64_t session = 0;      // this side's number of the acquaintance
    std::uint64_t its_session = 0;  // the other side's; zero while it is unknown
    handle names;  // its actor that knows what it exposes; null while it is unknown
};

/// Where an accepted connection lives.
struct holder {
    std::uint32_t core = 0;
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;  // zero: nobody
    friend bool operator==(const holder&, const holder&) noexcept = default;
};

/// The nodes that this node knows, for all its cores. Asked when something is new: at a handshake,
/// at the first sight of a ref, when a peer goes.
///
/// Thread: any.
class directory {
public:
    static constexpr std::size_t peers_max = 4096;

    explicit directory(cohort::world& world) : world_{world} {}

    [[nodiscard]] std::optional<peer> find(std::uint32_t place, std::uint32_t generation);
    [[nodiscard]] std::optional<peer> find(node_uid uid);
    [[nodiscard]] std::optional<peer> find(const endpoint& address);
    /// The peer with this uid, made when it is new. An address or names actor that is known is
    /// noted. Nothing when the table is full.
    [[nodiscard]] std::optional<peer> learn(node_uid uid, const endpoint& address, handle names);
    /// What somebody else says about where a node listens; believed while nothing better is known.
    /// Gives the peer when that was news.
    [[nodiscard]] std::optional<peer> introduce(node_uid uid, const endpoint& address);
    /// Gives a peer up; true for the one call that did it.
    [[nodiscard]] bool forget(std::uint32_t place, std::uint32_t generation);
    /// What a welcome said. False when the other side means another acquaintance than this one.
    [[nodiscard]] bool confirm(std::uint32_t place, std::uint32_t generation,
                               const welcome& message);

    struct admission {
        rejection why = rejection::none;
        peer who;
        holder replaced;           // the lane's connection until now, if any
        std::optional<peer> gone;  // the caller had given this acquaintance up
        bool anew = false;  // the lane's first connection, and not with this node's first one
    };
    /// Decides about a hello that was judged well, and notes who holds its lane from now on.
    [[nodiscard]] admission admit(const hello& message, const holder& by);
    /// A connection ended; does nothing when another one holds the lane by now.
    void release(std::uint32_t place, std::uint32_t generation, lane kind, std::uint8_t core,
                 const holder& by);

    [[nodiscard]] std::vector<peer> all();

private:
    struct lane_state {
        std::uint64_t attempt = 0;
        holder held_by;
    };
    struct entry {
        peer known;
        bool live = false;
        std::map<std::pair<lane, std::uint8_t>, lane_state> lanes;
    };

    entry* live(std::uint32_t place, std::uint32_t generation);
    entry* make(node_uid uid);
    void drop(entry& old);
    void note_address(entry& it, const endpoint& address);

    cohort::world& world_;
    std::mutex mutex_;
    std::deque<entry> entries_;  // entry 0 is this node itself and stays unused
    std::deque<std::uint32_t> free_;
    std::map<node_uid, std::uint32_t> by_uid_;
    std::deque<node_uid> given_up_;  // the last ones; they may come back
    std::map<std::pair<std::string, std::uint16_t>, std::uint32_t> by_address_;
};

}  // namespace cohort::detail
