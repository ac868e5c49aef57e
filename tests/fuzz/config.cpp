// A configuration file of any bytes gives entries and problems, each of them one line with its
// position.

#include <cohort/runtime/detail/config_text.hpp>

#include <cstdint>

namespace {

enum class mode : std::uint8_t { fast, safe };

cohort::config_schema make_schema() {
    auto schema = cohort::config_schema{};
    schema.add(
        cohort::config_key<std::uint16_t>{.name = "http.port", .fallback = 9000, .help = "port"});
    schema.add(cohort::config_key<bool>{.name = "a", .help = "flag"});
    schema.add(cohort::config_key<mode>{
        .name = "mode", .help = "mode", .choices = {{"fast", mode::fast}, {"safe", mode::safe}}});
    schema.add(cohort::config_key<cohort::duration>{.name = "cache.idle", .help = "duration"});
    schema.add(cohort::config_key<cohort::byte_size>{.name = "cache.memory", .help = "size"});
    schema.add(cohort::config_key<std::string>{.name = "text", .help = "text", .secret = true});
    schema.add(cohort::config_key<std::vector<std::string>>{.name = "list", .help = "list"});
    return schema;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto schema = make_schema();
    auto content = std::string{reinterpret_cast<const char*>(data), size};
    auto outcome = cohort::load_config(schema, {.arguments = {"--config", "file"},
                                                .environment = {},
                                                .read_file = [&](const std::string&, std::size_t) {
                                                    return cohort::result{content};
                                                }});
    for (const auto& each : outcome.problems) {
        COHORT_ASSERT(each.starts_with("file:") && each.find('\n') == each.npos,
                      "a problem is one line and starts with its position");
    }
    static_cast<void>(outcome.values.print());
    return 0;
}
