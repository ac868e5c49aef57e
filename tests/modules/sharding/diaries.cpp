#include "diaries.hpp"

#include <algorithm>

namespace cohort::sharding_tests {
namespace {

struct running_here {
    ghost* all;
    std::string key;
    running_here(ghost* whose, std::string its) : all{whose}, key{std::move(its)} {
        all->most = std::max(all->most, ++all->running[key]);
    }
    running_here(const running_here&) = delete;
    ~running_here() { --all->running[key]; }
};

}  // namespace

behavior<diary_protocol> keep_diary(entity_context<diary_protocol> self, ghost* all,
                                    std::uint32_t where) {
    auto alive = running_here{all, self.key() + '@' + std::to_string(where)};
    auto taken = std::map<std::string, std::vector<std::int64_t>>{};
    auto act = [&](const std::string& who, std::int64_t number) {
        taken[who].push_back(number);
        auto index = all->acts.size();
        all->acts.push_back({self.key(), who, number, self.epoch(), where, self.now()});
        all->newest[self.key()] = index;
        self.publish(shown_act{index});
    };
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<put>()) {
            act(request->who, request->number);
            request.reply(static_cast<std::int64_t>(taken[request->who].size()));
        } else if (auto told = message.get_if<note>()) {
            act(told->who, told->number);
        } else if (auto wanted = message.get_if<look>()) {
            wanted.reply(taken[wanted->who]);
        } else if (auto asked = message.get_if<last>()) {
            asked.reply(-1);
        } else if (auto patient = message.get_if<linger>()) {
            co_await self.sleep(std::chrono::milliseconds{patient->milliseconds});
            act("lingerer", patient->number);
            patient.reply(patient->number);
        }
    }
}

hand_ownership::hand_ownership(simulated_node& where, node_uid name) : node{where}, uid{name} {
    held.set_end(time_point::max());
}

void hand_ownership::release(std::string, std::uint32_t shard, std::uint64_t drain_epoch) {
    released.emplace_back(shard, drain_epoch);
}

task<void> hand_ownership::leave() {
    while (left && !left()) {
        co_await sleep_for{1ms};
    }
}

void hand_ownership::see(view_ptr next) {
    if (now && now->epoch >= next->epoch) {
        return;
    }
    now = next;
    for (std::uint32_t id = 0; id < node.system().cores(); ++id) {
        node.system().runtime().post(id, [this, next](core& here) {
            for (auto* each : listeners) {
                each->view_changed(here, next);
            }
        });
    }
}

void hand_ownership::suspend() {
    held.set_end(time_point::min());
    for (std::uint32_t id = 0; id < node.system().cores(); ++id) {
        node.system().runtime().post(id, [this](core& here) {
            for (auto* each : listeners) {
                each->suspended(here);
            }
        });
    }
}

void hand_ownership::resume() {
    held.set_end(time_point::max());
    for (std::uint32_t id = 0; id < node.system().cores(); ++id) {
        node.system().runtime().post(id, [this](core& here) {
            for (auto* each : listeners) {
                each->resumed(here);
            }
        });
    }
}

void hand_ownership::fence(std::uint64_t new_name) {
    for (std::uint32_t id = 0; id < node.system().cores(); ++id) {
        node.system().runtime().post(id, [this](core& here) {
            for (auto* each : listeners) {
                each->fenced(here);
            }
        });
    }
    uid = {new_name, new_name};
    held.set_end(time_point::max());
}

std::vector<std::int64_t> ghost::numbers_of(const std::string& who) const {
    auto out = std::vector<std::int64_t>{};
    for (const auto& each : acts) {
        if (each.who == who) {
            out.push_back(each.number);
        }
    }
    return out;
}

task<void> put_one(sharded<diary_protocol> all, std::string key, std::string who, duration within,
                   outcomes* book) {
    auto name = who + ">" + key;
    auto number = ++book->sent[name];
    auto answer = co_await all[key].ask<put>(within, name, number);
    if (answer) {
        book->done.insert({name, number});
    } else if (answer.error().executed() == executed::no) {
        book->not_done.insert({name, number});
    } else {
        ++book->maybe;
    }
}

std::optional<std::string> judge(const ghost& seen, const outcomes& book) {
    auto last = std::map<std::string, std::int64_t>{};
    auto epochs = std::map<std::string, std::uint64_t>{};
    auto acted = std::set<std::pair<std::string, std::int64_t>>{};
    for (const auto& each : seen.acts) {
        auto name = each.who + " " + std::to_string(each.number);
        if (!acted.insert({each.who, each.number}).second) {
            return "done twice: " + name;
        }
        if (each.number <= std::exchange(last[each.who], each.number)) {
            auto text = "out of order: " + name;
            auto number = std::int64_t{-1};
            for (const auto& act : seen.acts) {
                if (act.who == each.who && act.number != std::exchange(number, act.number) + 1) {
                    text += "\nfrom " + std::to_string(act.number) + " on by node " +
                            std::to_string(act.node) + " in epoch " + std::to_string(act.epoch) +
                            " at " + std::to_string(act.at.time_since_epoch().count() / 1000) +
                            " us";
                }
            }
            return text;
        }
        if (each.epoch < std::exchange(epochs[each.key], each.epoch)) {
            return "an older owner acted behind a newer one: " + name;
        }
    }
    for (const auto& each : book.not_done) {
        if (acted.count(each) != 0) {
            return "was said not to be executed: " + each.first + " " + std::to_string(each.second);
        }
    }
    for (const auto& each : book.done) {
        if (acted.count(each) == 0) {
            return "was answered and not done: " + each.first + " " + std::to_string(each.second);
        }
    }
    if (seen.most > 1) {
        return "an entity ran twice on a node";
    }
    return std::nullopt;
}

}  // namespace cohort::sharding_tests
