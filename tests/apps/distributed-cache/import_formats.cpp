#include <distributed-cache/import_formats.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <fmt/format.h>

#include <string>
#include <vector>

namespace cohort {
namespace {

/// What a format made of a text: `line key=content` for rows, `line! reason` for refusals.
std::vector<std::string> read(import_format& format, std::string_view text,
                              std::size_t line_bytes_max = 1000) {
    auto seen = std::vector<std::string>{};
    auto note = [&](const import_item& item) {
        if (auto* record = std::get_if<import_record>(&item)) {
            seen.push_back(fmt::format("{} {}={}", record->line, record->key, record->content));
        } else if (auto* refusal = std::get_if<import_refusal>(&item)) {
            seen.push_back(fmt::format("{}! {}", refusal->line, refusal->reason));
        }
    };
    auto lines = line_splitter{line_bytes_max};
    while (!text.empty()) {
        auto room = lines.room();
        auto bytes = std::min(room.size(), text.size());
        std::copy_n(text.begin(), bytes, room.begin());
        lines.filled(bytes);
        text.remove_prefix(bytes);
    }
    lines.finish();
    while (auto line = lines.next()) {
        note(format.take(*line));
    }
    note(format.finish());
    return seen;
}

using seen = std::vector<std::string>;

TEST(ndjson, keeps_strings_as_their_text_and_other_json_as_it_is_written) {
    auto format = ndjson_format();
    EXPECT_EQ(read(*format, R"({"key": "a", "value": "text \"quoted\" \u00e9"}

{"value": {"n": [1, 2.50, {"x" : null}]} , "key": "b"}
{"key": "c", "value": [ ]}
{"key": "d", "value": -1.50e3 }
{"key": "e", "value": true}
{"key": "f", "value": null}
{"key": "g\u0000h", "value": ""}
)"),
              (seen{"1 a=text \"quoted\" \u00e9", "3 b={\"n\": [1, 2.50, {\"x\" : null}]}",
                    "4 c=[ ]", "5 d=-1.50e3", "6 e=true", "7 f=null", std::string{"8 g\0h=", 6}}));
}

TEST(ndjson, refuses_lines_by_number_with_a_reason_and_goes_on) {
    auto format = ndjson_format();
    auto found = read(*format, R"([1]
{"key": 1, "value": 2}
{"key": "a"}
{"value": "a"}
{"key": "a", "value": 1, "ttl": 3}
{"key": "a", "key": "b", "value": 1}
{"key": "fine", "value": 1}
)");
    EXPECT_EQ(found, (seen{R"(1! no object: write {"key": "...", "value": ...})",
                           R"(2! member "key" must be a string)", R"(3! member "value" is missing)",
                           R"(4! member "key" is missing)", R"(5! unknown member "ttl")",
                           R"(6! member "key" stands twice)", "7 fine=1"}));
}

TEST(ndjson, refuses_broken_json_wherever_it_is_broken) {
    for (auto* line : {R"({"key": "a", "value": {"x": tru}})", R"({"key": "a", "value": 1} x)",
                       R"({"key": "a", "value": [1, 2})", R"({"key": "a", "value": 1)", "{", "\"",
                       "\xff", R"({"key": "a", "value": 01})", "{\"key\": \"a\xff\", \"value\": 1}",
                       R"({"key": "a", "value": "\ud800"})", R"({"key": "a" "value": 1})"}) {
        auto format = ndjson_format();
        auto found = read(*format, line);
        ASSERT_EQ(found.size(), 1U) << line;
        EXPECT_TRUE(found.front().starts_with("1! no JSON: ")) << found.front();
    }
}

TEST(ndjson, refuses_a_line_over_the_limit_and_one_nested_too_deeply) {
    auto format = ndjson_format();
    EXPECT_EQ(read(*format, std::string(200, ' ') + "\n{\"key\":\"a\",\"value\":1}", 100),
              (seen{"1! the line is longer than the limit", "2 a=1"}));
    auto deep = R"({"key":"a","value":)" + std::string(5000, '[') + std::string(5000, ']') + "}";
    EXPECT_TRUE(read(*format, deep, 100'000).front().starts_with("1! no JSON: "));
}

TEST(dumpavail, takes_each_stanza_as_it_stands) {
    auto format = dumpavail_format(1000);
    EXPECT_EQ(read(*format,
                   "\nPackage: bash\nVersion: 5\nTag: a,\n b\n\n\n"
                   "Version: 1\r\npackage:  zsh \r\n"),
              (seen{"2 bash=Package: bash\nVersion: 5\nTag: a,\n b\n",
                    "8 zsh=Version: 1\npackage:  zsh \n"}));
}

TEST(dumpavail, refuses_a_stanza_at_its_first_line_with_a_reason_and_goes_on) {
    auto format = dumpavail_format(40);
    EXPECT_EQ(
        read(*format,
             "Version: 1\n\n"
             " continued\nPackage: a\n\n"
             "Package: a\nno colon\n\n"
             "Package: a\nPackage: b\n\n"
             "Package:\n\n"
             "Package: a\nText: 123456789012345678901234567890\nMore: 1\n\n"
             "Package: fine\n\n"),
        (seen{"1! the stanza has no field \"Package\"",
              "3! the stanza begins with a continuation line", "6! line 7 is no \"Name: value\"",
              "9! line 10 names a second package", "12! the stanza has no field \"Package\"",
              "14! the stanza is longer than the limit", "18 fine=Package: fine\n"}));
}

TEST(dumpavail, refuses_a_stanza_with_a_line_over_the_limit) {
    auto format = dumpavail_format(1000);
    EXPECT_EQ(read(*format, "Package: a\nText: 1234567890\n\nPackage: b\n", 12),
              (seen{"1! the stanza is longer than the limit", "4 b=Package: b\n"}));
}

TEST(make_import_format, knows_its_formats_by_name) {
    EXPECT_TRUE(make_import_format("ndjson", 10).has_value());
    EXPECT_TRUE(make_import_format("dumpavail", 10).has_value());
    EXPECT_EQ(make_import_format("csv", 10).error().text(),
              "unknown format \"csv\": ndjson or dumpavail");
}

std::string json_string(std::string_view text) {
    auto out = std::string{"\""};
    for (auto letter : text) {
        out += fmt::format("\\u{:04x}", static_cast<unsigned char>(letter));
    }
    return out + "\"";
}

RC_GTEST_PROP(ndjson, reads_back_what_was_written, ()) {
    auto ascii = rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127));
    auto rows = *rc::gen::container<std::vector<std::pair<std::string, std::string>>>(
        rc::gen::pair(ascii, ascii));
    auto text = std::string{};
    auto expected = seen{};
    for (auto& [key, value] : rows) {
        text += fmt::format("{{\"key\":{},\"value\":{}}}\n", json_string(key), json_string(value));
        expected.push_back(fmt::format("{} {}={}", expected.size() + 1, key, value));
    }
    RC_ASSERT(read(*ndjson_format(), text, 100'000) == expected);
}

RC_GTEST_PROP(import_formats, make_of_any_bytes_at_most_one_item_a_line, ()) {
    auto text = *rc::gen::container<std::string>(rc::gen::oneOf(
        rc::gen::arbitrary<char>(), rc::gen::element('\n', '{', '"', ':', ' ', '}')));
    auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    RC_ASSERT(read(*ndjson_format(), text).size() <= lines);
    RC_ASSERT(read(*dumpavail_format(100), text).size() <= lines);
}

RC_GTEST_PROP(ndjson, refuses_or_takes_a_damaged_line_and_takes_the_next, ()) {
    auto line = std::string{R"({"key":"k","value":{"a":[1,"x",true]}})"};
    line[*rc::gen::inRange<std::size_t>(0, line.size())] =
        *rc::gen::suchThat(rc::gen::arbitrary<char>(), [](char found) { return found != '\n'; });
    auto found = read(*ndjson_format(), line + "\n{\"key\":\"next\",\"value\":1}\n");
    RC_ASSERT(found.size() <= 2U);
    RC_ASSERT(found.back() == "2 next=1");
}

}  // namespace
}  // namespace cohort
