#include <cohort/runtime/codec.hpp>

#include <memory>

#include <cohort/world/time.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace cohort {
namespace {

enum class color : std::uint8_t { red, green, blue };
enum class yes_no : bool { no, yes };

struct point {
    std::int32_t x = 0;
    std::int32_t y = 0;
    bool operator==(const point&) const = default;
};

struct everything {
    bool flag = false;
    std::int8_t small = 0;
    std::uint64_t large = 0;
    double real = 0;
    color paint = color::red;
    yes_no answer = yes_no::no;
    std::string text;
    bytes content;
    std::vector<std::uint16_t> numbers;
    std::vector<std::string> texts;
    std::vector<bool> flags;
    std::array<std::int16_t, 3> triple{};
    std::optional<point> maybe;
    std::pair<std::string, point> both;
    std::map<std::string, point> sorted;
    std::unordered_map<std::uint32_t, std::string> hashed;
    std::set<std::int64_t> keys;
    std::unordered_set<std::string> names;
    std::variant<std::monostate, point, std::string> one_of;
    std::chrono::milliseconds pause{};
    wall_time when{};
    point nested;
    bool operator==(const everything&) const = default;
};

struct tree {
    std::string label;
    std::vector<tree> children;
    bool operator==(const tree&) const = default;
};

struct nothing {
    bool operator==(const nothing&) const = default;
};

struct cache_put {
    std::uint64_t id = 0;
    std::string key;
    bytes value;
    std::uint32_t ttl = 0;
    std::uint8_t op = 0;
    bool operator==(const cache_put&) const = default;
};

// The same message in an older and in a newer release.
struct order_v1 {
    std::uint32_t number = 0;
    bool operator==(const order_v1&) const = default;
};
struct order_v2 {
    std::uint32_t number = 0;
    std::string note = "none";
    std::optional<point> where = point{7, 8};
    bool operator==(const order_v2&) const = default;
};
struct orders_v1 {
    std::vector<order_v1> list;
    std::uint8_t end = 0;
    bool operator==(const orders_v1&) const = default;
};
struct orders_v2 {
    std::vector<order_v2> list;
    std::uint8_t end = 0;
    std::uint64_t appended = 42;
    bool operator==(const orders_v2&) const = default;
};

class money {
public:
    money() = default;
    explicit money(std::int64_t cents) : cents_{cents} {}
    [[nodiscard]] std::int64_t cents() const { return cents_; }
    bool operator==(const money&) const = default;

private:
    std::int64_t cents_ = 0;
};

struct invoice {
    std::string to;
    money total;
    std::vector<money> items;
    bool operator==(const invoice&) const = default;
};

struct scale : codec_context {
    std::int64_t factor = 1;
};

struct named {
    static constexpr std::string_view wire_name = "shop.named";
    static constexpr std::uint16_t wire_version = 3;
    int field = 0;
};

}  // namespace

template <>
struct codec<money> {
    static constexpr std::size_t bytes_min = sizeof(std::int64_t);

    template <class Sink>
    static void write(Sink& out, const money& value) {
        out.put(value.cents());
    }
    static bool read(codec_reader& in, money& value) {
        auto cents = std::int64_t{};
        if (!in.get(cents)) {
            return false;
        }
        if (cents < 0) {
            return in.fail(errc::invalid, "money is never negative");
        }
        const auto* surroundings = static_cast<scale*>(in.context());
        value = money{cents * (surroundings != nullptr ? surroundings->factor : 1)};
        return true;
    }
};

