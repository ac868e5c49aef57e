#include <cohort/remoting/detail/directory.hpp>

#include <algorithm>

#include <cohort/world/mutant.hpp>

namespace cohort::detail {
namespace {

// Nodes that come back do so soon, or as another node.
constexpr std::size_t given_up_max = 256;

}  // namespace

directory::entry* directory::live(std::uint32_t place, std::uint32_t generation) {
    if (place >= entries_.size()) {
        return nullptr;
    }
    auto& found = entries_[place];
    return found.live && found.known.generation == generation ? &found : nullptr;
}

directory::entry* directory::make(node_uid uid) {
    if (by_uid_.size() == peers_max) {
        return nullptr;
    }
    if (entries_.empty()) {
        entries_.emplace_back();
    }
    auto place = static_cast<std::uint32_t>(entries_.size());
    if (free_.empty()) {
        entries_.emplace_back();
    } else {
        // First in, first out: a place rests as long as possible before it is used again.
        place = free_.front();
        free_.pop_front();
    }
    auto& fresh = entries_[place];
    auto generation = fresh.known.generation + 1;
    fresh = {};
    fresh.live = true;
    fresh.known.place = place;
    fresh.known.generation = generation == 0 ? 1 : generation;
    fresh.known.uid = uid;
    fresh.known.session = world_.random() | 1;
    fresh.known.address.port = 0;
    by_uid_[uid] = place;
    return &fresh;
}

void directory::drop(entry& old) {
    by_uid_.erase(old.known.uid);
    auto at = by_address_.find({old.known.address.host, old.known.address.port});
    if (at != by_address_.end() && at->second == old.known.place) {
        by_address_.erase(at);
    }
    given_up_.push_back(old.known.uid);
    if (given_up_.size() > given_up_max) {
        given_up_.pop_front();
    }
    old.live = false;
    old.lanes.clear();
    free_.push_back(old.known.place);
}

void directory::note_address(entry& it, const endpoint& address) {
    if (address.port == 0) {
        return;
    }
    auto before = by_address_.find({it.known.address.host, it.known.address.port});
    if (before != by_address_.end() && before->second == it.known.place) {
        by_address_.erase(before);
    }
    it.known.address = address;
    by_address_[{address.host, address.port}] = it.known.place;
}

std::optional<peer> directory::find(std::uint32_t place, std::uint32_t generation) {
    auto guard = std::lock_guard{mutex_};
    auto* found = live(place, generation);
    return found == nullptr ? std::nullopt : std::optional{found->known};
}

std::optional<peer> directory::find(node_uid uid) {
    auto guard = std::lock_guard{mutex_};
    auto found = by_uid_.find(uid);
    return found == by_uid_.end() ? std::nullopt : std::optional{entries_[found->second].known};
}

std::optional<peer> directory::find(const endpoint& address) {
    auto guard = std::lock_guard{mutex_};
    auto found = by_address_.find({address.host, address.port});
    return found == by_address_.end() ? std::nullopt : std::optional{entries_[found->second].known};
}

std::optional<peer> directory::learn(node_uid uid, const endpoint& address, handle names) {
    auto guard = std::lock_guard{mutex_};
    auto found = by_uid_.find(uid);
    auto* it = found == by_uid_.end() ? make(uid) : &entries_[found->second];
    if (it == nullptr) {
        return std::nullopt;
    }
    note_address(*it, address);
    it->known.names = names ? names : it->known.names;
    return it->known;
}

std::optional<peer> directory::introduce(node_uid uid, const endpoint& address) {
    auto guard = std::lock_guard{mutex_};
    auto found = by_uid_.find(uid);
    auto* it = found == by_uid_.end() ? make(uid) : &entries_[found->second];
    if (it == nullptr || it->known.address.port != 0) {
        return std::nullopt;
    }
    note_address(*it, address);
    return it->known;
}

bool directory::forget(std::uint32_t place, std::uint32_t generation) {
    auto guard = std::lock_guard{mutex_};
    auto* found = live(place, generation);
    if (found != nullptr) {
        drop(*found);
    }
    return found != nullptr;
}

bool directory::confirm(std::uint32_t place, std::uint32_t generation, const welcome& message) {
    auto guard = std::lock_guard{mutex_};
    auto* found = live(place, generation);
    if (found == nullptr) {
        return false;
    }
    auto& its = found->known.its_session;
    if (its != 0 && its != message.callee_session && !COHORT_MUTANT(old_incarnation_kept)) {
        return false;
    }
    its = message.callee_session;
    found->known.names = handle{message.names};
    return true;
}

directory::admission directory::admit(const hello& message, const holder& by) {
    auto guard = std::lock_guard{mutex_};
    auto out = admission{};
    auto found = by_uid_.find(message.caller);
    auto* it = found == by_uid_.end() ? nullptr : &entries_[found->second];
    bool knows_another = message.callee_session != 0 && !COHORT_MUTANT(old_incarnation_kept) &&
                         (it == nullptr || it->known.session != message.callee_session);
    if (knows_another) {
        out.why = rejection::forgotten;
        return out;
    }
    if (it != nullptr && it->known.its_session != 0 &&
        it->known.its_session != message.caller_session) {
        // The caller had given this node up and begins anew, so what was is over here too.
        out.gone = it->known;
        drop(*it);
        it = nullptr;
    }
    if (it == nullptr) {
        it = make(message.caller);
    }
    if (it == nullptr) {
        out.why = rejection::busy;
        return out;
    }
    it->known.its_session = message.caller_session;
    if (it->known.address.port == 0) {
        note_address(*it, {message.host, message.port});
    }
    auto& state = it->lanes[{message.lane, message.core}];
    if (message.attempt <= state.attempt) {
        out.why = rejection::stale;
        return out;
    }
    out.anew = state.attempt == 0 &&
               std::find(given_up_.begin(), given_up_.end(), message.caller) != given_up_.end();
    state.attempt = message.attempt;
    out.replaced = std::exchange(state.held_by, by);
    out.who = it->known;
    return out;
}

void directory::release(std::uint32_t place, std::uint32_t generation, lane kind, std::uint8_t core,
                        const holder& by) {
    auto guard = std::lock_guard{mutex_};
    if (auto* found = live(place, generation)) {
        auto state = found->lanes.find({kind, core});
        if (state != found->lanes.end() && state->second.held_by == by) {
            state->second.held_by = {};
        }
    }
}

std::vector<peer> directory::all() {
    auto guard = std::lock_guard{mutex_};
    auto out = std::vector<peer>{};
    for (const auto& each : entries_) {
        if (each.live) {
            out.push_back(each.known);
        }
    }
    return out;
}

}  // namespace cohort::detail
