// What a node of the cluster says to another one about leases and views: whatever the bytes are,
// what the decoder accepts is encoded to the same bytes, and a view that is accepted can be looked
// at and compared with any other.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <cohort/cluster/embedded/messages.hpp>

namespace {

using namespace cohort;

void collect(const view_ptr& from, std::vector<view_ptr>& to) {
    if (from != nullptr) {
        to.push_back(from);
    }
}

/// The views of a message.
std::vector<view_ptr> views_of(const control_message& message) {
    auto out = std::vector<view_ptr>{};
    if (const auto* promise = std::get_if<paxos_promise>(&message)) {
        collect(promise->accepted, out);
        collect(promise->committed, out);
    } else if (const auto* asked = std::get_if<paxos_accept>(&message)) {
        collect(asked->next, out);
    } else if (const auto* refused = std::get_if<paxos_refused>(&message)) {
        collect(refused->committed, out);
    } else if (const auto* commit = std::get_if<view_commit>(&message)) {
        collect(commit->decided, out);
    }
    return out;
}

void look_at(const view& it) {
    COHORT_ASSERT(what_is_wrong(it) == nullptr, "a view that is accepted can be");
    for (const auto& each : it.members) {
        COHORT_ASSERT(it.find(each.uid) == &each, "a member is found by its uid");
        static_cast<void>(owns_anything(it, each.uid));
        static_cast<void>(left_by_itself(it, each));
        static_cast<void>(name(each.phase));
        static_cast<void>(each.knows_space(it.spaces.empty() ? "" : it.spaces[0].options.name));
        static_cast<void>(each.has_role(each.roles.empty() ? "" : each.roles[0]));
    }
    for (const auto& each : it.voters) {
        const auto* seat = it.seat_of(each.acceptor);
        COHORT_ASSERT(each.acceptor == node_uid{} || seat == &each, "a seat has one holder");
    }
}

/// Whether it says so or not, nothing is read that is not there.
void compare(const view& base, const view& next) {
    if (what_is_wrong(base, next) == nullptr) {
        static_cast<void>(gives_first_owner(base, next));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto input = std::string_view{reinterpret_cast<const char*>(data), size};
    auto found = decode<control_message>(input);
    if (!found) {
        static_cast<void>(found.error().message());
        return 0;
    }
    auto first = byte_buffer{};
    encode(*found, first).value();
    auto again = decode<control_message>(first.view()).value();
    auto second = byte_buffer{};
    encode(again, second).value();
    COHORT_ASSERT(first.view() == second.view(), "an accepted message keeps its bytes");
    auto views = views_of(*found);
    for (const auto& each : views) {
        look_at(*each);
        compare(*each, *each);
    }
    if (views.size() == 2) {
        compare(*views[1], *views[0]);
        compare(*views[0], *views[1]);
    }
    if (const auto* asked = std::get_if<join_request>(&*found)) {
        static_cast<void>(what_is_wrong(asked->self));
    }
    return 0;
}
