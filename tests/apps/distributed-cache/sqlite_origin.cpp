#include <distributed-cache/open_origin.hpp>
#include <distributed-cache/sqlite_origin.hpp>

#include "origin_session.hpp"
#include "temporary_folder.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

namespace cohort {
namespace {

const auto& owner = first_owner;

result<sqlite_origin> open_for(origin_use use, const std::string& path) {
    return sqlite_origin::open({.path = path, .busy_timeout = std::chrono::milliseconds{50}}, use);
}

origin_session serving(sqlite_origin_options options) {
    auto session = origin_session{sqlite_origin::open(std::move(options), origin_use::serve)};
    EXPECT_TRUE(session.activate().has_value());
    return session;
}
origin_session serving(const std::string& path = ":memory:") {
    return serving({.path = path, .busy_timeout = std::chrono::milliseconds{50}});
}

TEST(check_key, allows_any_bytes_up_to_the_limit) {
    EXPECT_TRUE(check_key(std::string_view{"\0\xff\n", 3}).has_value());
    EXPECT_TRUE(check_key(std::string(key_bytes_max, 'k')).has_value());
    EXPECT_EQ(check_key("").error().message(), "invalid: the key is empty");
    EXPECT_EQ(check_key(std::string(513, 'k')).error().message(),
              "invalid: the key has 513 bytes, 512 are allowed");
}

TEST(shown_origin, takes_only_addresses_of_origins) {
    EXPECT_EQ(*shown_origin("sqlite:/var/cache.db"), "sqlite:/var/cache.db");
    EXPECT_EQ(shown_origin("sqlite:").error(), errc::invalid);
    EXPECT_EQ(shown_origin("mysql://x").error(), errc::invalid);
}

TEST(sqlite_origin, returns_what_was_stored_and_counts_every_query) {
    auto counters = std::make_shared<origin_counters>();
    auto origin = serving({.path = ":memory:", .counters = counters});
    EXPECT_EQ(origin.load("bash").error(), errc::not_found);
    auto stored = origin.store("bash", "a shell", owner);
    ASSERT_TRUE(stored.has_value());
    auto row = origin.load("bash");
    ASSERT_TRUE(row.has_value());
    EXPECT_EQ(row->content, "a shell");
    EXPECT_EQ(row->version, stored->version);
    EXPECT_TRUE(stored->created);
    EXPECT_FALSE(origin.store("bash", "a shell", owner)->created);
    ASSERT_TRUE(origin.erase("bash", owner).has_value());
    EXPECT_EQ(origin.erase("bash", owner).error(), errc::not_found);
    EXPECT_EQ(counters->loads, 2U);
    EXPECT_EQ(counters->stores, 2U);
    EXPECT_EQ(counters->erases, 2U);
    EXPECT_EQ(counters->queries(), 6U);
}

TEST(sqlite_origin, keeps_keys_of_any_bytes_and_empty_contents_apart) {
    auto origin = serving();
    auto zero = std::string_view{"a\0b", 3};
    ASSERT_TRUE(origin.store(zero, "", owner).has_value());
    ASSERT_TRUE(origin.store("a", std::string_view{"\xff\0", 2}, owner).has_value());
    EXPECT_EQ(origin.load(zero)->content, "");
    EXPECT_EQ(origin.load("a")->content, (std::string_view{"\xff\0", 2}));
    EXPECT_EQ(origin.load("A").error(), errc::not_found);
}

TEST(sqlite_origin, never_gives_a_version_twice_even_after_an_erase) {
    auto origin = serving();
    auto seen = std::set<row_version>{};
    for (auto round = 0; round < 5; ++round) {
        EXPECT_TRUE(seen.insert(origin.store("key", "first", owner)->version).second);
        EXPECT_TRUE(seen.insert(origin.store("key", "second", owner)->version).second);
        EXPECT_TRUE(origin.erase("key", owner).has_value());
    }
}

TEST(sqlite_origin, refuses_input_over_its_limits_without_asking_the_file) {
    auto counters = std::make_shared<origin_counters>();
    auto origin = serving({.path = ":memory:", .content_bytes_max = 4, .counters = counters});
    EXPECT_TRUE(origin.store("key", "1234", owner).has_value());
    auto refused = origin.store("key", "12345", owner);
    EXPECT_EQ(refused.error().message(), "too_large: the content has 5 bytes, 4 are allowed");
    EXPECT_EQ(origin.load(std::string(513, 'k')).error(), errc::invalid);
    EXPECT_EQ(origin.store("", "1", owner).error(), errc::invalid);
    EXPECT_EQ(counters->queries(), 1U);
    EXPECT_EQ(sqlite_origin::open({.path = ":memory:", .content_bytes_max = 0}, origin_use::serve)
                  .error(),
              errc::invalid);
}

TEST(sqlite_origin, refuses_the_reads_and_writes_of_an_owner_that_was_replaced) {
    auto origin = serving();
    auto next = write_fence{.space = "cache", .shard = 0, .epoch = 2};
    ASSERT_TRUE(origin.store("key", "old", owner).has_value());
    ASSERT_TRUE(origin.activate(next).has_value());
    EXPECT_EQ(origin.store("key", "late", owner).error(), errc::stale_epoch);
    EXPECT_EQ(origin.erase("key", owner).error(), errc::stale_epoch);
    EXPECT_EQ(origin.activate(owner).error(), errc::stale_epoch);
    EXPECT_EQ(origin.load("key").error(), errc::stale_epoch);
    EXPECT_EQ(origin.load("key", next)->content, "old");
    EXPECT_TRUE(origin.store("key", "new", next).has_value());
}

TEST(sqlite_origin, fences_every_shard_and_space_for_itself) {
    auto origin = serving();
    ASSERT_TRUE(origin.activate({.space = "cache", .shard = 1, .epoch = 9}).has_value());
    ASSERT_TRUE(origin.activate({.space = "other", .shard = 0, .epoch = 9}).has_value());
    EXPECT_TRUE(origin.store("key", "value", owner).has_value());
    EXPECT_EQ(origin.store("key", "value", {.space = "cache", .shard = 1, .epoch = 8}).error(),
              errc::stale_epoch);
}

TEST(sqlite_origin, refuses_a_writer_that_never_activated_its_shard) {
    auto origin = serving();
    EXPECT_EQ(origin.store("key", "value", {.space = "cache", .shard = 7, .epoch = 1}).error(),
              errc::invalid);
    EXPECT_EQ(origin.load("key").error(), errc::not_found);
}

TEST(sqlite_origin, keeps_rows_and_versions_when_it_is_opened_again) {
    auto folder = temporary_folder{};
    auto version = row_version{};
    {
        auto origin = serving(folder.file("cache.db"));
        version = origin.store("key", "value", owner)->version;
    }
    auto origin = serving(folder.file("cache.db"));
    EXPECT_EQ(origin.load("key")->content, "value");
    EXPECT_EQ(origin.load("key")->version, version);
    EXPECT_GT(origin.store("key", "value", owner)->version, version);
}

TEST(sqlite_origin, is_shared_by_nodes_and_held_alone_by_an_import) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    {
        auto first = serving(path);
        auto second = serving(path);
        ASSERT_TRUE(first.store("key", "value", owner).has_value());
        EXPECT_EQ(second.load("key")->content, "value");
        auto import = open_for(origin_use::import, path);
        ASSERT_FALSE(import.has_value());
        EXPECT_EQ(import.error(), errc::unavailable);
        EXPECT_EQ(import.error().text(), "a node or another import uses the origin: stop it first");
    }
    auto import = open_for(origin_use::import, path);
    ASSERT_TRUE(import.has_value());
    EXPECT_EQ(open_for(origin_use::import, path).error(), errc::unavailable);
    auto node = open_for(origin_use::serve, path);
    ASSERT_FALSE(node.has_value());
    EXPECT_EQ(node.error().text(), "an import is filling the origin: wait until it has finished");
}

TEST(sqlite_origin, is_the_same_file_by_every_way_that_leads_to_it) {
    auto folder = temporary_folder{};
    auto node = serving(folder.file("cache.db"));
    std::filesystem::create_symlink(folder.file("cache.db"), folder.file("link.db"));
    EXPECT_EQ(open_for(origin_use::import, folder.file("link.db")).error(), errc::unavailable);
    EXPECT_EQ(open_for(origin_use::import, folder.path() + "/./cache.db").error(),
              errc::unavailable);
}

TEST(sqlite_origin, is_released_when_its_process_is_killed) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    auto child = ::fork();
    if (child == 0) {
        auto node = open_for(origin_use::serve, path);
        auto said = ::write(ready[1], node.has_value() ? "y" : "n", 1);
        ::pause();
        ::_exit(said == 1 ? 0 : 1);
    }
    auto answer = 'n';
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    ASSERT_EQ(answer, 'y');
    EXPECT_EQ(open_for(origin_use::import, path).error(), errc::unavailable);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(open_for(origin_use::import, path).has_value());
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST(sqlite_origin, waits_for_a_writer_and_then_says_that_the_file_is_locked) {
    auto folder = temporary_folder{};
    auto origin = serving(folder.file("cache.db"));
    auto other = sqlite_connection::open(folder.file("cache.db"), std::chrono::milliseconds{50});
    ASSERT_TRUE(other->run("BEGIN IMMEDIATE").has_value());
    auto stored = origin.store("key", "value", owner);
    ASSERT_FALSE(stored.has_value());
    EXPECT_EQ(stored.error(), errc::unavailable);
    EXPECT_EQ(origin.load("key").error(), errc::not_found);
    ASSERT_TRUE(other->run("COMMIT").has_value());
    EXPECT_TRUE(origin.store("key", "value", owner).has_value());
}

TEST(sqlite_origin, refuses_files_that_are_not_its_own_with_the_reason) {
    auto folder = temporary_folder{};
    std::ofstream{folder.file("text")} << std::string(5000, 'x');
    auto text = open_for(origin_use::serve, folder.file("text"));
    ASSERT_FALSE(text.has_value());
    EXPECT_EQ(text.error(), errc::storage);
    EXPECT_NE(text.error().text().find("no SQLite database"), std::string_view::npos);

    auto foreign = sqlite_connection::open(folder.file("foreign"), std::chrono::milliseconds{50});
    ASSERT_TRUE(foreign->run("CREATE TABLE photos (name TEXT)").has_value());
    EXPECT_EQ(open_for(origin_use::serve, folder.file("foreign")).error().text(),
              "the file is an SQLite database of another program");

    static_cast<void>(serving(folder.file("newer")));
    auto newer = sqlite_connection::open(folder.file("newer"), std::chrono::milliseconds{50});
    ASSERT_TRUE(newer->run("PRAGMA user_version=2").has_value());
    EXPECT_EQ(open_for(origin_use::serve, folder.file("newer")).error().text(),
              "the file has schema version 2, this program knows 1");

    EXPECT_EQ(open_for(origin_use::serve, folder.path()).error(), errc::storage);
    EXPECT_EQ(open_for(origin_use::serve, folder.file("no/such/folder")).error(), errc::storage);
}

TEST(sqlite_origin, says_that_a_file_is_damaged_when_it_reads_the_damage) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    {
        auto origin = serving(path);
        for (auto row = 0; row < 200; ++row) {
            ASSERT_TRUE(origin.store("key" + std::to_string(row), std::string(900, 'x'), owner)
                            .has_value());
        }
        ASSERT_TRUE(origin->finish_import().has_value());
    }
    {
        auto file = std::fstream{path, std::ios::in | std::ios::out | std::ios::binary};
        auto junk = std::string(std::filesystem::file_size(path) - 5 * 4096, '\xa5');
        file.seekp(5 * 4096);
        file.write(junk.data(), static_cast<std::streamsize>(junk.size()));
    }
    auto origin = serving(path);
    auto damaged = 0;
    for (auto row = 0; row < 200; ++row) {
        auto found = origin.load("key" + std::to_string(row));
        damaged += !found && found.error() == errc::storage ? 1 : 0;
    }
    EXPECT_GT(damaged, 0);
}

