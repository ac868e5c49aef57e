// A configuration file, arguments and environment variables of any bytes give values and problems,
// each problem one line. What can be read can be printed and read again.
//
// The input is the file, then the others, each behind a zero byte; a variable begins with `$`.

#include <cohort/runtime/detail/config_text.hpp>
#include <cohort/world/network.hpp>

#include <cstdint>

namespace {

using namespace cohort;

enum class mode : std::uint8_t { fast, safe };

config_schema make_schema() {
    auto schema = config_schema{};
    schema.add(config_key<std::uint16_t>{.name = "http.port",
                                         .fallback = 9000,
                                         .help = "port",
                                         .flag = "port",
                                         .environment = {"PORT"}});
    schema.add(config_key<bool>{.name = "a", .help = "flag"});
    schema.add(config_key<mode>{
        .name = "mode", .help = "mode", .choices = {{"fast", mode::fast}, {"safe", mode::safe}}});
    schema.add(config_key<duration>{
        .name = "cache.idle", .help = "duration", .former_names = {"idle", "cache.rest"}});
    schema.add(config_key<byte_size>{.name = "cache.memory", .help = "size"});
    schema.add(config_key<std::string>{.name = "text", .help = "text", .secret = true});
    schema.add(config_key<std::vector<std::string>>{.name = "list", .help = "list"});
    static_cast<void>(schema.help());
    return schema;
}

void check_value(const config_option& option, std::string_view text) {
    auto value = detail::parse_config_value(option, text);
    if (!value) {
        return;
    }
    auto printed = detail::print_config_value(option, *value);
    auto again = detail::parse_config_value(option, printed);
    COHORT_ASSERT(again && *again == *value, "a value that is printed can be read again");
}

void check_endpoint(std::string_view text) {
    auto found = endpoint::parse(text);
    if (found) {
        auto again = endpoint::parse(found->text());
        COHORT_ASSERT(again && *again == *found, "an address that is printed can be read again");
    }
}

bool is_one_line(const std::string& text) { return text.find('\n') == text.npos; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto schema = make_schema();
    auto input = std::string_view{reinterpret_cast<const char*>(data), size};
    auto file = std::string{input.substr(0, input.find('\0'))};
    input.remove_prefix(file.size());
    auto sources = config_sources{};
    sources.arguments = {"--config", "file"};
    sources.positional_max = 1;
    if (!file.starts_with("no file")) {
        sources.read_file = [&](const std::string& name, std::size_t) {
            return name == "file" ? result{file} : result<std::string>{errc::not_found};
        };
    }
    constexpr int pieces_max = 16;  // more are slow, and no different
    for (int i = 0; i < pieces_max && !input.empty(); ++i) {
        input.remove_prefix(1);
        auto piece = input.substr(0, input.find('\0'));
        input.remove_prefix(piece.size());
        auto equals = piece.find('=');
        if (piece.starts_with('$') && equals != piece.npos) {
            sources.environment[std::string{piece.substr(1, equals - 1)}] =
                piece.substr(equals + 1);
        } else {
            sources.arguments.emplace_back(piece);
        }
        for (const auto& option : schema.options()) {
            check_value(option, piece);
        }
        check_endpoint(piece);
    }
    auto outcome = load_config(schema, sources);
    for (const auto& each : outcome.problems) {
        COHORT_ASSERT(is_one_line(each), "a problem is one line");
        COHORT_ASSERT(sources.arguments.size() > 2 || !sources.environment.empty() ||
                          each.starts_with("file:"),
                      "a problem of a file starts with its position");
    }
    for (const auto& each : outcome.warnings) {
        COHORT_ASSERT(is_one_line(each), "a warning is one line");
    }
    static_cast<void>(outcome.values.print());
    return 0;
}