namespace {

template <class T>
std::string encoded(const T& value, const codec_options& options = {}) {
    auto buffer = byte_buffer{};
    encode(value, buffer, options).value();
    return std::string{buffer.view()};
}

template <class T>
void expect_round_trip(const T& value) {
    auto input = encoded(value);
    EXPECT_EQ(input.size(), encoded_size(value).value());
    auto output = decode<T>(input);
    ASSERT_TRUE(output.has_value()) << output.error().message();
    EXPECT_TRUE(*output == value);
}

everything sample() {
    auto value = everything{};
    value.flag = true;
    value.small = -5;
    value.large = 1'234'567'890'123;
    value.real = 2.5;
    value.paint = color::blue;
    value.answer = yes_no::yes;
    value.text = std::string("with\0zero", 9);
    value.content = bytes{"shared"};
    value.numbers = {1, 2, 65535};
    value.texts = {"", "a", std::string(300, 'x')};
    value.flags = {true, false, true};
    value.triple = {-1, 0, 1};
    value.maybe = point{1, -2};
    value.both = {"pair", {3, 4}};
    value.sorted = {{"a", {1, 1}}, {"b", {2, 2}}};
    value.hashed = {{1, "one"}, {2, "two"}};
    value.keys = {-9, 9};
    value.names = {"x", "y"};
    value.one_of = point{5, 6};
    value.pause = std::chrono::milliseconds{250};
    value.when = wall_time{std::chrono::nanoseconds{99}};
    value.nested = {8, 9};
    return value;
}

TEST(codec, writes_fields_in_order_little_endian) {
    auto value = cache_put{0x0102, "k", bytes{"vv"}, 3, 4};
    EXPECT_EQ(encoded(value), std::string("\x02\x01\0\0\0\0\0\0"
                                          "\x01\0\0\0k"
                                          "\x02\0\0\0vv"
                                          "\x03\0\0\0\x04",
                                          24));
}

TEST(codec, brings_back_what_it_wrote) {
    expect_round_trip(sample());
    expect_round_trip(everything{});
    expect_round_trip(nothing{});
    expect_round_trip(std::uint32_t{7});
    expect_round_trip(std::string{"alone"});
    expect_round_trip(tree{"root", {{"left", {}}, {"right", {{"leaf", {}}}}}});
    expect_round_trip(std::vector<nothing>(3));
    expect_round_trip(std::variant<int, std::string>{"second"});
}

TEST(codec, brings_back_results_and_chains_of_errors) {
    auto good = decode<result<std::string>>(encoded(result<std::string>{"fine"}));
    ASSERT_TRUE(good && *good);
    EXPECT_EQ(**good, "fine");
    auto failure =
        error{errc::unavailable, "cannot store", "entity", error{errc::storage, "disk full"}};
    auto bad = decode<result<std::string>>(
        encoded(result<std::string>{std::move(failure).with(executed::no)}));
    ASSERT_TRUE(bad && !*bad);
    EXPECT_EQ(bad->error().message(),
              "unavailable: cannot store (entity), because storage: disk full");
    EXPECT_EQ(bad->error().executed(), executed::no);
    auto done = decode<result<void>>(encoded(result<void>{}));
    ASSERT_TRUE(done);
    EXPECT_TRUE(done->has_value());
    auto refused = decode<result<void>>(encoded(result<void>{errc::overloaded}));
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->error(), errc::overloaded);
}

TEST(codec, refuses_an_error_that_says_ok) {
    auto input = encoded(result<void>{errc::timeout});
    input[5] = 0;
    EXPECT_EQ(decode<result<void>>(input).error(), errc::invalid);
    input[5] = 1;
    input[7] = 3;
    EXPECT_EQ(decode<result<void>>(input).error(), errc::invalid);
}

TEST(codec, gives_fields_of_a_newer_release_their_defaults) {
    auto output = decode<orders_v2>(encoded(orders_v1{{{1}, {2}}, 9}));
    ASSERT_TRUE(output.has_value()) << output.error().message();
    auto expected = orders_v2{{{1, "none", point{7, 8}}, {2, "none", point{7, 8}}}, 9, 42};
    EXPECT_TRUE(*output == expected);
}

TEST(codec, skips_fields_of_a_newer_release) {
    auto output = decode<orders_v1>(encoded(orders_v2{{{1, "long note", {}}, {2, "", {}}}, 9, 10}));
    ASSERT_TRUE(output.has_value()) << output.error().message();
    EXPECT_TRUE((*output == orders_v1{{{1}, {2}}, 9}));
}

TEST(codec, resets_missing_fields_of_a_value_that_is_used_again) {
    auto value = orders_v2{{}, 1, 2};
    ASSERT_TRUE(decode_into(value, encoded(orders_v1{{}, 9})).has_value());
    EXPECT_TRUE((value == orders_v2{{}, 9, 42}));
    auto used = sample();
    ASSERT_TRUE(decode_into(used, encoded(everything{})).has_value());
    EXPECT_TRUE(used == everything{});
}

TEST(codec, refuses_input_that_ends_inside_a_field) {
    auto input = encoded(cache_put{1, "key", bytes{"value"}, 3, 4});
    for (auto size = std::size_t{0}; size < input.size(); ++size) {
        auto output = decode<cache_put>(input.substr(0, size));
        // Cut behind a whole field, it is what an older release would have sent.
        auto whole = size == 0 || size == 8 || size == 15 || size == 24 || size == 28;
        EXPECT_EQ(output.has_value(), whole) << size;
        if (!output) {
            EXPECT_EQ(output.error(), errc::truncated);
        }
    }
}

