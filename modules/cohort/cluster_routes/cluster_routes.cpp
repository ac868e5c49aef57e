#include <cohort/cluster_routes/cluster_routes.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <set>

#include <cohort/runtime/handle.hpp>
#include <cohort/runtime/json_text.hpp>
#include <cohort/task/combinators.hpp>
#include <cohort/task/wake_signal.hpp>

namespace cohort {
namespace detail {

/// What each core has heard, and who waits there for more.
struct cluster_hub final : ownership_listener {
    explicit cluster_hub(cluster& whole) : members{whole}, cores(cores_max) {}

    struct on_core {
        view_ptr now;
        node_standing standing = node_standing::outside;
        std::set<wake_signal*> waiting;
        void wake() {
            for (auto* each : waiting) {
                each->notify();
            }
        }
    };

    void view_changed(core& here, const view_ptr& now) override {
        auto& its = cores[here.id()];
        its.now = now;
        if (its.standing == node_standing::outside && now->find(members.self()) != nullptr) {
            its.standing = node_standing::member;
        }
        its.wake();
    }
    void stand(core& here, node_standing what) {
        cores[here.id()].standing = what;
        cores[here.id()].wake();
    }
    void suspended(core& here) override { stand(here, node_standing::suspended); }
    void resumed(core& here) override { stand(here, node_standing::member); }
    void fenced(core& here) override { stand(here, node_standing::outside); }

