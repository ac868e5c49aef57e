#include <filesystem>
#include <set>
#include <unistd.h>

#include <gtest/gtest.h>

#include <cohort/testkit/simulation.hpp>

namespace cohort {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span{text.data(), text.size()});
}

// What both kinds of disk promise.
void use(world& around, const std::string& folder) {
    auto& disk = around.disk();
    ASSERT_TRUE(disk.make_folder(folder + "/deep"));
    auto path = folder + "/deep/log";
    auto file = disk.open(path, disk::mode::append);
    ASSERT_TRUE(file) << file.error().message();
    EXPECT_TRUE((*file)->append(bytes_of("one")));
    EXPECT_TRUE((*file)->append(bytes_of("two")));
    EXPECT_TRUE((*file)->sync());
    EXPECT_EQ((*file)->size(), 6U);
    EXPECT_TRUE(disk.sync_folder(folder + "/deep"));
    EXPECT_EQ(*around.read_file(path, 100), "onetwo");
    EXPECT_EQ(around.read_file(path, 5).error().code(), errc::too_large);

    auto again = disk.open(path, disk::mode::append);
    ASSERT_TRUE(again);
    EXPECT_EQ((*again)->size(), 6U);
    EXPECT_TRUE((*again)->append(bytes_of("three")));
    EXPECT_EQ(*around.read_file(path, 100), "onetwothree");

    auto other = disk.open(folder + "/deep/new", disk::mode::replace);
    ASSERT_TRUE(other);
    EXPECT_TRUE((*other)->append(bytes_of("fresh")));
    EXPECT_EQ(*disk.list(folder + "/deep"), (std::vector<std::string>{"log", "new"}));
    EXPECT_TRUE(disk.rename(folder + "/deep/new", path));
    EXPECT_TRUE((*other)->append(bytes_of("er")));
    EXPECT_EQ(*around.read_file(path, 100), "fresher") << "an open file keeps its handle";
    EXPECT_EQ(disk.list(folder + "/deep")->size(), 1U);
    auto emptied = disk.open(path, disk::mode::replace);
    ASSERT_TRUE(emptied);
    EXPECT_EQ((*emptied)->size(), 0U);
    EXPECT_EQ(*around.read_file(path, 100), "");
    EXPECT_TRUE(disk.remove(path));
    EXPECT_EQ(disk.remove(path).error().code(), errc::not_found);
    EXPECT_EQ(disk.rename(path, path + "2").error().code(), errc::not_found);
    EXPECT_EQ(around.read_file(path, 100).error().code(), errc::not_found);
}

TEST(disk, keeps_its_promises_on_this_machine) {
    auto name =
        std::filesystem::temp_directory_path() / ("cohort-disk-" + std::to_string(::getpid()));
    use(*make_real_world(), name.string());
    auto around = make_real_world();
    EXPECT_EQ(around->disk().list(name.string() + "/none").error().code(), errc::not_found);
    EXPECT_EQ(around->disk().sync_folder(name.string() + "/none").error().code(), errc::not_found);
    auto refused = around->disk().open(name.string(), disk::mode::append);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::storage);
    EXPECT_TRUE(refused.error().message().find(name.string()) != std::string::npos);
    std::filesystem::remove_all(name);
}

TEST(disk, keeps_its_promises_in_a_simulation) {
    auto sim = simulation{};
    use(sim.add().world(), "/data");
}

using death = simulated_world::death;

struct machine {
    explicit machine(std::uint64_t seed = 1) : sim{{.seed = seed}}, node{sim.add()} {}
    std::unique_ptr<open_file> open(const std::string& path, disk::mode how = disk::mode::append) {
        auto file = node.world().disk().open(path, how);
        EXPECT_TRUE(file);
        return std::move(*file);
    }
    std::optional<std::string> read(const std::string& path) {
        auto text = node.world().read_file(path, 1 << 20);
        return text ? std::optional{*text} : std::nullopt;
    }
    void die(death how) {
        sim.crash(node, how);
        sim.restart(node);
    }
    simulation sim;
    simulated_node& node;
};

