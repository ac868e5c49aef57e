#include <distributed-cache/open_origin.hpp>
#include <distributed-cache/sqlite_origin.hpp>

#include "origin_session.hpp"
#include "temporary_folder.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

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

}  // namespace
}  // namespace cohort
