#include "houses.hpp"

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

}  // namespace

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

houses::houses(std::size_t nodes, unsigned cores, simulation_options world,
               sharding_options options, entity_options given)
    : entities{std::move(given)}, sim{world} {
    entities.shards = shard_count;
    for (std::size_t i = 0; i < nodes; ++i) {
        uids.push_back({100 + i, 100 + i});
        auto boot = [this, i, options](simulated_node& up) {
            auto made = std::make_shared<house>();
            made->owners = std::make_unique<hand_ownership>(up, uids[i]);
            auto& network =
                up.system().use(remoting{{.listen = {up.host(), 4000}, .insecure = true}});
            made->network = &network;
            made->shards = &up.system().use(sharding{*made->owners, &network, options});
            made->all.emplace(made->shards->space<diary_protocol>(
                "diaries", keep_diary, entities, &seen, static_cast<std::uint32_t>(i)));
            up.state = made;
            ASSERT_TRUE(up.system().start());
        };
        sim.add({.runtime = {.cores = cores}, .boot = boot});
    }
    next.cluster_id = {7, 7};
    for (std::size_t i = 0; i < nodes; ++i) {
        next.members.push_back({.uid = uids[i],
                                .address = {node(i).host(), 4000},
                                .roles = {},
                                .build = {},
                                .phase = member_phase::ready,
                                .acceptor = uids[i]});
    }
    auto diaries = space{};
    diaries.options = {
        .name = "diaries", .shards = shard_count, .hash_id = shard_hash_id, .role = {}};
    diaries.shards.resize(shard_count);
    next.spaces.push_back(std::move(diaries));
}

houses& houses::own(std::uint32_t shard, std::size_t owner) {
    auto& entry = next.spaces[0].shards[shard];
    entry.owner = next.index_of(uids[owner]);
    entry.own_epoch = next.epoch + 1;
    std::erase_if(next.spaces[0].moving, [&](const auto& each) { return each.shard == shard; });
    return *this;
}

houses& houses::own_all(std::size_t owner) {
    for (std::uint32_t shard = 0; shard < shard_count; ++shard) {
        own(shard, owner);
    }
    return *this;
}

houses& houses::move(std::uint32_t shard, std::size_t to) {
    next.spaces[0].moving.push_back({shard, next.epoch + 1, next.index_of(uids[to])});
    return *this;
}

houses& houses::cancel_moves() {
    next.spaces[0].moving.clear();
    return *this;
}

houses& houses::remove(std::size_t i) {
    auto index = next.index_of(uids[i]);
    for (auto& entry : next.spaces[0].shards) {
        if (entry.owner == index) {
            entry = {shard_owner::nobody, next.epoch + 1};
        } else if (entry.owner != shard_owner::nobody && entry.owner > index) {
            --entry.owner;
        }
    }
    for (auto& each : next.spaces[0].moving) {
        each.to -= each.to != shard_owner::nobody && each.to > index ? 1 : 0;
    }
    std::erase_if(next.members, [&](const member& each) { return each.uid == uids[i]; });
    return *this;
}

houses& houses::join(std::size_t i) {
    auto fresh = member{.uid = uids[i],
                        .address = {node(i).host(), 4000},
                        .roles = {},
                        .build = {},
                        .phase = member_phase::ready,
                        .acceptor = uids[i]};
    auto at = std::find_if(next.members.begin(), next.members.end(),
                           [&](const member& each) { return uids[i] < each.uid; });
    auto index = at - next.members.begin();
    next.members.insert(at, fresh);
    for (auto& entry : next.spaces[0].shards) {
        entry.owner += entry.owner != shard_owner::nobody && entry.owner >= index ? 1 : 0;
    }
    for (auto& each : next.spaces[0].moving) {
        each.to += each.to != shard_owner::nobody && each.to >= index ? 1 : 0;
    }
    return *this;
}

view_ptr houses::make() {
    ++next.epoch;
    return std::make_shared<const view>(next);
}

void houses::publish() {
    auto made = make();
    for (std::size_t i = 0; i < sim.size(); ++i) {
        if (node(i).up()) {
            show(i, made);
        }
    }
}

std::string houses::key_in(std::uint32_t shard) {
    for (int i = 0;; ++i) {
        auto key = "key" + std::to_string(i);
        if (shard_of(key, shard_count) == shard) {
            return key;
        }
    }
}

}  // namespace cohort::sharding_tests
