#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include <cohort/cluster/cluster.hpp>
#include <cohort/cluster/embedded/messages.hpp>
#include <cohort/runtime/counters.hpp>

namespace cohort::detail {

struct letter;
using letter_protocol = protocol<letter>;

/// A control message as it travels. With it comes where its sender is found, so that nobody has to
/// look for who has just spoken.
struct letter {
    static constexpr std::string_view wire_name = "cohort.cluster.letter";
    static constexpr auto wire_lane = message_lane::control;
    endpoint from;
    ref<letter_protocol> sender;
    control_message content;
    bool leaving = false;  // the sender was told to leave
};

struct give_back {
    std::string space;
    std::uint32_t shard = 0;
    std::uint64_t drain_epoch = 0;
};
struct want_view {
    std::uint64_t epoch = 0;
};
struct depart {
    using reply = bool;
};
struct add_watcher {
    ref<cluster_watcher> who;
};
/// A core has heard of the fence.
struct fence_heard {};
using conductor_protocol = protocol<letter, give_back, want_view, depart, add_watcher, fence_heard>;

/// What the extension, its actor and the readers on every core share.
struct cluster_state {
    cluster_state(remoting& way, cluster_options given) : network{way}, options{std::move(given)} {}

    remoting& network;
    cluster_options options;
    std::vector<space_options> spaces;
    std::vector<ownership_listener*> listeners;
    system* owner = nullptr;
    endpoint local;
    ref<conductor_protocol> conductor;

    lease own_lease;
    std::atomic<node_standing> standing{node_standing::outside};
    std::atomic<bool> member_ready{false};
    std::atomic<bool> was_ready{false};
    std::atomic<bool> leaving{false};

    mutable std::mutex mutex;
    view_ptr current;
    node_uid self;

    core_counter suspensions;
    core_counter fences;
    core_counter views;
    core_counter control_out;
    core_counter control_in;
    core_counter control_lost;
};

}  // namespace cohort::detail