TEST(codec, reads_nothing_behind_the_end_however_short_the_input_is) {
    auto input = encoded(sample());
    for (auto size = std::size_t{0}; size < input.size(); ++size) {
        // Its own allocation, so that AddressSanitizer sees a read behind the end.
        auto part =
            std::vector<char>(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
        auto output = decode<everything>({part.data(), part.size()});
        EXPECT_TRUE(output || output.error() == errc::truncated) << size;
    }
}

TEST(codec, says_where_the_input_is_bad) {
    auto input = encoded(cache_put{1, "key", bytes{"value"}, 3, 4});
    auto failure = decode<cache_put>(input.substr(0, 26)).error();
    EXPECT_EQ(failure.text(), "the message ends early");
    EXPECT_TRUE(failure.where().ends_with("cache_put, byte 24")) << failure.where();
}

TEST(codec, refuses_flags_that_are_neither_0_nor_1) {
    EXPECT_EQ(decode<bool>("\x02").error(), errc::invalid);
    EXPECT_EQ(decode<yes_no>("\x02").error(), errc::invalid);
    EXPECT_EQ(decode<std::vector<bool>>(std::string("\x01\0\0\0\x07", 5)).error(), errc::invalid);
    EXPECT_EQ(decode<std::optional<int>>("\x05").error(), errc::invalid);
}

TEST(codec, refuses_an_unknown_alternative) {
    auto failure = decode<std::variant<int, bool>>("\x02").error();
    EXPECT_EQ(failure, errc::invalid);
}

TEST(codec, refuses_a_key_that_occurs_twice) {
    auto input = std::string("\x02\0\0\0\x05\x05", 6);
    EXPECT_EQ(decode<std::set<std::uint8_t>>(input).error(), errc::invalid);
    EXPECT_EQ(decode<std::unordered_set<std::uint8_t>>(input).error(), errc::invalid);
}

TEST(codec, refuses_a_length_that_the_input_cannot_justify) {
    auto huge = std::string("\xff\xff\xff\xff", 4);
    EXPECT_EQ(decode<std::string>(huge).error(), errc::truncated);
    EXPECT_EQ(decode<bytes>(huge).error(), errc::truncated);
    EXPECT_EQ(decode<std::vector<int>>(huge).error(), errc::too_large);
    auto many = std::string("\xff\xff\x0f\0rest", 8);
    EXPECT_EQ(decode<std::vector<int>>(many).error(), errc::truncated);
    EXPECT_EQ(decode<std::vector<everything>>(many).error(), errc::truncated);
    EXPECT_EQ((decode<std::map<int, int>>(many).error()), errc::truncated);
    EXPECT_EQ(decode<std::vector<point>>(huge).error(), errc::too_large);
}

TEST(codec, keeps_limits_on_both_sides) {
    auto small =
        codec_options{.limits = {.message_bytes_max = 16, .elements_max = 3, .depth_max = 2}};
    auto buffer = byte_buffer{};
    buffer.append("before");
    EXPECT_EQ(encode(std::string(13, 'x'), buffer, small).error(), errc::too_large);
    EXPECT_EQ(encode(std::vector<bool>(4), buffer, small).error(), errc::too_large);
    auto deep = tree{"", {{"", {{"", {{"", {}}}}}}}};
    EXPECT_EQ(encode(deep, buffer, {.limits = {.depth_max = 2}}).error(), errc::too_large);
    EXPECT_EQ(encoded_size(deep, {.limits = {.depth_max = 2}}).error(), errc::too_large);
    EXPECT_EQ(buffer.view(), "before");

    EXPECT_EQ(decode<std::string>(encoded(std::string(13, 'x')), small).error(), errc::too_large);
    EXPECT_EQ(decode<std::vector<bool>>(encoded(std::vector<bool>(4)), small).error(),
              errc::too_large);
    EXPECT_EQ(decode<tree>(encoded(deep), {.limits = {.depth_max = 2}}).error(), errc::too_large);
    EXPECT_TRUE(decode<tree>(encoded(deep), {.limits = {.depth_max = 3}}).has_value());
    EXPECT_TRUE(decode<std::vector<bool>>(encoded(std::vector<bool>(3)), small).has_value());
}

TEST(codec, appends_to_what_a_buffer_holds) {
    auto buffer = byte_buffer{};
    ASSERT_TRUE(encode(std::uint8_t{'a'}, buffer).has_value());
    ASSERT_TRUE(encode(std::string(1000, 'b'), buffer).has_value());
    EXPECT_EQ(buffer.size(), 1 + 4 + 1000U);
    EXPECT_EQ(buffer.view().front(), 'a');
    EXPECT_EQ(buffer.view().back(), 'b');
}

TEST(codec, lets_a_class_bring_its_own_form_and_see_its_surroundings) {
    expect_round_trip(invoice{"somebody", money{1999}, {money{1000}, money{999}}});
    auto surroundings = scale{};
    surroundings.factor = 10;
    auto output = decode<invoice>(encoded(invoice{"x", money{5}, {}}), {.context = &surroundings});
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->total.cents(), 50);
    auto failure = decode<invoice>(encoded(invoice{"x", money{-5}, {}})).error();
    EXPECT_EQ(failure.text(), "money is never negative");
}

