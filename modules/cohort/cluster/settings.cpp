#include <cohort/cluster/settings.hpp>

namespace cohort {
namespace {

const auto defaults = cluster_options{};

const config_key<std::string> cluster_name{.name = "cluster.name",
                                           .fallback = defaults.name,
                                           .help = "nodes of another cluster are refused"};
const config_key<std::vector<std::string>> seeds{
    .name = "cluster.seed_nodes",
    .help = "host:port of the nodes that found the cluster, in the same order on every node"};
const config_key<duration> ttl{.name = "cluster.ttl",
                               .fallback = defaults.times.ttl,
                               .help = "how long a node may act without hearing from a majority",
                               .min = duration{std::chrono::milliseconds{200}},
                               .max = duration{std::chrono::minutes{5}}};
const config_key<duration> renew{.name = "cluster.renew",
                                 .fallback = defaults.times.renew,
                                 .help = "how often a node renews its lease",
                                 .min = duration{std::chrono::milliseconds{20}},
                                 .max = duration{std::chrono::minutes{1}}};
const config_key<duration> guard{.name = "cluster.guard",
                                 .fallback = defaults.times.guard,
                                 .help = "how much earlier than its lease a node stops acting"};
const config_key<std::vector<std::string>> roles{
    .name = "cluster.roles", .help = "what this node is for; empty is for everything"};
const config_key<std::string> build{.name = "cluster.build",
                                    .help = "the version of the program, shown to people"};
const config_key<std::uint32_t> voters{.name = "cluster.voters",
                                       .fallback = defaults.voters,
                                       .help = "nodes that vote, at most: 1, 3, 5 or 7",
                                       .min = 1,
                                       .max = 7};
const config_key<duration> join_time{
    .name = "cluster.join_time",
    .fallback = defaults.join_time,
    .help = "a node that could not join for so long ends and says why",
    .min = duration{std::chrono::seconds{1}}};

}  // namespace

void add_cluster_options(config_schema& schema) {
    auto add = [&schema](const auto&... keys) { (schema.add(keys), ...); };
    add(cluster_name, seeds, ttl, renew, guard, roles, build, voters, join_time);
}

result<cluster_options> make_cluster_options(const config& values) {
    auto out = cluster_options{.name = values.get(cluster_name)};
    for (const auto& text : values.get(seeds)) {
        auto read = endpoint::parse(text);
        if (!read) {
            return error{errc::invalid, "cluster.seed_nodes: \"" + text + "\" is no host:port: " +
                                            std::string{read.error().text()}};
        }
        out.seeds.push_back(std::move(*read));
    }
    out.times.ttl = values.get(ttl);
    out.times.renew = values.get(renew);
    out.times.guard = values.get(guard);
    out.voters = values.get(voters);
    out.roles = values.get(roles);
    out.build = values.get(build);
    out.join_time = values.get(join_time);
    return out;
}

}  // namespace cohort
