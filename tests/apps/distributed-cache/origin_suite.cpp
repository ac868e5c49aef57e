// What every origin has to do, whatever keeps it.
#include <distributed-cache/open_origin.hpp>

#include <cohort/world/world.hpp>

#include "origin_session.hpp"
#include "postgres_server.hpp"
#include "temporary_folder.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace cohort {
namespace {

class origin_of : public ::testing::TestWithParam<std::string> {
protected:
    origin_of() : address_{fresh_address()} {}

    std::string fresh_address() {
        if (GetParam() == "sqlite") {
            return "sqlite:" + folder_.file("cache.db");
        }
        auto& server = postgres_server::shared();
        return server.address(server.new_database());
    }
    result<std::unique_ptr<origin_connection>> try_open(origin_use use,
                                                        origin_options options = {}) {
        options.address = address_;
        return open_origin(*world_, options, use);
    }
    origin_session open(origin_use use = origin_use::serve, origin_options options = {}) {
        auto opened = try_open(use, std::move(options));
        EXPECT_TRUE(opened.has_value()) << opened.error().message();
        return origin_session{std::move(*opened)};
    }
    origin_session serving(origin_options options = {}) {
        auto origin = open(origin_use::serve, std::move(options));
        EXPECT_TRUE(origin.activate().has_value());
        return origin;
    }
    std::vector<audit_row> audit_of(origin_session& origin) {
        auto rows = origin->read_audit(0, 100'000);
        EXPECT_TRUE(rows.has_value()) << rows.error().message();
        return *rows;
    }

    temporary_folder folder_;
    std::unique_ptr<world> world_ = make_real_world();
    std::string address_;
};

write_fence owner_of(std::uint32_t shard, std::uint64_t epoch) {
    return {.space = "cache", .shard = shard, .epoch = epoch};
}

TEST_P(origin_of, returns_what_was_stored_and_counts_every_query) {
    auto counters = std::make_shared<origin_counters>();
    auto origin = serving({.counters = counters});
    EXPECT_EQ(origin.load("bash").error(), errc::not_found);
    auto stored = origin.store("bash", "a shell");
    ASSERT_TRUE(stored.has_value()) << stored.error().message();
    auto row = origin.load("bash");
    ASSERT_TRUE(row.has_value());
    EXPECT_EQ(row->content, "a shell");
    EXPECT_EQ(row->version, stored->version);
    EXPECT_TRUE(stored->created);
    EXPECT_FALSE(origin.store("bash", "a shell")->created);
    ASSERT_TRUE(origin.erase("bash").has_value());
    EXPECT_EQ(origin.erase("bash").error(), errc::not_found);
    EXPECT_EQ(counters->loads, 2U);
    EXPECT_EQ(counters->stores, 2U);
    EXPECT_EQ(counters->erases, 2U);
    EXPECT_EQ(counters->queries(), 6U);
}

TEST_P(origin_of, keeps_keys_of_any_bytes_and_empty_contents_apart) {
    auto origin = serving();
    auto zero = std::string_view{"a\0b", 3};
    ASSERT_TRUE(origin.store(zero, "").has_value());
    ASSERT_TRUE(origin.store("a", std::string_view{"\xff\0", 2}).has_value());
    ASSERT_TRUE(origin.store(std::string_view{"\0", 1}, "zero").has_value());
    EXPECT_EQ(origin.load(zero)->content, "");
    EXPECT_EQ(origin.load("a")->content, (std::string_view{"\xff\0", 2}));
    EXPECT_EQ(origin.load(std::string_view{"\0", 1})->content, "zero");
    EXPECT_EQ(origin.load("A").error(), errc::not_found);
    auto all = std::string{};
    for (auto byte = 0; byte < 256; ++byte) {
        all += static_cast<char>(byte);
    }
    ASSERT_TRUE(origin.store(all, all).has_value());
    EXPECT_EQ(origin.load(all)->content, all);
    EXPECT_TRUE(origin.erase(zero).has_value());
    EXPECT_EQ(origin.load(zero).error(), errc::not_found);
}

TEST_P(origin_of, never_gives_a_version_twice_even_after_an_erase) {
    auto origin = serving();
    auto last = row_version{};
    for (auto round = 0; round < 5; ++round) {
        for (const auto* content : {"first", "second"}) {
            auto version = origin.store("key", content)->version;
            EXPECT_GT(version, last);
            last = version;
        }
        EXPECT_TRUE(origin.erase("key").has_value());
    }
}

TEST_P(origin_of, refuses_input_over_its_limits_without_asking_the_database) {
    auto counters = std::make_shared<origin_counters>();
    auto origin = serving({.content_bytes_max = 4, .counters = counters});
    EXPECT_TRUE(origin.store("key", "1234").has_value());
    auto refused = origin.store("key", "12345");
    EXPECT_EQ(refused.error().message(), "too_large: the content has 5 bytes, 4 are allowed");
    EXPECT_EQ(refused.error().executed(), executed::no);
    EXPECT_EQ(origin.load(std::string(513, 'k')).error(), errc::invalid);
    EXPECT_EQ(origin.store("", "1").error(), errc::invalid);
    EXPECT_EQ(origin.erase("").error(), errc::invalid);
    EXPECT_EQ(counters->queries(), 1U);
    EXPECT_EQ(try_open(origin_use::serve, {.content_bytes_max = 0}).error(), errc::invalid);
}

TEST_P(origin_of, keeps_the_largest_key_and_a_large_content) {
    auto large = std::size_t{12} << 20;
    auto origin = serving({.content_bytes_max = large});
    auto key = std::string(key_bytes_max, '\xfe');
    auto content = std::string(large, 'x');
    ASSERT_TRUE(origin.store(key, content).has_value());
    EXPECT_TRUE(origin.load(key)->content == content);
}

TEST_P(origin_of, refuses_the_reads_and_writes_of_an_owner_that_was_replaced) {
    auto origin = serving();
    auto next = owner_of(0, 2);
    ASSERT_TRUE(origin.store("key", "old").has_value());
    ASSERT_TRUE(origin.activate(next).has_value());
    auto late = origin.store("key", "late");
    EXPECT_EQ(late.error(), errc::stale_epoch);
    EXPECT_EQ(late.error().executed(), executed::no);
    EXPECT_EQ(late.error().text(), "shard 0 of cache belongs to epoch 2, this is 1");
    EXPECT_EQ(origin.erase("key").error(), errc::stale_epoch);
    EXPECT_EQ(origin.load("key").error(), errc::stale_epoch);
    EXPECT_EQ(origin.activate().error(), errc::stale_epoch);
    EXPECT_EQ(origin.load("key", next)->content, "old");
    EXPECT_TRUE(origin.store("key", "new", next).has_value());
    EXPECT_TRUE(origin.activate(next).has_value());
}

TEST_P(origin_of, fences_every_shard_and_space_for_itself) {
    auto origin = serving();
    ASSERT_TRUE(origin.activate(owner_of(1, 9)).has_value());
    ASSERT_TRUE(origin.activate({.space = "other", .shard = 0, .epoch = 9}).has_value());
    EXPECT_TRUE(origin.store("key", "value").has_value());
    EXPECT_EQ(origin.store("key", "value", owner_of(1, 8)).error(), errc::stale_epoch);
    EXPECT_TRUE(origin.store("key", "value", owner_of(1, 9)).has_value());
}

TEST_P(origin_of, refuses_a_writer_that_never_activated_its_shard) {
    auto origin = serving();
    EXPECT_EQ(origin.store("key", "value", owner_of(7, 1)).error(), errc::invalid);
    EXPECT_EQ(origin.store("key", "value", owner_of(0, 2)).error(), errc::invalid);
    EXPECT_EQ(origin.load("key", owner_of(7, 1)).error(), errc::invalid);
    EXPECT_EQ(origin.load("key").error(), errc::not_found);
}

TEST_P(origin_of, activates_many_shards_at_once_and_names_those_it_refused) {
    auto origin = open();
    ASSERT_TRUE(origin.activate(owner_of(3, 9)).has_value());
    auto owners = std::vector<write_fence>{};
    for (auto shard = std::uint32_t{0}; shard < 1024; ++shard) {
        owners.push_back(owner_of(shard, 5));
    }
    auto refused = origin->activate(owners, time_point::max());
    ASSERT_TRUE(refused.has_value()) << refused.error().message();
    ASSERT_EQ(refused->size(), 1U);
    EXPECT_EQ(refused->front().shard, 3U);
    EXPECT_EQ(refused->front().epoch, 5U);
    EXPECT_TRUE(origin.store("key", "value", owner_of(1023, 5)).has_value());
    EXPECT_TRUE(origin.store("key", "value", owner_of(3, 9)).has_value());
    EXPECT_TRUE(origin->activate({}, time_point::max())->empty());
}

TEST_P(origin_of, refuses_owners_that_no_database_could_keep) {
    auto origin = open();
    for (const auto& owner : {write_fence{.space = "", .shard = 0, .epoch = 1},
                              write_fence{.space = std::string{"a\0b", 3}, .shard = 0, .epoch = 1},
                              write_fence{.space = std::string(129, 's'), .shard = 0, .epoch = 1},
                              owner_of(0, 0), owner_of(0, std::uint64_t{1} << 63)}) {
        EXPECT_EQ(origin.activate(owner).error(), errc::invalid);
        EXPECT_FALSE(origin.store("key", "value", owner).has_value());
    }
    auto twice = std::vector{owner_of(1, 1), owner_of(1, 2)};
    EXPECT_EQ(origin->activate(twice, time_point::max()).error(), errc::invalid);
    EXPECT_TRUE(origin.activate(owner_of(~std::uint32_t{0}, (std::uint64_t{1} << 63) - 1)));
}

TEST_P(origin_of, keeps_rows_versions_and_epochs_when_it_is_opened_again) {
    auto version = row_version{};
    {
        auto origin = serving();
        version = origin.store("key", "value")->version;
    }
    auto origin = open();
    EXPECT_EQ(origin.load("key")->content, "value");
    EXPECT_EQ(origin.load("key")->version, version);
    EXPECT_GT(origin.store("key", "value")->version, version);
}

TEST_P(origin_of, is_shared_by_nodes_and_held_alone_by_an_import) {
    {
        auto first = serving();
        auto second = serving();
        ASSERT_TRUE(first.store("key", "value").has_value());
        EXPECT_EQ(second.load("key")->content, "value");
        auto import = try_open(origin_use::import);
        ASSERT_FALSE(import.has_value());
        EXPECT_EQ(import.error(), errc::unavailable);
        EXPECT_EQ(import.error().text(), "a node or another import uses the origin: stop it first");
    }
    // The server takes a moment to notice that a client has gone.
    auto import = try_open(origin_use::import);
    while (!import) {
        import = try_open(origin_use::import);
    }
    EXPECT_EQ(try_open(origin_use::import).error(), errc::unavailable);
    auto node = try_open(origin_use::serve);
    ASSERT_FALSE(node.has_value());
    EXPECT_EQ(node.error().text(), "an import is filling the origin: wait until it has finished");
}

TEST_P(origin_of, can_be_made_by_many_at_once) {
    auto threads = std::vector<std::thread>{};
    for (auto node = 0; node < 4; ++node) {
        threads.emplace_back([this, node] {
            auto opened = try_open(origin_use::serve, {.audit = node % 2 == 0});
            EXPECT_TRUE(opened.has_value()) << opened.error().message();
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
}

TEST_P(origin_of, lets_no_write_of_an_old_owner_through_once_a_new_one_is_there) {
    auto old_owner = serving({.audit = true, .writer = "old"});
    auto new_owner = open(origin_use::serve, {.audit = true, .writer = "new"});
    for (auto epoch = std::uint64_t{1}; epoch <= 15; ++epoch) {
        ASSERT_TRUE(old_owner.activate(owner_of(0, epoch)).has_value());
        auto writes = std::atomic<int>{0};
        auto writer = std::thread{[&] {
            for (;;) {
                auto stored = old_owner.store("key", fmt::format("{}.{}", epoch, writes.load()),
                                              owner_of(0, epoch));
                if (!stored && stored.error() == errc::stale_epoch) {
                    return;
                }
                ++writes;
                writes.notify_one();
            }
        }};
        for (auto seen = writes.load(); seen < 3; seen = writes.load()) {
            writes.wait(seen);
        }
        auto activated = new_owner.activate(owner_of(0, epoch + 1));
        while (!activated) {  // SQLite is busy with the writer
            activated = new_owner.activate(owner_of(0, epoch + 1));
        }
        auto first = new_owner.load("key", owner_of(0, epoch + 1));
        writer.join();
        auto second = new_owner.load("key", owner_of(0, epoch + 1));
        ASSERT_TRUE(first.has_value() && second.has_value());
        EXPECT_EQ(first->version, second->version);
        EXPECT_EQ(first->content, fmt::format("{}.{}", epoch, writes.load() - 1));
    }
    auto newest = std::uint64_t{0};
    for (const auto& row : audit_of(new_owner)) {
        EXPECT_GE(row.owner.epoch, newest) << row.seq;
        newest = row.owner.epoch;
    }
    EXPECT_EQ(newest, 16U);
}

TEST_P(origin_of, gives_rising_versions_to_writers_of_one_key_at_once) {
    auto seen = std::vector<std::vector<row_version>>(3);
    auto sessions = std::vector<origin_session>{};
    for (auto& versions : seen) {
        sessions.push_back(serving({.busy_timeout = std::chrono::milliseconds{10'000}}));
        versions.reserve(40);
    }
    auto threads = std::vector<std::thread>{};
    for (std::size_t at = 0; at < seen.size(); ++at) {
        threads.emplace_back([&, at] {
            for (auto round = 0; round < 40; ++round) {
                auto stored = sessions[at].store("key", "value");
                ASSERT_TRUE(stored.has_value()) << stored.error().message();
                seen[at].push_back(stored->version);
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    auto all = std::set<row_version>{};
    for (const auto& versions : seen) {
        EXPECT_TRUE(std::is_sorted(versions.begin(), versions.end()));
        all.insert(versions.begin(), versions.end());
    }
    EXPECT_EQ(all.size(), 120U);
    EXPECT_EQ(sessions[0].load("key")->version, *all.rbegin());
}

TEST_P(origin_of, writes_an_audit_in_the_order_of_commits_when_asked) {
    auto silent = serving();
    EXPECT_EQ(silent->read_audit(0, 10).error(), errc::not_found);
    auto origin = serving({.audit = true, .writer = "it's node \"1\""});
    auto key = std::string{"a\0'", 3};
    auto version = origin.store(key, "1")->version;
    EXPECT_FALSE(origin.store("refused", "1", owner_of(0, 2)).has_value());
    ASSERT_TRUE(origin.erase(key).has_value());
    EXPECT_FALSE(origin.erase(key).has_value());
    ASSERT_TRUE(origin->activate(std::vector{owner_of(2, 7), owner_of(1, 7)}, time_point::max()));
    auto rows = audit_of(origin);
    ASSERT_EQ(rows.size(), 5U);
    EXPECT_EQ(rows[0].what, audit_row::kind::activate);
    EXPECT_EQ(rows[0].key, "");
    EXPECT_EQ(rows[1].what, audit_row::kind::store);
    EXPECT_EQ(rows[1].key, key);
    EXPECT_EQ(rows[1].version, version);
    EXPECT_EQ(rows[1].owner.space, "cache");
    EXPECT_EQ(rows[1].owner.epoch, 1U);
    EXPECT_EQ(rows[1].writer, "it's node \"1\"");
    EXPECT_EQ(rows[2].what, audit_row::kind::erase);
    EXPECT_EQ(rows[2].version, version);
    EXPECT_EQ((std::set{rows[3].owner.shard, rows[4].owner.shard}),
              (std::set<std::uint32_t>{1, 2}));
    for (std::size_t at = 1; at < rows.size(); ++at) {
        EXPECT_GT(rows[at].seq, rows[at - 1].seq);
    }
    auto rest = origin->read_audit(rows[1].seq, 2);
    ASSERT_EQ(rest->size(), 2U);
    EXPECT_EQ(rest->front().seq, rows[2].seq);
}

TEST_P(origin_of, audits_every_write_of_many_writers_once) {
    auto sessions = std::vector<origin_session>{};
    for (auto at = std::uint32_t{0}; at < 3; ++at) {
        sessions.push_back(
            open(origin_use::serve, {.busy_timeout = std::chrono::milliseconds{10'000},
                                     .audit = true,
                                     .writer = std::to_string(at)}));
        ASSERT_TRUE(sessions.back().activate(owner_of(at, 1)).has_value());
    }
    auto threads = std::vector<std::thread>{};
    for (auto at = std::uint32_t{0}; at < 3; ++at) {
        threads.emplace_back([&, at] {
            for (auto round = 0; round < 30; ++round) {
                auto stored =
                    sessions[at].store(fmt::format("{}.{}", at, round), "x", owner_of(at, 1));
                ASSERT_TRUE(stored.has_value()) << stored.error().message();
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    auto rows = audit_of(sessions[0]);
    ASSERT_EQ(rows.size(), 93U);
    EXPECT_EQ(rows.back().seq - rows.front().seq, 92U);
}

TEST_P(origin_of, imports_rows_in_their_order_and_says_what_became_of_them) {
    auto origin = open(origin_use::import);
    auto zero = std::string_view{"\0\xff", 2};
    auto rows = std::vector<import_row>{{"a", "1"}, {"b", ""}, {zero, zero}, {"a", "2"},
                                        {"a", "2"}, {"b", ""}, {"c", "3"}};
    auto counts = origin->import_rows(rows);
    ASSERT_TRUE(counts.has_value()) << counts.error().message();
    EXPECT_EQ(counts->added, 4U);
    EXPECT_EQ(counts->replaced, 1U);
    EXPECT_EQ(counts->unchanged, 2U);
    ASSERT_TRUE(origin.activate().has_value());
    EXPECT_EQ(origin.load("a")->content, "2");
    EXPECT_EQ(origin.load("b")->content, "");
    EXPECT_EQ(origin.load(zero)->content, zero);
    auto version = origin.load("a")->version;
    EXPECT_EQ(origin->import_rows(rows)->unchanged, 5U);  // a, b, zero, c and the second of a, a
    EXPECT_GT(origin.load("a")->version, version);
    EXPECT_EQ(origin->import_rows({})->added, 0U);
    ASSERT_TRUE(origin->finish_import().has_value());
}

TEST_P(origin_of, imports_all_rows_of_a_batch_or_none) {
    auto origin = open(origin_use::import, {.content_bytes_max = 4});
    auto counts = origin->import_rows(std::vector<import_row>{{"a", "1"}, {"b", "12345"}});
    EXPECT_EQ(counts.error(), errc::too_large);
    ASSERT_TRUE(origin.activate().has_value());
    EXPECT_EQ(origin.load("a").error(), errc::not_found);
}

TEST_P(origin_of, behaves_like_a_map_with_versions) {
    auto origin = serving();
    auto round = 0;
    auto last = row_version{0};
    auto passed = rc::check([&] {
        auto model = std::map<std::string, std::pair<std::string, row_version>>{};
        auto prefix = fmt::format("{}.", ++round);
        auto keys =
            *rc::gen::container<std::vector<std::string>>(3, rc::gen::string<std::string>());
        auto steps = *rc::gen::container<std::vector<std::pair<int, std::size_t>>>(
            rc::gen::pair(rc::gen::inRange(0, 3), rc::gen::inRange<std::size_t>(0, 3)));
        for (auto [verb, index] : steps) {
            auto key = prefix + keys[index];
            auto present = model.contains(key);
            if (verb == 0) {
                auto content = *rc::gen::string<std::string>();
                auto stored = origin.store(key, content);
                RC_ASSERT(stored.has_value());
                RC_ASSERT(stored->created == !present);
                RC_ASSERT(stored->version > last);
                last = stored->version;
                model[key] = {content, last};
            } else if (verb == 1) {
                RC_ASSERT(origin.erase(key).has_value() == present);
                model.erase(key);
            } else {
                auto row = origin.load(key);
                RC_ASSERT(row.has_value() == present);
                if (present) {
                    RC_ASSERT(row->content == model[key].first);
                    RC_ASSERT(row->version == model[key].second);
                }
            }
        }
    });
    EXPECT_TRUE(passed);
}

INSTANTIATE_TEST_SUITE_P(databases, origin_of, ::testing::Values("sqlite", "postgres"),
                         [](const auto& named) { return named.param; });

}  // namespace
}  // namespace cohort
