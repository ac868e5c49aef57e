#include <cohort/cluster/detail/peers.hpp>

#include <algorithm>

namespace cohort::detail {
namespace {

constexpr duration look_time = std::chrono::seconds{2};
constexpr duration backoff_min = std::chrono::milliseconds{100};
constexpr duration backoff_max = std::chrono::milliseconds{500};
constexpr duration forget_after = std::chrono::minutes{2};
// The newest ones: older ones are said again, or said better.
constexpr std::size_t waiting_max = 8;
// Many more than a cluster has nodes.
constexpr std::size_t ways_max = 8192;

std::string tell_trouble(const endpoint& of, const error& why) {
    if (why == errc::not_found) {
        return of.text() + " is a node, but of no cluster";
    }
    if (why == errc::timeout) {
        return of.text() + " does not answer";
    }
    auto text = std::string{why.text().empty() ? name(why.code()) : why.text()};
    if (text.find(of.text()) == std::string::npos) {
        text = of.text() + ": " + text;
    }
    for (const auto* cause = why.cause(); cause != nullptr; cause = cause->cause()) {
        text += cause->text().empty() ? "" : " (" + std::string{cause->text()} + ")";
    }
    return text;
}

}  // namespace

bool peers::usable(const way& by) const {
    return static_cast<bool>(by.found) && whole_.network.knows(by.found);
}

void peers::post(const context<conductor_protocol>& self, way& by, control_message content) {
    whole_.control_out.add();
    by.found.tell(letter{whole_.local, ref<letter_protocol>{self.self()}, std::move(content),
                         whole_.leaving});
}

void peers::send(const context<conductor_protocol>& self, const endpoint& to,
                 control_message content) {
    auto at = key{to.host, to.port};
    if (ways_.size() >= ways_max && !ways_.contains(at)) {
        whole_.control_lost.add();
        return;
    }
    auto& by = ways_[at];
    by.used = self.turn_time();
    if (to == whole_.local) {
        by.found = ref<letter_protocol>{self.self()};
    }
    if (usable(by)) {
        post(self, by, std::move(content));
        return;
    }
    by.found = {};
    by.waiting.push_back(std::move(content));
    if (by.waiting.size() > waiting_max) {
        by.waiting.pop_front();
        whole_.control_lost.add();
    }
    if (!by.looking && self.turn_time() >= by.not_before) {
        by.looking = true;
        self.start(look(this, self, to));
    }
}

task<void> peers::look(peers* all, context<conductor_protocol> self, endpoint to) {
    auto found =
        co_await all->whole_.network.find<letter_protocol>(to, std::string{exposed_as}, look_time);
    all->looked(self, to, std::move(found));
}

void peers::looked(const context<conductor_protocol>& self, const endpoint& to,
                   result<ref<letter_protocol>> outcome) {
    auto& by = ways_[{to.host, to.port}];
    by.looking = false;
    if (!outcome && !usable(by)) {
        by.backoff = std::clamp(by.backoff * 2, backoff_min, backoff_max);
        auto half = static_cast<std::uint64_t>(by.backoff.count() / 2);
        by.not_before = self.now() + by.backoff / 2 +
                        duration{static_cast<duration::rep>(self.random() % (half + 1))};
        by.trouble = tell_trouble(to, outcome.error());
        by.reached = false;
        whole_.control_lost.add(by.waiting.size());
        by.waiting.clear();
        return;
    }
    if (outcome) {
        by.found = *outcome;
    }
    by.reached = true;
    by.backoff = {};
    for (auto& each : std::exchange(by.waiting, {})) {
        post(self, by, std::move(each));
    }
}

void peers::heard(const context<conductor_protocol>& self, const endpoint& from,
                  const ref<letter_protocol>& sender) {
    whole_.control_in.add();
    auto at = key{from.host, from.port};
    if (!sender || from == whole_.local || (ways_.size() >= ways_max && !ways_.contains(at))) {
        return;
    }
    auto& by = ways_[at];
    by.used = self.turn_time();
    if (by.found == sender) {
        return;
    }
    by.found = sender;
    by.reached = true;
    by.backoff = {};
    for (auto& each : std::exchange(by.waiting, {})) {
        post(self, by, std::move(each));
    }
}

void peers::tidy(time_point now) {
    std::erase_if(ways_, [now](const auto& each) {
        return !each.second.looking && now - each.second.used > forget_after;
    });
}

std::string peers::story(const endpoint& of) const {
    auto found = ways_.find({of.host, of.port});
    if (found == ways_.end()) {
        return of.text() + " was not asked";
    }
    const auto& by = found->second;
    if (by.reached) {
        return of.text() + " answers, but has not taken this node into a cluster";
    }
    return by.trouble.empty() ? of.text() + " does not answer" : by.trouble;
}

}  // namespace cohort::detail
