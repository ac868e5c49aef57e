#include <distributed-cache/sqlite_origin.hpp>

#include "origin_session.hpp"
#include "program.hpp"
#include "temporary_folder.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace cohort {
namespace {

origin_session serving(const std::string& path) {
    auto origin = origin_session{sqlite_origin::open({.path = path}, origin_use::serve)};
    EXPECT_TRUE(origin.activate().has_value());
    return origin;
}

TEST(import_command, fills_an_origin_from_standard_input) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    auto import = program{{"import", "--origin", "sqlite:" + path, "-"}};
    import.write("{\"key\":\"a\",\"value\":\"one\"}\n{\"key\":\"b\",\"value\":2}");
    EXPECT_EQ(import.wait(), 0);
    EXPECT_EQ(import.printed(),
              "imported 2 rows: 2 added, 0 replaced, 0 unchanged; 0 refused; up to line 2\n");
    auto origin = serving(path);
    EXPECT_EQ(origin.load("a")->content, "one");
    EXPECT_EQ(origin.load("b")->content, "2");
}

TEST(import_command, fills_an_origin_from_a_file_of_stanzas) {
    auto folder = temporary_folder{};
    std::ofstream{folder.file("stanzas")}
        << "Package: bash\nVersion: 1\n\nPackage: bash\nVersion: 2\n";
    auto path = folder.file("cache.db");
    auto import = program{
        {"import", "--origin", "sqlite:" + path, "--format", "dumpavail", folder.file("stanzas")}};
    EXPECT_EQ(import.wait(), 0);
    auto origin = serving(path);
    EXPECT_EQ(origin.load("bash")->content, "Package: bash\nVersion: 2\n");
}

TEST(import_command, exits_with_1_when_a_line_was_refused_and_names_it) {
    auto folder = temporary_folder{};
    auto origin = "sqlite:" + folder.file("cache.db");
    auto strict = program{{"import", "--origin", origin, "-"}};
    strict.write("{\"key\":\"a\",\"value\":1}\n[]\n{\"key\":\"b\",\"value\":1}\n");
    EXPECT_EQ(strict.wait(), 1);
    EXPECT_NE(strict.printed().find("import: line 2: no object"), std::string::npos);
    EXPECT_NE(strict.printed().find("imported 1 rows"), std::string::npos);
    auto lenient = program{{"import", "--origin", origin, "--skip-bad", "-"}};
    lenient.write("{\"key\":\"a\",\"value\":1}\n[]\n{\"key\":\"b\",\"value\":1}\n");
    EXPECT_EQ(lenient.wait(), 1);
    EXPECT_NE(lenient.printed().find("1 added, 0 replaced, 1 unchanged; 1 refused; up to line 3"),
              std::string::npos);
}

TEST(import_command, is_refused_while_a_node_holds_the_origin) {
    auto folder = temporary_folder{};
    auto path = folder.file("cache.db");
    auto node = sqlite_origin::open({.path = path}, origin_use::serve);
    ASSERT_TRUE(node.has_value());
    auto import = program{{"import", "--origin", "sqlite:" + path, "-"}};
    EXPECT_EQ(import.wait(), 1);
    EXPECT_NE(import.printed().find("a node or another import uses the origin: stop it first"),
              std::string::npos);
}

TEST(import_command, leaves_a_consistent_origin_on_an_interrupt_and_says_how_far_it_came) {
    for (auto signal : {SIGINT, SIGTERM}) {
        auto folder = temporary_folder{};
        auto path = folder.file("cache.db");
        auto import = program{{"import", "--origin", "sqlite:" + path, "--skip-bad", "-"}};
        import.write("{\"key\":\"a\",\"value\":1}\nbroken\n");
        import.read_until("line 2");  // so the import is past both lines
        import.kill(signal);
        // The input stays open: the interrupt alone must end the wait for more.
        import.read_until("up to line");
        EXPECT_EQ(import.wait(), 130);
        EXPECT_NE(import.printed().find("interrupted"), std::string::npos);
        EXPECT_NE(
            import.printed().find("1 added, 0 replaced, 0 unchanged; 1 refused; up to line 2"),
            std::string::npos);
        auto origin = serving(path);
        EXPECT_EQ(origin.load("a")->content, "1");
    }
}

TEST(import_command, explains_a_wrong_command_line) {
    EXPECT_EQ((program{{"import"}}.wait()), 2);
    EXPECT_EQ((program{{"import", "--origin", "sqlite:x", "--wat", "-"}}.wait()), 2);
    auto format = program{{"import", "--origin", "sqlite::memory:", "--format", "csv", "-"}};
    EXPECT_EQ(format.wait(), 1);
    EXPECT_NE(format.printed().find("unknown format \"csv\""), std::string::npos);
    auto missing = program{{"import", "--origin", "sqlite::memory:", "/no/such/file"}};
    EXPECT_EQ(missing.wait(), 1);
    EXPECT_NE(missing.printed().find("No such file"), std::string::npos);
    EXPECT_EQ((program{{"import", "--help"}}.wait()), 0);
}

}  // namespace
}  // namespace cohort