TEST(codec, knows_at_compile_time_what_can_be_serialized) {
    struct with_base : point {
        int z = 0;
    };
    struct with_array {
        int values[3] = {};
    };
    struct with_nested_array {
        std::string name;
        with_array inner;
    };
    struct with_array_of_one {
        std::string values[1];
    };
    struct with_strings {
        std::string name;
        point where;
        std::string names[2];
    };
    struct with_bits {
        unsigned a : 1;
        unsigned b : 1;
        unsigned c : 1;
        unsigned d : 1;
        unsigned e : 1;
    };
    struct with_reference {
        const std::string& text;
    };
    struct with_const {
        const int fixed = 1;
    };
    struct with_pointer {
        std::vector<point*> points;
    };
    struct with_view {
        std::string_view text;
    };
    enum loose { one, two };
    union either {
        int a;
        float b;
    };
    EXPECT_TRUE(serializable<everything>);
    EXPECT_TRUE(serializable<tree>);
    EXPECT_TRUE(serializable<invoice>);
    EXPECT_TRUE(serializable<result<everything>>);
    EXPECT_FALSE(serializable<with_base>);
    EXPECT_FALSE(serializable<with_array>);
    EXPECT_FALSE(serializable<with_nested_array>);
    EXPECT_FALSE(serializable<with_array_of_one>);
    EXPECT_FALSE(serializable<with_strings>);
    EXPECT_FALSE(serializable<with_bits>);
    EXPECT_FALSE(serializable<with_reference>);
    EXPECT_FALSE(serializable<with_const>);
    EXPECT_FALSE(serializable<with_pointer>);
    EXPECT_FALSE(serializable<with_view>);
    EXPECT_FALSE(serializable<loose>);
    EXPECT_FALSE(serializable<either>);
    EXPECT_FALSE(serializable<long double>);
    EXPECT_FALSE(serializable<std::unique_ptr<int>>);
    EXPECT_FALSE(serializable<std::vector<std::monostate>>);
    EXPECT_FALSE((serializable<std::optional<std::map<int, with_pointer>>>));
    EXPECT_FALSE((serializable<std::variant<int, with_base>>));
}

TEST(message_id, is_a_stable_hash_of_the_types_name) {
    EXPECT_EQ(wire_name<codec_limits>(), "cohort::codec_limits");
    EXPECT_EQ(message_id<codec_limits>(), detail::fnv1a("cohort::codec_limits"));
    EXPECT_EQ(message_id<const codec_limits>(), message_id<codec_limits>());
    EXPECT_EQ(message_version<codec_limits>(), 1);
    EXPECT_EQ(wire_name<named>(), "shop.named");
    EXPECT_EQ(message_id<named>(), detail::fnv1a("shop.named"));
    EXPECT_EQ(message_version<named>(), 3);
    EXPECT_NE(message_id<cache_put>(), message_id<point>());
}