    cluster& members;
    std::vector<on_core> cores;
};

}  // namespace detail

namespace {

constexpr duration heartbeat = std::chrono::seconds{15};
constexpr std::string_view json_type = "application/json";

std::string uid_text(node_uid uid) {
    auto text = std::array<char, 40>{};
    std::snprintf(text.data(), text.size(), "\"%016llx%016llx\"",
                  static_cast<unsigned long long>(uid.high),
                  static_cast<unsigned long long>(uid.low));
    return text.data();
}

template <class Items, class Show>
std::string list(const Items& items, Show show) {
    auto out = std::string{"["};
    for (const auto& each : items) {
        out += (out.size() == 1 ? "" : ",") + show(each);
    }
    return out + "]";
}

std::string show(const member& who, const view& in) {
    bool votes = std::any_of(in.voters.begin(), in.voters.end(),
                             [&](const voter& seat) { return seat.uid == who.uid; });
    return "{\"uid\":" + uid_text(who.uid) + ",\"address\":" + json_text(who.address.text()) +
           ",\"phase\":" + json_text(name(who.phase)) + ",\"votes\":" + (votes ? "true" : "false") +
           ",\"roles\":" + list(who.roles, [](const auto& role) { return json_text(role); }) +
           ",\"build\":" + json_text(who.build) + "}";
}

std::string show_view(const view_ptr& now, node_uid self, node_standing standing) {
    auto out = "{\"self\":" + uid_text(self) + ",\"standing\":" + json_text(name(standing));
    if (now != nullptr) {
        out += ",\"cluster\":" + uid_text(now->cluster_id) +
               ",\"epoch\":" + std::to_string(now->epoch) +
               ",\"config\":" + std::to_string(now->config) +
               ",\"seats\":" + std::to_string(now->voters.size()) + ",\"members\":" +
               list(now->members, [&](const member& each) { return show(each, *now); });
    }
    return out + "}";
}

std::string show_changes(const view* before, const view& now) {
    auto changes = changes_between(before, now);
    return "{\"epoch\":" + std::to_string(now.epoch) + ",\"changes\":" +
           list(changes,
                [](const member_change& each) {
                    return "{\"what\":" + json_text(name(each.what)) +
                           ",\"uid\":" + uid_text(each.who.uid) +
                           ",\"address\":" + json_text(each.who.address.text()) + "}";
                }) +
           ",\"moving\":" +
           list(now.spaces,
                [](const space& each) {
                    return "{\"space\":" + json_text(each.options.name) +
                           ",\"shards\":" + std::to_string(each.moving.size()) + "}";
                }) +
           "}";
}

std::string show_space(const space& it) {
    return "{\"name\":" + json_text(it.options.name) + ",\"role\":" + json_text(it.options.role) +
           ",\"owners\":" +
           list(it.shards,
                [](const shard_owner& each) {
                    return each.owner == shard_owner::nobody ? std::string{"null"}
                                                             : std::to_string(each.owner);
                }) +
           ",\"moving\":" +
           list(it.moving,
                [](const shard_move& each) {
                    return "{\"shard\":" + std::to_string(each.shard) + ",\"to\":" +
                           (each.to == shard_owner::nobody ? "null" : std::to_string(each.to)) +
                           "}";
                }) +
           "}";
}

std::string event(std::string_view what, const std::string& data) {
    return "event: " + std::string{what} + "\ndata: " + data + "\n\n";
}

/// What a reader of events has been told.
struct told {
    bool anything = false;
    view_ptr last;
    node_standing standing = node_standing::outside;
};

std::string news(told& so_far, const detail::cluster_hub::on_core& here, node_uid self) {
    auto out = std::string{};
    if (!so_far.anything) {
        out = event("snapshot", show_view(here.now, self, here.standing));
    } else if (so_far.last != here.now) {
        bool next = so_far.last != nullptr && so_far.last->cluster_id == here.now->cluster_id &&
                    so_far.last->epoch + 1 == here.now->epoch;
        out = next ? event("view", show_changes(so_far.last.get(), *here.now))
                   : event("snapshot", show_view(here.now, self, here.standing));
    }
    if (so_far.anything && so_far.standing != here.standing) {
        out += event("standing", "{\"standing\":" + json_text(name(here.standing)) + "}");
    }
    so_far = {true, here.now, here.standing};
    return out;
}

task<void> until(wake_signal* woken) { co_await *woken; }
task<void> pause(duration length) { co_await sleep_for{length}; }

task<void> send_events(detail::cluster_hub* hub, body_sink out) {
    auto& here = hub->cores[this_core().id()];
    auto woken = wake_signal{};
    struct waits {
        detail::cluster_hub::on_core& where;
        wake_signal& woken;
        waits(detail::cluster_hub::on_core& at, wake_signal& by) : where{at}, woken{by} {
            where.waiting.insert(&woken);
        }
        ~waits() { where.waiting.erase(&woken); }
    } waiting{here, woken};
    auto so_far = told{};
    for (;;) {
        auto text = news(so_far, here, hub->members.self());
        // A line that says nothing keeps those between from taking the connection for dead.
        if (!co_await out.write(text.empty() ? ":\n\n" : text)) {
            co_return;
        }
        static_cast<void>(co_await when_any(until(&woken), pause(heartbeat)));
    }
}

}  // namespace

cluster_routes::cluster_routes(cluster& members)
    : hub_{std::make_unique<detail::cluster_hub>(members)} {
    members.listen(*hub_);
}
cluster_routes::cluster_routes(cluster_routes&&) noexcept = default;
cluster_routes& cluster_routes::operator=(cluster_routes&&) noexcept = default;
cluster_routes::~cluster_routes() = default;

response cluster_routes::tell_members(detail::cluster_hub& hub) {
    return ok(show_view(hub.members.current(), hub.members.self(), hub.members.standing()) + "\n",
              json_type);
}

response cluster_routes::tell_shards(detail::cluster_hub& hub) {
    auto now = hub.members.current();
    if (now == nullptr) {
        return problem(503, "this node knows no view yet");
    }
    return ok(
        "{\"epoch\":" + std::to_string(now->epoch) + ",\"members\":" +
            list(now->members, [](const member& each) { return json_text(each.address.text()); }) +
            ",\"spaces\":" + list(now->spaces, show_space) + "}\n",
        json_type);
}

response cluster_routes::tell_events(detail::cluster_hub& hub) {
    return streamed("text/event-stream",
                    [it = &hub](body_sink out) { return send_events(it, out); });
}

}  // namespace cohort