TEST(sqlite_origin, refuses_a_write_that_does_not_fit_and_serves_on) {
    auto folder = temporary_folder{};
    auto origin = serving({.path = folder.file("cache.db"), .file_bytes_max = 20 * 4096});
    ASSERT_TRUE(origin.store("small", "fits", owner).has_value());
    auto refused = origin.store("large", std::string(200'000, 'x'), owner);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error(), errc::storage);
    EXPECT_NE(refused.error().text().find("full"), std::string_view::npos);
    EXPECT_EQ(origin.load("large").error(), errc::not_found);
    EXPECT_EQ(origin.load("small")->content, "fits");
    EXPECT_TRUE(origin.store("small", "still fits", owner).has_value());
}

TEST(sqlite_origin, says_when_it_may_not_write_the_file) {
    auto folder = temporary_folder{};
    static_cast<void>(serving(folder.file("cache.db")));
    std::filesystem::permissions(folder.path(), std::filesystem::perms{0755});
    auto child = ::fork();
    if (child == 0) {
        // Root may write everything, so the child becomes nobody.
        if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) {
            ::_exit(2);
        }
        auto ignored = std::error_code{};
        std::filesystem::permissions(folder.path(), std::filesystem::perms{0555}, ignored);
        auto opened = open_for(origin_use::serve, folder.file("other.db"));
        ::_exit(!opened && opened.error() == errc::storage ? 0 : 1);
    }
    auto status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    std::filesystem::permissions(folder.path(), std::filesystem::perms{0755});
}

RC_GTEST_PROP(sqlite_origin, behaves_like_a_map_with_versions, ()) {
    auto origin = serving();
    auto model = std::map<std::string, std::pair<std::string, row_version>>{};
    auto last = row_version{0};
    auto keys = *rc::gen::container<std::vector<std::string>>(
        3, rc::gen::nonEmpty(rc::gen::string<std::string>()));
    auto steps = *rc::gen::container<std::vector<std::pair<int, std::size_t>>>(
        rc::gen::pair(rc::gen::inRange(0, 3), rc::gen::inRange<std::size_t>(0, 3)));
    for (auto [verb, index] : steps) {
        const auto& key = keys[index];
        auto present = model.contains(key);
        if (verb == 0) {
            auto content = *rc::gen::string<std::string>();
            auto stored = origin.store(key, content, owner);
            RC_ASSERT(stored.has_value());
            RC_ASSERT(stored->created == !present);
            RC_ASSERT(stored->version > last);
            last = stored->version;
            model[key] = {content, last};
        } else if (verb == 1) {
            RC_ASSERT(origin.erase(key, owner).has_value() == present);
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
}

}  // namespace
}  // namespace cohort