TEST(byte_buffer, gives_back_the_memory_of_one_huge_message) {
    auto buffer = byte_buffer{};
    buffer.append(std::string(100'000, 'x'));
    buffer.clear();
    EXPECT_GE(buffer.capacity(), 100'000U);
    buffer.clear(4096);
    EXPECT_EQ(buffer.capacity(), 0U);
    buffer.append("again");
    auto moved = std::move(buffer);
    EXPECT_EQ(moved.view(), "again");
    moved.truncate(2);
    EXPECT_EQ(moved.view(), "ag");
}

}  // namespace
}  // namespace cohort

namespace rc {

template <>
struct Arbitrary<cohort::bytes> {
    static Gen<cohort::bytes> arbitrary() {
        return gen::map(gen::string<std::string>(),
                        [](const std::string& text) { return cohort::bytes{text}; });
    }
};

template <>
struct Arbitrary<cohort::point> {
    static Gen<cohort::point> arbitrary() {
        return gen::build<cohort::point>(gen::set(&cohort::point::x), gen::set(&cohort::point::y));
    }
};

template <>
struct Arbitrary<cohort::cache_put> {
    static Gen<cohort::cache_put> arbitrary() {
        using cohort::cache_put;
        return gen::build<cache_put>(gen::set(&cache_put::id), gen::set(&cache_put::key),
                                     gen::set(&cache_put::value), gen::set(&cache_put::ttl),
                                     gen::set(&cache_put::op));
    }
};

template <>
struct Arbitrary<cohort::everything> {
    static Gen<cohort::everything> arbitrary() {
        using cohort::everything;
        return gen::build<everything>(
            gen::set(&everything::flag), gen::set(&everything::small), gen::set(&everything::large),
            gen::set(&everything::real), gen::set(&everything::text),
            gen::set(&everything::content), gen::set(&everything::numbers),
            gen::set(&everything::texts),
            gen::set(&everything::maybe, gen::map(gen::maybe(gen::arbitrary<cohort::point>()),
                                                  [](const Maybe<cohort::point>& value) {
                                                      return value ? std::optional{*value}
                                                                   : std::nullopt;
                                                  })),
            gen::set(&everything::both), gen::set(&everything::sorted),
            gen::set(&everything::hashed), gen::set(&everything::keys),
            gen::set(&everything::names), gen::set(&everything::nested));
    }
};

}  // namespace rc

namespace cohort {
namespace {

RC_GTEST_PROP(codec_property, brings_back_what_it_wrote, ()) {
    auto value = *rc::gen::arbitrary<everything>();
    auto output = decode<everything>(encoded(value));
    RC_ASSERT(output.has_value());
    RC_ASSERT(*output == value);
}

RC_GTEST_PROP(codec_property, refuses_or_reads_a_prefix_of_truncated_input, ()) {
    auto input = encoded(*rc::gen::arbitrary<everything>());
    for (auto number :
         *rc::gen::container<std::vector<std::uint32_t>>(8, rc::gen::arbitrary<std::uint32_t>())) {
        auto size = number % input.size();
        // Its own allocation, so that AddressSanitizer sees a read behind the end.
        auto part =
            std::vector<char>(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size));
        auto output = decode<everything>({part.data(), part.size()});
        if (output) {
            RC_ASSERT(encoded(*output).size() >= size);
        } else {
            RC_ASSERT(output.error() == errc::truncated);
        }
    }
}

RC_GTEST_PROP(codec_property, survives_flipped_bits, ()) {
    auto input = encoded(*rc::gen::arbitrary<everything>());
    auto flips = *rc::gen::nonEmpty<std::vector<std::uint32_t>>();
    for (auto flip : flips) {
        auto bit = flip % (input.size() * 8);
        input[bit / 8] = static_cast<char>(input[bit / 8] ^ (1 << (bit % 8)));
    }
    auto output = decode<everything>(input);
    if (output) {
        // What was accepted can be sent on, and arrives as it is (but for NaN, which equals
        // nothing).
        auto again = encoded(*output);
        RC_ASSERT(encoded(decode<everything>(again).value()) == again || !output->hashed.empty() ||
                  !output->names.empty());
    }
}

RC_GTEST_PROP(codec_property, survives_any_bytes, (const std::vector<char>& input)) {
    static_cast<void>(decode<everything>({input.data(), input.size()}).has_value());
    static_cast<void>(decode<tree>({input.data(), input.size()}).has_value());
    static_cast<void>(decode<result<tree>>({input.data(), input.size()}).has_value());
}

RC_GTEST_PROP(codec_property, is_compatible_with_appended_fields_both_ways,
              (const std::vector<std::uint32_t>& numbers, std::uint8_t end,
               const std::string& note)) {
    auto older = orders_v1{};
    auto newer = orders_v2{};
    for (auto number : numbers) {
        older.list.push_back({number});
        newer.list.push_back({number, note, {}});
    }
    older.end = newer.end = end;
    RC_ASSERT(decode<orders_v1>(encoded(newer)).value() == older);
    auto filled = decode<orders_v2>(encoded(older)).value();
    RC_ASSERT(filled.list.size() == numbers.size() && filled.end == end && filled.appended == 42U);
    for (const auto& each : filled.list) {
        RC_ASSERT(each.note == "none");
        RC_ASSERT((each.where == point{7, 8}));
    }
}

}  // namespace
}  // namespace cohort
