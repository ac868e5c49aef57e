// A line that replays a simulation: what can be read is printed, and reads the same again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <cohort/testkit/schedule.hpp>
#include <cohort/world/assert.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto input = std::string_view{reinterpret_cast<const char*>(data), size};
    auto found = cohort::schedule::parse(input);
    if (!found) {
        static_cast<void>(found.error().message());
        return 0;
    }
    auto again = cohort::schedule::parse(found->text());
    COHORT_ASSERT(again && *again == *found, "a schedule that is printed can be read again");
    return 0;
}
