#include <cohort/runtime/config.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cohort/runtime/detail/config_text.hpp>

namespace cohort {
namespace {

enum class level : std::uint8_t { low, high };

const config_key<std::uint16_t> http_port{.name = "http.port",
                                          .fallback = 9000,
                                          .help = "port of the HTTP server",
                                          .min = 1,
                                          .flag = "port",
                                          .environment = {"PORT", "OLD_PORT"},
                                          .former_names = {"http.listen"}};
const config_key<bool> verbose{.name = "log.verbose", .fallback = false, .help = "say more"};
const config_key<level> log_level{.name = "log.level",
                                  .fallback = level::low,
                                  .help = "how much to log",
                                  .choices = {{"low", level::low}, {"high", level::high}}};
const config_key<duration> idle{
    .name = "cache.idle", .fallback = 30s, .help = "idle time", .max = 24h};
const config_key<byte_size> memory{
    .name = "cache.memory", .fallback = {64 << 20}, .help = "memory", .min = byte_size{1024}};
const config_key<std::string> password{
    .name = "origin.password", .fallback = "", .help = "password", .secret = true};
const config_key<std::vector<std::string>> seeds{.name = "cluster.seed_nodes",
                                                 .fallback = {},
                                                 .help = "nodes to join",
                                                 .environment = {"AKKA_SEED_NODES"}};
const config_key<std::int64_t> offset{.name = "clock.offset", .fallback = 0, .help = "any integer"};

config_schema sample_schema() {
    auto schema = config_schema{};
    schema.add(http_port);
    schema.add(verbose);
    schema.add(log_level);
    schema.add(idle);
    schema.add(memory);
    schema.add(password);
    schema.add(seeds);
    schema.add(offset);
    return schema;
}

struct inputs {
    std::vector<std::string> arguments{};
    std::map<std::string, std::string> environment{};
    std::string file{};
};

config_outcome load(const inputs& from) {
    auto sources = config_sources{
        .arguments = from.arguments,
        .environment = from.environment,
        .read_file = [&](const std::string& path, std::size_t) -> result<std::string> {
            if (path != "app.json") {
                return error{errc::not_found, path};
            }
            return from.file;
        }};
    if (!from.file.empty()) {
        sources.arguments.insert(sources.arguments.begin(), "--config=app.json");
    }
    return load_config(sample_schema(), sources);
}

/// The only problem, or all of them joined.
std::string problem_of(const inputs& from) {
    auto joined = std::string{};
    for (const auto& each : load(from).problems) {
        joined += joined.empty() ? each : " | " + each;
    }
    return joined;
}

TEST(config, has_defaults_when_nothing_is_said) {
    auto outcome = load({});
    EXPECT_TRUE(outcome.problems.empty());
    EXPECT_EQ(outcome.values.get(http_port), 9000);
    EXPECT_EQ(outcome.values.get(idle), 30s);
    EXPECT_EQ(outcome.values.get(memory), byte_size{64 << 20});
    EXPECT_EQ(outcome.values.origin("http.port"), "default");
}

TEST(config, prefers_flags_to_environment_to_file_to_defaults) {
    auto file =
        std::string{R"({"http": {"port": 1}, "log": {"level": "high"}, "cache": {"idle": "1s"}})"};
    auto outcome =
        load({{"--port", "3"}, {{"COHORT_HTTP_PORT", "2"}, {"COHORT_CACHE_IDLE", "2s"}}, file});
    EXPECT_TRUE(outcome.problems.empty());
    EXPECT_EQ(outcome.values.get(http_port), 3);
    EXPECT_EQ(outcome.values.origin("http.port"), "flag --port");
    EXPECT_EQ(outcome.values.get(idle), 2s);
    EXPECT_EQ(outcome.values.origin("cache.idle"), "environment COHORT_CACHE_IDLE");
    EXPECT_EQ(outcome.values.get(log_level), level::high);
    EXPECT_EQ(outcome.values.origin("log.level"), "file app.json:1:31");
    EXPECT_EQ(outcome.values.origin("cache.memory"), "default");
}

TEST(config, asks_its_own_variable_before_the_aliases_in_their_order) {
    EXPECT_EQ(load({{}, {{"OLD_PORT", "1"}}}).values.get(http_port), 1);
    EXPECT_EQ(load({{}, {{"OLD_PORT", "1"}, {"PORT", "2"}}}).values.get(http_port), 2);
    auto all = load({{}, {{"OLD_PORT", "1"}, {"PORT", "2"}, {"COHORT_HTTP_PORT", "3"}}});
    EXPECT_EQ(all.values.get(http_port), 3);
    EXPECT_TRUE(all.problems.empty());
}

TEST(config, takes_flags_in_both_forms_and_the_last_one_wins) {
    auto outcome = load(
        {{"--http.port=1", "--port", "2", "--log.verbose", "--cluster.seed_nodes", "a:1, b:2"}});
    EXPECT_TRUE(outcome.problems.empty());
    EXPECT_EQ(outcome.values.get(http_port), 2);
    EXPECT_TRUE(outcome.values.get(verbose));
    EXPECT_EQ(outcome.values.get(seeds), (std::vector<std::string>{"a:1", "b:2"}));
    EXPECT_FALSE(load({{"--log.verbose=false"}}).values.get(verbose));
}

TEST(config, reads_the_file_that_the_environment_names) {
    auto outcome = load_config(sample_schema(),
                               {.arguments = {},
                                .environment = {{"COHORT_CONFIG", "x.json"}},
                                .read_file = [](const std::string&, std::size_t) {
                                    return result<std::string>{std::string{R"({"http.port": 5})"}};
                                }});
    EXPECT_TRUE(outcome.problems.empty());
    EXPECT_EQ(outcome.values.get(http_port), 5);
}

TEST(config, reads_every_kind_of_value_from_the_file) {
    auto outcome = load({{}, {}, R"({
        "log": {"verbose": true, "level": "high"},
        "cache": {"idle": "250ms", "memory": "16KiB"},
        "origin": {"password": "p\u00e4ss"},
        "cluster": {"seed_nodes": ["a:1", "b,c", 7]},
        "clock": {"offset": -5}
    })"});
    EXPECT_EQ(outcome.problems, std::vector<std::string>{});
    EXPECT_TRUE(outcome.values.get(verbose));
    EXPECT_EQ(outcome.values.get(log_level), level::high);
    EXPECT_EQ(outcome.values.get(idle), 250ms);
    EXPECT_EQ(outcome.values.get(memory), byte_size{16384});
    EXPECT_EQ(outcome.values.get(password), "p\xc3\xa4ss");
    EXPECT_EQ(outcome.values.get(seeds), (std::vector<std::string>{"a:1", "b,c", "7"}));
    EXPECT_EQ(outcome.values.get(offset), -5);
}

TEST(config, accepts_former_names_with_a_warning) {
    auto flag = load({{"--http.listen", "1"}});
    EXPECT_EQ(flag.values.get(http_port), 1);
    EXPECT_EQ(flag.warnings, std::vector<std::string>{"--http.listen: renamed, write --http.port"});
    auto variable = load({{}, {{"COHORT_HTTP_LISTEN", "2"}}});
    EXPECT_EQ(variable.values.get(http_port), 2);
    EXPECT_EQ(variable.warnings.size(), 1U);
    auto file = load({{}, {}, R"({"http": {"port": 4, "listen": 3}})"});
    EXPECT_EQ(file.values.get(http_port), 4);
    EXPECT_EQ(file.warnings.size(), 1U);
    EXPECT_TRUE(flag.problems.empty() && variable.problems.empty() && file.problems.empty());
}

TEST(config, refuses_unknown_names_in_every_source_and_names_the_nearest) {
    EXPECT_EQ(problem_of({{"--http.prot", "1"}}),
              "--http.prot: no such option (did you mean --http.port?)");
    EXPECT_EQ(problem_of({{"--http.prot=1"}}),
              "--http.prot: no such option (did you mean --http.port?)");
    EXPECT_EQ(problem_of({{"--completely-else"}}), "--completely-else: no such option");
    EXPECT_EQ(problem_of({{}, {{"COHORT_HTTP_PROT", "1"}}}),
              "COHORT_HTTP_PROT: no such option (did you mean COHORT_HTTP_PORT?)");
    EXPECT_EQ(problem_of({{}, {}, "{\n  \"http\": {\"prot\": 1}\n}"}),
              "app.json:2:12: http.prot: no such option (did you mean http.port?)");
    EXPECT_EQ(problem_of({{}, {{"UNRELATED", "1"}}}), "");
}

TEST(config, refuses_values_that_are_out_of_range_or_of_another_kind) {
    EXPECT_EQ(problem_of({{"--port", "0"}}), "--port: '0' is not between 1 and 65535");
    EXPECT_EQ(problem_of({{"--port", "65536"}}), "--port: '65536' is not between 1 and 65535");
    EXPECT_EQ(problem_of({{"--port", "-5"}}), "--port: '-5' is not between 1 and 65535");
    EXPECT_EQ(problem_of({{"--port", "12x"}}), "--port: '12x' is not a whole number");
    EXPECT_EQ(problem_of({{"--port="}}), "--port: '' is not a whole number");
    EXPECT_EQ(problem_of({{"--port", "99999999999999999999"}}),
              "--port: '99999999999999999999' is too large a number");
    EXPECT_EQ(problem_of({{"--log.verbose=maybe"}}), "--log.verbose: 'maybe' is not true or false");
    EXPECT_EQ(problem_of({{"--log.level", "mid"}}), "--log.level: 'mid' is none of low, high");
    EXPECT_EQ(
        problem_of({{"--cache.idle", "5"}}),
        "--cache.idle: '5' is not a duration: write a whole number and ns, us, ms, s, m, h or d");
    EXPECT_EQ(problem_of({{"--cache.idle", "25h"}}), "--cache.idle: '25h' is not between 0 and 1d");
    EXPECT_EQ(problem_of({{"--cache.idle", "999999999d"}}),
              "--cache.idle: '999999999d' is too large");
    EXPECT_EQ(
        problem_of({{"--cache.memory", "1KiB2"}}),
        "--cache.memory: '1KiB2' is not a size: write a whole number and B, KiB, MiB, GiB or TiB");
    EXPECT_EQ(problem_of({{"--cache.memory", "5B"}}), "--cache.memory: '5B' is less than 1KiB");
    EXPECT_EQ(problem_of({{"--cluster.seed_nodes", "a,,b"}}),
              "--cluster.seed_nodes: 'a,,b' holds an empty element");
    EXPECT_EQ(problem_of({{"--cluster.seed_nodes", "a,"}}),
              "--cluster.seed_nodes: 'a,' holds an empty element");
    EXPECT_EQ(problem_of({{"--origin.password", std::string(70'000, 'x')}}),
              "--origin.password: the value is not valid");
}

TEST(config, refuses_command_lines_that_make_no_sense) {
    EXPECT_EQ(problem_of({{"--port"}}), "--port: a value is missing");
    EXPECT_EQ(problem_of({{"--port", "--log.verbose"}}), "--port: a value is missing");
    EXPECT_EQ(problem_of({{"stray"}}), "stray: unexpected argument (options start with --)");
    EXPECT_EQ(problem_of({{"--", "--port"}}),
              "--port: unexpected argument (options start with --)");
    EXPECT_EQ(problem_of({{"--config", "none.json"}}),
              "none.json: cannot read the file: not_found: none.json");
}

TEST(config, keeps_positional_arguments_where_the_program_wants_them) {
    auto outcome = load_config(sample_schema(), {.arguments = {"import", "--port", "7", "file"},
                                                 .environment = {},
                                                 .read_file = {},
                                                 .positional_max = 2});
    EXPECT_TRUE(outcome.problems.empty());
    EXPECT_EQ(outcome.positionals, (std::vector<std::string>{"import", "file"}));
}

TEST(config, refuses_files_that_are_not_sound) {
    EXPECT_EQ(problem_of({{}, {}, "[1]"}), "app.json:1:1: the file is not a JSON object");
    EXPECT_EQ(problem_of({{}, {}, "7"}), "app.json:1:1: the file is not a JSON object");
    EXPECT_EQ(problem_of({{}, {}, R"({"http.port": null})"}),
              "app.json:1:2: http.port: null is not a value: leave the key out");
    EXPECT_EQ(problem_of({{}, {}, R"({"http": {"port": 1}, "http.port": 2})"}),
              "app.json:1:23: http.port: the key occurs twice");
    EXPECT_EQ(problem_of({{}, {}, R"({"http.port": [1]})"}),
              "app.json:1:2: http.port: a list is not expected here");
    EXPECT_EQ(problem_of({{}, {}, R"({"cluster.seed_nodes": [["a"]]})"}),
              "app.json:1:2: cluster.seed_nodes: a list holds only texts and numbers");
    EXPECT_EQ(problem_of({{}, {}, R"({"http.port": 9e3})"}),
              "app.json:1:2: http.port: '9e3' is not a whole number");
    auto deep = std::string{};
    for (auto i = 0; i < 20; ++i) {
        deep += R"({"a":)";
    }
    EXPECT_NE(problem_of({{}, {}, deep + "1" + std::string(20, '}')}).find("nested too deeply"),
              std::string::npos);
    EXPECT_NE(problem_of({{}, {}, std::string(2 << 20, ' ')}).find("longer than 1 MiB"),
              std::string::npos);
}

TEST(config, says_where_the_syntax_of_the_file_is_wrong) {
    for (auto bad : {"{", "{\"a\"", "{\"a\": }", "{\"a\": 1,}", "{\"a\": tru}", "{\"a\": 1} x",
                     "{'a': 1}", "{\"a\": \"\\q\"}", "{\"a\": 01}", "\"\xff\"", " "}) {
        auto problem = problem_of({{}, {}, bad});
        EXPECT_TRUE(problem.starts_with("app.json:1:")) << bad << ": " << problem;
        EXPECT_NE(problem.find("not valid JSON"), std::string::npos) << bad << ": " << problem;
    }
    EXPECT_TRUE(problem_of({{}, {}, "{\n  \"http\": {\"port\" 1}\n}"}).starts_with("app.json:2:"));
}

TEST(config, reports_all_problems_together) {
    auto outcome = load({{"--port", "x", "--nothing", "--log.level=mid"},
                         {{"COHORT_NOTHING", ""}, {"COHORT_CACHE_IDLE", "1"}},
                         R"({"unknown": 1, "http.port": 0})"});
    EXPECT_EQ(outcome.problems.size(), 7U);
    for (const auto& each : outcome.problems) {
        EXPECT_EQ(each.find('\n'), std::string::npos);
    }
}

TEST(config, keeps_reports_on_one_line_whatever_the_names_hold) {
    auto problem = problem_of({{"--a\nb\x1b[0m" + std::string(1000, 'x')}});
    EXPECT_EQ(problem.find('\n'), std::string::npos);
    EXPECT_EQ(problem.find('\x1b'), std::string::npos);
    EXPECT_LT(problem.size(), 300U);
}

TEST(config, prints_every_value_with_its_origin_and_masks_secrets) {
    auto outcome = load({{"--print-config", "--origin.password", "hunter2", "--cache.idle=90s"},
                         {{"AKKA_SEED_NODES", "a:1,b:2"}}});
    EXPECT_TRUE(outcome.print_config);
    EXPECT_EQ(outcome.values.print(),
              "cache.idle = 90s  # flag --cache.idle\n"
              "cache.memory = 64MiB  # default\n"
              "clock.offset = 0  # default\n"
              "cluster.seed_nodes = a:1,b:2  # environment AKKA_SEED_NODES\n"
              "http.port = 9000  # default\n"
              "log.level = low  # default\n"
              "log.verbose = false  # default\n"
              "origin.password = ****  # flag --origin.password\n");
}

TEST(config, prints_values_whole_however_long_they_are) {
    auto many = std::string(300, 'a') + ":1," + std::string(300, 'b') + ":2";
    auto outcome = load({{"--print-config"}, {{"AKKA_SEED_NODES", many}}});
    EXPECT_NE(outcome.values.print().find("cluster.seed_nodes = " + many + "  #"),
              std::string::npos);
}

TEST(config, lists_every_option_in_its_help) {
    EXPECT_TRUE(load({{"--help", "--nonsense"}}).help);
    auto help = sample_schema().help();
    EXPECT_NE(help.find("--http.port, --port\n      port of the HTTP server (default 9000) "
                        "[COHORT_HTTP_PORT, PORT, OLD_PORT]"),
              std::string::npos);
    EXPECT_NE(help.find("(one of low, high)"), std::string::npos);
}

TEST(config, can_be_set_by_the_program) {
    auto values = config{sample_schema()};
    values.set(idle, duration{5s});
    EXPECT_EQ(values.get(idle), 5s);
    EXPECT_EQ(values.origin("cache.idle"), "code");
}

TEST(config, stops_a_program_that_declares_two_options_alike) {
    auto schema = sample_schema();
    EXPECT_DEATH(schema.add(http_port), "same name");
    EXPECT_DEATH(schema.add(config_key<int>{.name = "http_port", .help = ""}),
                 "same name or variable");
    EXPECT_DEATH(schema.add(config_key<int>{.name = "other", .help = "", .flag = "port"}),
                 "same flag");
    EXPECT_DEATH(schema.add(config_key<int>{.name = "small", .fallback = 5, .help = "", .max = 4}),
                 "lies in its range");
    auto values = config{config_schema{}};
    EXPECT_DEATH(static_cast<void>(values.get(http_port)), "declared before it is read");
}

RC_GTEST_PROP(config_property, prints_values_in_the_form_in_which_it_reads_them,
              (std::int64_t number, bool flag)) {
    auto check = [](const config_option& option, const config_value& value) {
        auto text = detail::print_config_value(option, value);
        RC_ASSERT(detail::parse_config_value(option, text).value() == value);
    };
    auto magnitude = number < 0 ? -(number + 1) : number;
    check(detail::erase_key(offset), number);
    check(detail::erase_key(verbose), flag);
    check(
        config_option{
            .name = "a", .help = "", .kind = config_kind::duration, .fallback = magnitude},
        magnitude);
    check(config_option{.name = "a", .help = "", .kind = config_kind::size, .fallback = magnitude},
          magnitude);
}

RC_GTEST_PROP(config_property, survives_any_file_and_any_arguments,
              (const std::string& file, const std::vector<std::string>& arguments)) {
    static_cast<void>(load({arguments, {}, file + " "}).problems.size());
    static_cast<void>(load({arguments, {}, "{\"http\": {" + file + "}}"}).problems.size());
}

}  // namespace
}  // namespace cohort
