// Records what the nodes of a register say to each other while they make a cluster, take another
// one in, lose one and leave. What it is good for: the seeds of the fuzz targets are such
// conversations.
//
//     COHORT_RECORD=tests/fuzz/corpus test_register --gtest_filter=register_conversations*

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include <gtest/gtest.h>

#include <fuzz/register.hpp>

namespace cohort::register_talk {
namespace {

void save(const std::string& target, const std::string& name, std::string_view content) {
    const auto* folder = std::getenv("COHORT_RECORD");
    if (folder == nullptr) {
        return;
    }
    auto path = std::filesystem::path{folder} / target / ("recorded_" + name);
    std::filesystem::create_directories(path.parent_path());
    auto file = std::ofstream{path, std::ios::binary};
    file << content;
    EXPECT_TRUE(file.good()) << path;
}

/// Nodes that hear each other one tick later.
class talk {
public:
    void start(std::uint32_t which) {
        nodes_[which].emplace(make_node(which));
        heard_[which] = std::string(1, static_cast<char>(which));
        heard_at_[which] = now_;
        nodes_[which]->start(now_);
        take_from(which);
    }
    void kill(std::uint32_t which) { nodes_[which].reset(); }
    void leave(std::uint32_t which) {
        hear(which, 0xff, {});
        nodes_[which]->leave(now_);
        take_from(which);
    }
    void run_for(duration length) {
        for (auto end = now_ + length; now_ < end; now_ += tick) {
            deliver();
            for (std::uint32_t which = 0; which < nodes; ++which) {
                if (nodes_[which] && nodes_[which]->due() <= now_) {
                    nodes_[which]->tick(now_);
                    take_from(which);
                }
            }
        }
    }

    [[nodiscard]] const register_node& node(std::uint32_t which) const { return *nodes_[which]; }
    /// Whatever that node was told, behind the byte that names it.
    [[nodiscard]] const std::string& heard(std::uint32_t which) const { return heard_.at(which); }
    /// The views of the first node, in order.
    [[nodiscard]] const std::vector<view_ptr>& views() const { return views_; }
    /// The longest and the shortest message of each kind.
    [[nodiscard]] const std::map<std::size_t, std::pair<std::string, std::string>>& kinds() const {
        return kinds_;
    }

private:
    struct sent {
        std::uint32_t from;
        outgoing_control what;
    };

    void hear(std::uint32_t which, std::uint32_t from, std::string_view message) {
        auto ticks = static_cast<std::uint64_t>((now_ - heard_at_[which]) / tick);
        write_step(ticks, from, message, heard_[which]);
        heard_at_[which] = now_;
    }
    void take_from(std::uint32_t which) {
        for (auto& each : nodes_[which]->take_outgoing()) {
            flying_.push_back({which, std::move(each)});
        }
        for (const auto& event : nodes_[which]->take_events()) {
            if (which == 0 && event.view) {
                views_.push_back(event.view);
            }
            // Shards are given back as soon as they are asked for.
            for (const auto& move :
                 event.view ? event.view->spaces[0].moving : std::vector<shard_move>{}) {
                nodes_[which]->release(now_, 0, move.shard, move.drain_epoch);
            }
        }
    }
    void deliver() {
        for (auto batch = std::exchange(flying_, {}); const auto& each : batch) {
            auto out = byte_buffer{};
            encode(each.what.content, out).value();
            auto found =
                kinds_.try_emplace(each.what.content.index(), out.view(), out.view()).first;
            if (out.size() > found->second.first.size()) {
                found->second.first = out.view();
            }
            if (out.size() < found->second.second.size()) {
                found->second.second = out.view();
            }
            for (std::uint32_t which = 0; which < nodes; ++which) {
                if (nodes_[which] && each.what.to == address_of(which)) {
                    hear(which, each.from, out.view());
                    nodes_[which]->receive(now_, address_of(each.from), each.what.content);
                    take_from(which);
                }
            }
        }
    }

    time_point now_{1h};
    std::array<std::optional<register_node>, nodes> nodes_;
    std::array<std::string, nodes> heard_;
    std::array<time_point, nodes> heard_at_{};
    std::deque<sent> flying_;
    std::vector<view_ptr> views_;
    std::map<std::size_t, std::pair<std::string, std::string>> kinds_;
};

TEST(register_conversations, have_almost_every_kind_of_message) {
    auto all = talk{};
    for (std::uint32_t which = 0; which < 3; ++which) {
        all.start(which);
    }
    all.run_for(3s);
    ASSERT_EQ(all.node(0).phase(), register_phase::member);
    all.start(3);
    all.run_for(1s);
    EXPECT_EQ(all.node(3).phase(), register_phase::member);
    for (std::uint32_t which = 0; which < nodes; ++which) {
        // As short as it can be: a member is one by the end of it.
        save("fuzz_register", "joins_" + std::to_string(which), all.heard(which));
    }
    all.kill(1);
    all.run_for(2s);
    ASSERT_EQ(all.node(0).current()->find(all.node(3).uid())->uid, all.node(3).uid());
    all.leave(3);
    all.run_for(1s);
    EXPECT_EQ(all.node(3).phase(), register_phase::left);
    all.start(1);
    all.run_for(2s);
    save("fuzz_register", "loses_one", all.heard(2));
    save("fuzz_register", "leaves", all.heard(3));
    save("fuzz_register", "is_started_again", all.heard(1));
    for (const auto& [kind, messages] : all.kinds()) {
        save("fuzz_cluster", "long_" + std::to_string(kind), messages.first);
        save("fuzz_cluster", "short_" + std::to_string(kind), messages.second);
    }
    for (std::size_t i = 1; i < all.views().size(); ++i) {
        auto out = byte_buffer{};
        encode(control_message{paxos_promise{.accepted = all.views()[i],
                                             .committed = all.views()[i - 1]}},
               out)
            .value();
        save("fuzz_cluster", "views_" + std::to_string(i), out.view());
    }
    // Nothing was refused, and nobody missed a view.
    EXPECT_GE(all.kinds().size() + 4, std::variant_size_v<control_message>);
}

// Found by fuzzing: a node that was copied while it ran has the name of its copy. Whoever made the
// first view of both made one that cannot be.
TEST(register_conversations, a_seed_that_is_a_copy_of_another_one_does_not_count) {
    auto first = make_node(0);
    auto copied = make_node(1);
    first.start(time_point{1h});
    copied.start(time_point{1h});
    for (auto now = time_point{1h}; now < time_point{1h + 3s}; now += tick) {
        first.tick(now);
        for (const auto& each : first.take_outgoing()) {
            if (each.to != address_of(1) && each.to != address_of(2)) {
                continue;
            }
            copied.receive(now, address_of(0), each.content);
            for (const auto& answer : copied.take_outgoing()) {
                if (answer.to == address_of(0)) {
                    first.receive(now, each.to, answer.content);
                }
            }
        }
    }
    ASSERT_EQ(first.phase(), register_phase::member);
    EXPECT_EQ(first.current()->members.size(), 2U);
    EXPECT_EQ(first.current()->find(copied.uid())->address, address_of(1));
}

}  // namespace
}  // namespace cohort::register_talk