TEST(simulated_disk, keeps_what_was_synced_and_some_of_the_rest) {
    auto lengths = std::set<std::size_t>{};
    auto torn = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        auto one = machine{seed};
        auto file = one.open("/log");
        ASSERT_TRUE(file->append(bytes_of("kept")));
        ASSERT_TRUE(file->sync());
        ASSERT_TRUE(one.node.world().disk().sync_folder("/"));
        ASSERT_TRUE(file->append(bytes_of(std::string(1000, 'x'))));
        one.die(death::machine);
        auto text = one.read("/log");
        ASSERT_TRUE(text);
        EXPECT_TRUE(text->starts_with("kept"));
        EXPECT_LE(text->size(), 1004U);
        lengths.insert(text->size());
        torn += text->find('\0') != std::string::npos ? 1 : 0;
    }
    EXPECT_GT(lengths.size(), 20U);
    EXPECT_GT(torn, 3);
}

TEST(simulated_disk, loses_nothing_when_only_the_process_dies) {
    auto one = machine{};
    ASSERT_TRUE(one.open("/log")->append(bytes_of("everything")));
    one.die(death::process);
    EXPECT_EQ(one.read("/log"), "everything");
}

TEST(simulated_disk, may_lose_names_that_were_not_synced) {
    auto lost = 0;
    auto renamed = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        auto one = machine{seed};
        auto& disk = one.node.world().disk();
        ASSERT_TRUE(one.open("/old")->sync());
        ASSERT_TRUE(disk.sync_folder("/"));
        auto fresh = one.open("/new", disk::mode::replace);
        ASSERT_TRUE(fresh->append(bytes_of("n")));
        ASSERT_TRUE(fresh->sync());
        ASSERT_TRUE(one.open("/other")->sync());
        ASSERT_TRUE(disk.rename("/new", "/old"));
        one.die(death::machine);
        lost += one.read("/other") ? 0 : 1;
        ASSERT_TRUE(one.read("/old"));
        renamed += *one.read("/old") == "n" ? 1 : 0;
    }
    EXPECT_GT(lost, 5);
    EXPECT_LT(lost, 35);
    EXPECT_EQ(renamed, 0) << "the folder was not synced";
    auto one = machine{};
    ASSERT_TRUE(one.open("/a")->sync());
    ASSERT_TRUE(one.node.world().disk().sync_folder("/"));
    one.die(death::machine);
    EXPECT_TRUE(one.read("/a"));
    one.node.world().disk().wipe();
    EXPECT_FALSE(one.read("/a"));
}

TEST(simulated_disk, forgets_after_a_failed_sync_whatever_a_second_one_says) {
    auto lost = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        auto one = machine{seed};
        auto& disk = one.node.world().disk();
        auto file = one.open("/log");
        ASSERT_TRUE(disk.sync_folder("/"));
        disk.set_errors(1'000'000);
        EXPECT_EQ(file->append(bytes_of("abcdef")).error().code(), errc::storage);
        EXPECT_EQ(file->sync().error().code(), errc::storage);
        disk.set_errors(0);
        ASSERT_TRUE(file->append(bytes_of(std::string(100, 'x'))));
        EXPECT_TRUE(file->sync());
        EXPECT_EQ(disk.errors(), 2U);
        auto size = file->size();
        one.die(death::machine);
        lost += one.read("/log").value_or("").size() < size ? 1 : 0;
    }
    EXPECT_GT(lost, 20);
}

TEST(simulated_disk, sees_nothing_of_what_comes_behind_a_death_in_the_middle) {
    auto kept = std::set<std::string>{};
    for (std::uint64_t calls = 1; calls <= 8; ++calls) {
        auto one = machine{};
        auto pool = one.node.world().start_worker("disk");
        struct job : work_item {
            simulated_world* world = nullptr;
        } work;
        work.world = &one.node.world();
        work.run = [](work_item& item) noexcept {
            auto& world = *static_cast<job&>(item).world;
            if (item.dropped) {
                return;
            }
            auto file = world.disk().open("/log", disk::mode::append);
            for (auto* text : {"a", "b", "c"}) {
                if (file) {
                    static_cast<void>((*file)->append(bytes_of(text)));
                }
            }
        };
        pool->submit(work);
        one.node.world().die_at(calls, [&] { one.sim.crash(one.node); });
        one.sim.run_for(1s);
        if (!one.node.up()) {
            one.sim.restart(one.node);
        }
        kept.insert(one.read("/log").value_or("none"));
    }
    EXPECT_TRUE(kept.contains("none"));
    EXPECT_TRUE(kept.contains("abc"));
    EXPECT_TRUE(kept.contains("a"));
    EXPECT_TRUE(kept.contains("ab"));
}

}  // namespace
}  // namespace cohort
