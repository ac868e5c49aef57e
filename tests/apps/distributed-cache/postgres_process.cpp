// The program itself in front of a PostgreSQL server.
#include "http_client.hpp"
#include "postgres_server.hpp"
#include "program.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cohort {
namespace {

class postgres_process : public ::testing::Test {
protected:
    static std::uint16_t port_of(const std::string& line, const std::string& field) {
        auto at = line.find(field);
        EXPECT_NE(at, line.npos) << line;
        auto colon = line.rfind(':', line.find(' ', at + 1));
        return static_cast<std::uint16_t>(std::atoi(line.c_str() + colon + 1));
    }

    postgres_server& server_ = postgres_server::shared();
    std::string database_ = server_.new_database();
    std::string address_ = server_.address(database_);
};

TEST_F(postgres_process, serves_through_a_restart_of_the_database_and_never_shows_the_password) {
    auto node = program{{"--port", "0", "--admin-port", "0", "--origin", address_,
                         "--origin-connections", "2", "--origin-audit", "--http.deadline", "30s"}};
    node.read_until("msg=started");
    auto line = node.read_until("origin=");
    auto client = http_client{port_of(line, " http=")};
    auto admin = http_client{port_of(line, " admin=")};
    EXPECT_EQ(client.put("/cache-data/a", "one").status, 201);
    EXPECT_EQ(client.get("/cache-data/a").body, "one");
    EXPECT_EQ(client.get("/cache-data/absent").status, 404);
    EXPECT_EQ(server_.sql(database_, "SELECT convert_from(content, 'UTF8') FROM cache_data"),
              "one");

    server_.stop(true);
    EXPECT_EQ(client.get("/cache-data/a").body, "one");  // in memory
    server_.start();
    EXPECT_EQ(client.get("/cache-data/b").status, 404);
    EXPECT_EQ(client.put("/cache-data/a", "two").status, 204);
    auto settings = admin.get("/config").body;
    EXPECT_EQ(settings.find(postgres_server::quoted_password), std::string::npos);

    auto import = program{{"import", "--origin", address_, "-"}};
    EXPECT_EQ(import.wait(), 1);
    EXPECT_NE(import.printed().find("a node or another import uses the origin: stop it first"),
              std::string::npos)
        << import.printed();
    auto audit = program{{"audit", "--origin", address_}};
    EXPECT_EQ(audit.wait(), 0);
    EXPECT_NE(audit.printed().find("\"kind\":\"store\",\"space\":\"cache\""), std::string::npos)
        << audit.printed();

    node.kill(SIGTERM);
    EXPECT_EQ(node.wait(), 0);
    for (const auto* shown : {&node.printed(), &import.printed(), &audit.printed()}) {
        EXPECT_EQ(shown->find(postgres_server::quoted_password), std::string::npos) << *shown;
    }
    EXPECT_NE(node.printed().find("the origin is in trouble"), std::string::npos);
}

TEST_F(postgres_process, is_filled_by_an_import_and_finds_writes_of_an_old_owner_in_its_audit) {
    auto import = program{{"import", "--origin", address_, "-"}};
    import.write("{\"key\":\"a\",\"value\":\"one\"}\n{\"key\":\"b\",\"value\":2}");
    EXPECT_EQ(import.wait(), 0);
    EXPECT_EQ(import.printed(),
              "imported 2 rows: 2 added, 0 replaced, 0 unchanged; 0 refused; up to line 2\n");
    EXPECT_EQ(server_.sql(database_, "SELECT count(*) FROM cache_data"), "2");

    auto none = program{{"audit", "--origin", address_}};
    EXPECT_EQ(none.wait(), 1);
    EXPECT_NE(none.printed().find("the origin keeps no audit"), std::string::npos);
    server_.sql(database_,
                "CREATE TABLE write_audit (seq bigint, kind smallint, space text, shard bigint, "
                "epoch bigint, key bytea, version bigint, writer text);"
                "INSERT INTO write_audit VALUES (1, 0, 'cache', 5, 2, '', 0, 'new'), "
                "(2, 1, 'cache', 5, 1, 'k', 9, 'old')");
    auto audit = program{{"audit", "--quiet", "--origin", address_}};
    EXPECT_EQ(audit.wait(), 1);
    EXPECT_NE(
        audit.printed().find("row 2: shard 5 of cache was written with epoch 1 after epoch 2"),
        std::string::npos)
        << audit.printed();
}

}  // namespace
}  // namespace cohort
