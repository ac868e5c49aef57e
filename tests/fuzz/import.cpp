// Rows that are imported: any bytes give the same rows and refusals however they are cut into
// pieces, and what is kept of a JSON value is JSON.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <cohort/world/assert.hpp>
#include <distributed-cache/import_formats.hpp>

namespace {

using namespace cohort;

constexpr std::size_t record_bytes_max = 200;

std::string print(const import_item& item) {
    if (const auto* row = std::get_if<import_record>(&item)) {
        COHORT_ASSERT(row->key.size() + row->content.size() <= 2 * record_bytes_max,
                      "a row is no longer than its limit");
        return "row " + std::to_string(row->line) + " " + std::string{row->key} + "=" +
               std::string{row->content} + "\n";
    }
    if (const auto* refused = std::get_if<import_refusal>(&item)) {
        return "refused " + std::to_string(refused->line) + " " + refused->reason + "\n";
    }
    return {};
}

std::string read(std::string_view format, std::string_view input, std::size_t piece) {
    auto out = std::string{};
    auto rows = make_import_format(format, record_bytes_max);
    COHORT_ASSERT(rows.has_value(), "both formats are known");
    auto lines = line_splitter{record_bytes_max};
    auto take_all = [&] {
        while (auto line = lines.next()) {
            out += print((*rows)->take(*line));
        }
    };
    while (!input.empty()) {
        auto room = lines.room();
        auto size = std::min({piece, input.size(), room.size()});
        std::memcpy(room.data(), input.data(), size);
        lines.filled(size);
        input.remove_prefix(size);
        take_all();
    }
    lines.finish();
    take_all();
    return out + print((*rows)->finish());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    auto input = std::string_view{reinterpret_cast<const char*>(data) + 1, size - 1};
    auto format = std::string_view{(data[0] & 1) == 0 ? "ndjson" : "dumpavail"};
    auto whole = read(format, input, size);
    auto pieces = read(format, input, 1 + data[0] % 61U);
    COHORT_ASSERT(whole == pieces, "rows do not depend on how their bytes were split");
    COHORT_ASSERT(!make_import_format(input, record_bytes_max), "there are two formats");
    return 0;
}
