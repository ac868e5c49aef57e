#include <distributed-cache/line_splitter.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace cohort {
namespace {

using seen_line = std::pair<std::string, bool>;

std::vector<seen_line> split(std::string_view input, std::size_t limit,
                             const std::vector<std::size_t>& pieces) {
    auto splitter = line_splitter{limit};
    auto lines = std::vector<seen_line>{};
    auto drain = [&] {
        while (auto line = splitter.next()) {
            lines.emplace_back(line->text, line->too_long);
            EXPECT_EQ(line->number, lines.size());
        }
    };
    auto piece = pieces.begin();
    while (!input.empty()) {
        auto room = splitter.room();
        auto wanted = piece == pieces.end() ? input.size() : std::max<std::size_t>(1, *piece++);
        auto bytes = std::min({wanted, room.size(), input.size()});
        std::copy_n(input.begin(), bytes, room.begin());
        splitter.filled(bytes);
        input.remove_prefix(bytes);
        drain();
    }
    splitter.finish();
    drain();
    return lines;
}

TEST(line_splitter, takes_a_last_line_without_a_newline) {
    EXPECT_EQ(split("a\n\nb", 10, {}),
              (std::vector<seen_line>{{"a", false}, {"", false}, {"b", false}}));
    EXPECT_TRUE(split("", 10, {}).empty());
    EXPECT_EQ(split("\n", 10, {}), (std::vector<seen_line>{{"", false}}));
}

TEST(line_splitter, drops_the_bytes_of_a_line_over_the_limit_and_goes_on) {
    auto input = std::string(3'000'000, 'x') + "\nok\n" + std::string(11, 'y');
    EXPECT_EQ(split(input, 10, {}),
              (std::vector<seen_line>{{"", true}, {"ok", false}, {"", true}}));
}

TEST(line_splitter, keeps_a_long_line_that_the_limit_allows) {
    auto line = std::string(3'000'000, 'x');
    EXPECT_EQ(split("a\n" + line + "\nb", line.size(), {}),
              (std::vector<seen_line>{{"a", false}, {line, false}, {"b", false}}));
}

RC_GTEST_PROP(line_splitter, finds_the_same_lines_however_the_bytes_come, ()) {
    auto input = *rc::gen::container<std::string>(rc::gen::element('a', 'b', '\n'));
    auto pieces =
        *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 6));
    auto limit = *rc::gen::inRange<std::size_t>(1, 8);
    auto expected = std::vector<seen_line>{};
    for (auto rest = std::string_view{input}; !rest.empty();) {
        auto end = std::min(rest.find('\n'), rest.size());
        auto too_long = end > limit;
        expected.emplace_back(too_long ? "" : rest.substr(0, end), too_long);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    RC_ASSERT(split(input, limit, pieces) == expected);
}

}  // namespace
}  // namespace cohort
