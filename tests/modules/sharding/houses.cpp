#include "houses.hpp"

namespace cohort::sharding_tests {

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
