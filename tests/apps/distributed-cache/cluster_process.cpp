#include "free_port.hpp"
#include "serving.hpp"
#include "temporary_folder.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cohort {
namespace {

using namespace std::chrono_literals;

std::string local(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

/// Three nodes with one origin, each a process of its own; any of them may be ended and started.
class three_nodes {
public:
    static constexpr std::size_t size = 3;

    three_nodes() {
        for (auto& port : ports_) {
            port = free_port();
            seeds_ += (seeds_.empty() ? "" : ",") + local(port);
        }
        for (std::size_t index = 0; index < size; ++index) {
            start(index);
        }
        for (auto& node : nodes_) {
            EXPECT_TRUE(becomes(*node, 200));
        }
    }

    void start(std::size_t index) {
        nodes_[index] = std::make_unique<serving>(
            folder_.file("cache.db"),
            std::vector<std::string>{"--node.name", "node-" + std::to_string(index),
                                     "--remoting.listen", local(ports_[index]),
                                     "--cluster.seed_nodes", seeds_});
    }
    [[nodiscard]] serving& operator[](std::size_t index) { return *nodes_[index]; }
    int stop(std::size_t index, int signal) {
        auto status = nodes_[index]->stop(signal);
        nodes_[index].reset();
        return status;
    }

    /// Waits until `/health` of a node says so.
    static bool becomes(serving& node, int status) {
        auto until = std::chrono::steady_clock::now() + 60s;
        while (std::chrono::steady_clock::now() < until) {
            if (node.client().get("/health").status == status) {
                return true;
            }
            ::poll(nullptr, 0, 20);
        }
        return false;
    }

    /// Asks until the answer is a good one; the last answer.
    static http_answer served(serving& node, const std::string& path) {
        auto until = std::chrono::steady_clock::now() + 60s;
        auto answer = node.client().get(path);
        while (answer.status != 200 && std::chrono::steady_clock::now() < until) {
            answer = node.client().get(path);
        }
        return answer;
    }

private:
    temporary_folder folder_;
    std::uint16_t ports_[size] = {};
    std::string seeds_;
    std::unique_ptr<serving> nodes_[size];
};

std::string owner_in(http_answer& answer) {
    auto status = answer.headers["cache-status"];
    auto at = status.find("detail=");
    return at == std::string::npos ? "" : status.substr(at + 7);
}

TEST(cohort_cache_cluster, has_one_owner_for_a_key_whoever_is_asked) {
    auto nodes = three_nodes{};
    auto owners = std::set<std::string>{};
    for (int number = 0; number < 32; ++number) {
        auto path = "/cache-data/key-" + std::to_string(number);
        EXPECT_EQ(nodes[number % 3].client().put(path, "value of " + path).status, 201);
        auto owner = std::string{};
        for (std::size_t index = 0; index < three_nodes::size; ++index) {
            auto answer = nodes[index].client().get(path);
            EXPECT_EQ(answer.status, 200);
            EXPECT_EQ(answer.body, "value of " + path) << "a write through one is read through all";
            EXPECT_EQ(owner_in(answer), index == 0 ? owner_in(answer) : owner);
            owner = owner_in(answer);
        }
        owners.insert(owner);
    }
    EXPECT_EQ(owners.size(), 3U) << "every node has keys";
    auto loads = 0.0;
    for (std::size_t index = 0; index < three_nodes::size; ++index) {
        nodes[index].client().get("/cache-data/never-written");
        loads += nodes[index].metric("cohort_origin_calls_total{kind=\"load\"}");
    }
    EXPECT_EQ(loads, 1) << "one query, whoever asked";
}

TEST(cohort_cache_cluster, serves_every_key_again_when_a_node_was_killed_or_has_left) {
    auto nodes = three_nodes{};
    auto paths = std::vector<std::string>{};
    for (int number = 0; number < 16; ++number) {
        paths.push_back("/cache-data/key-" + std::to_string(number));
        EXPECT_EQ(nodes[0].client().put(paths.back(), "kept").status, 201);
    }
    EXPECT_EQ(nodes.stop(1, SIGKILL), -SIGKILL);
    for (const auto& path : paths) {
        EXPECT_EQ(three_nodes::served(nodes[0], path).body, "kept");
        EXPECT_EQ(three_nodes::served(nodes[2], path).body, "kept");
    }
    // The operator reads it in the log.
    EXPECT_NE(nodes[0].process().read_until("msg=\"member fenced\"").find("msg=\"node may serve\""),
              std::string::npos);
    nodes.start(1);
    EXPECT_TRUE(three_nodes::becomes(nodes[1], 200)) << "it joins again under its address";
    EXPECT_EQ(nodes.stop(0, SIGTERM), 0);
    for (const auto& path : paths) {
        auto answer = nodes[1].client().get(path);
        EXPECT_EQ(answer.status, 200) << "who leaves hands over what it owned: " << answer.body;
        EXPECT_EQ(answer.body, "kept");
        EXPECT_NE(owner_in(answer), "node-0");
    }
}

std::string ends_with_1(std::vector<std::string> arguments) {
    auto folder = temporary_folder{};
    arguments.insert(arguments.end(), {"--cluster.join_time", "1s"});
    auto node = program{with_origin(folder.file("cache.db"), std::move(arguments))};
    EXPECT_EQ(node.wait(), 1);
    return node.printed();
}

TEST(cohort_cache_cluster, explains_seeds_that_lead_into_no_cluster) {
    auto nobody = free_port();
    auto own = local(free_port());
    auto lists = [&](const std::string& seeds) {
        return ends_with_1({"--remoting.listen", own, "--cluster.seed_nodes", seeds});
    };
    EXPECT_NE(lists(local(nobody)).find("cannot connect to " + local(nobody)), std::string::npos);
    EXPECT_NE(lists("no-such-host.invalid:2551").find("cannot resolve no-such-host.invalid"),
              std::string::npos);
    EXPECT_NE(lists(own + "," + own).find("the seed " + own + " is listed twice"),
              std::string::npos);
    auto misspelt = program{{"--cluster.seed_nodes", "127.0.0.1"}};
    EXPECT_EQ(misspelt.wait(), 2);
    EXPECT_NE(misspelt.printed().find("cluster.seed_nodes: \"127.0.0.1\" is no host:port"),
              std::string::npos);
}

TEST(cohort_cache_cluster, is_refused_by_seeds_of_another_cluster) {
    auto folder = temporary_folder{};
    auto seed = local(free_port());
    auto other = serving{
        folder.file("other.db"),
        {"--remoting.listen", seed, "--cluster.seed_nodes", seed, "--cluster.name", "other"}};
    EXPECT_TRUE(three_nodes::becomes(other, 200));
    auto said = ends_with_1({"--remoting.listen", "127.0.0.1:0", "--cluster.seed_nodes", seed});
    EXPECT_NE(said.find(seed + " refused: it belongs to another cluster"), std::string::npos)
        << said;
    EXPECT_EQ(other.client().get("/health").status, 200);
}

}  // namespace
}  // namespace cohort
