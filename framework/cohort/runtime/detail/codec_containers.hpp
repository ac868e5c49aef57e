#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <cohort/runtime/detail/codec_types.hpp>

namespace cohort {

template <class Element>
struct codec<std::vector<Element>> {
    using parts = detail::type_list<Element>;
    using element = Element;
    static constexpr std::size_t bytes_min = sizeof(std::uint32_t);

    template <class Sink>
    static void write(Sink& out, const std::vector<Element>& value) {
        out.count(value.size());
        if constexpr (detail::packed<Element>) {
            out.raw(value.data(), value.size() * sizeof(Element));
        } else {
            for (const auto& each : value) {
                codec<Element>::write(out, each);
            }
        }
    }
    static bool read(codec_reader& in, std::vector<Element>& value) {
        auto elements = std::size_t{};
        if (!in.count(elements, codec<Element>::bytes_min)) {
            return false;
        }
        if constexpr (detail::packed<Element>) {
            auto content = std::string_view{};
            if (!in.raw(content, elements * sizeof(Element))) {
                return false;
            }
            value.resize(elements);
            if (elements > 0) {
                std::memcpy(value.data(), content.data(), content.size());
            }
            return true;
        } else {
            value.clear();
            value.reserve(detail::reservable<Element>(elements, in));
            for (; elements > 0; --elements) {
                auto each = detail::blank<Element>();
                if (!codec<Element>::read(in, each)) {
                    return false;
                }
                value.push_back(std::move(each));
            }
            return true;
        }
    }
};

template <class Element, std::size_t Size>
struct codec<std::array<Element, Size>> {
    using parts = detail::type_list<Element>;
    static constexpr std::size_t bytes_min = Size * codec<Element>::bytes_min;

    template <class Sink>
    static void write(Sink& out, const std::array<Element, Size>& value) {
        if constexpr (detail::packed<Element>) {
            out.raw(value.data(), Size * sizeof(Element));
        } else {
            for (const auto& each : value) {
                codec<Element>::write(out, each);
            }
        }
    }
    static bool read(codec_reader& in, std::array<Element, Size>& value) {
        for (auto& each : value) {
            if (!codec<Element>::read(in, each)) {
                return false;
            }
        }
        return true;
    }
};

template <class Value>
struct codec<std::optional<Value>> {
    using parts = detail::type_list<Value>;
    static constexpr std::size_t bytes_min = 1;

    template <class Sink>
    static void write(Sink& out, const std::optional<Value>& value) {
        out.put(value.has_value());
        if (value) {
            codec<Value>::write(out, *value);
        }
    }
    static bool read(codec_reader& in, std::optional<Value>& value) {
        auto present = false;
        if (!in.get(present)) {
            return false;
        }
        if (!present) {
            value.reset();
            return true;
        }
        value.emplace(detail::blank<Value>());
        return codec<Value>::read(in, *value);
    }
};

template <class First, class Second>
struct codec<std::pair<First, Second>> {
    using parts = detail::type_list<First, Second>;
    static constexpr std::size_t bytes_min = codec<First>::bytes_min + codec<Second>::bytes_min;

    template <class Sink>
    static void write(Sink& out, const std::pair<First, Second>& value) {
        codec<First>::write(out, value.first);
        codec<Second>::write(out, value.second);
    }
    static bool read(codec_reader& in, std::pair<First, Second>& value) {
        return codec<First>::read(in, value.first) && codec<Second>::read(in, value.second);
    }
};

namespace detail {

/// Sets and maps: a number of keys, or of keys with values. A key that occurs twice is refused.
template <class Container, class... Parts>
struct associative_codec {
    using parts = type_list<Parts...>;
    using element = std::tuple_element_t<0, std::tuple<Parts...>>;
    static constexpr std::size_t bytes_min = sizeof(std::uint32_t);

    template <class Sink>
    static void write(Sink& out, const Container& value) {
        out.count(value.size());
        for (const auto& each : value) {
            if constexpr (sizeof...(Parts) == 1) {
                codec<element>::write(out, each);
            } else {
                codec<element>::write(out, each.first);
                codec<typename Container::mapped_type>::write(out, each.second);
            }
        }
    }
    static bool read(codec_reader& in, Container& value) {
        auto elements = std::size_t{};
        if (!in.count(elements, (codec<Parts>::bytes_min + ...))) {
            return false;
        }
        value.clear();
        if constexpr (requires { value.reserve(elements); }) {
            value.reserve(reservable<typename Container::value_type>(elements, in));
        }
        for (; elements > 0; --elements) {
            auto parts_read = std::tuple<Parts...>{blank<Parts>()...};
            auto complete = std::apply(
                [&](auto&... each) { return (codec<Parts>::read(in, each) && ...); }, parts_read);
            if (!complete) {
                return false;
            }
            auto added =
                std::apply([&](auto&... each) { return value.emplace(std::move(each)...).second; },
                           parts_read);
            if (!added) {
                return in.fail(errc::invalid, "a key occurs twice");
            }
        }
        return true;
    }
};

}  // namespace detail

template <class Key, class Value, class Less>
struct codec<std::map<Key, Value, Less>>
    : detail::associative_codec<std::map<Key, Value, Less>, Key, Value> {};
template <class Key, class Value, class Hash, class Equal>
struct codec<std::unordered_map<Key, Value, Hash, Equal>>
    : detail::associative_codec<std::unordered_map<Key, Value, Hash, Equal>, Key, Value> {};
template <class Key, class Less>
struct codec<std::set<Key, Less>> : detail::associative_codec<std::set<Key, Less>, Key> {};
template <class Key, class Hash, class Equal>
struct codec<std::unordered_set<Key, Hash, Equal>>
    : detail::associative_codec<std::unordered_set<Key, Hash, Equal>, Key> {};

template <>
struct codec<std::monostate> {
    using parts = detail::type_list<>;
    static constexpr std::size_t bytes_min = 0;

    template <class Sink>
    static void write(Sink&, std::monostate) {}
    static bool read(codec_reader&, std::monostate&) { return true; }
};

template <class... Alternatives>
struct codec<std::variant<Alternatives...>> {
    static_assert(sizeof...(Alternatives) <= 255,
                  "a variant on the wire has at most 255 alternatives");
    using parts = detail::type_list<Alternatives...>;
    static constexpr std::size_t bytes_min = 1;

    template <class Sink>
    static void write(Sink& out, const std::variant<Alternatives...>& value) {
        COHORT_ASSERT(!value.valueless_by_exception(), "a variant without a value cannot be sent");
        out.put(static_cast<std::uint8_t>(value.index()));
        std::visit([&]<class T>(const T& held) { codec<T>::write(out, held); }, value);
    }
    static bool read(codec_reader& in, std::variant<Alternatives...>& value) {
        auto index = std::uint8_t{};
        if (!in.get(index)) {
            return false;
        }
        if (index >= sizeof...(Alternatives)) {
            return in.fail(errc::invalid, "a variant holds an alternative that is not known here");
        }
        auto complete = false;
        auto read_one = [&]<std::size_t I, class T>(std::integral_constant<std::size_t, I>,
                                                    std::type_identity<T>) {
            if (index == I) {
                complete = codec<T>::read(in, value.template emplace<I>(detail::blank<T>()));
            }
        };
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (read_one(std::integral_constant<std::size_t, I>{}, std::type_identity<Alternatives>{}),
             ...);
        }(std::index_sequence_for<Alternatives...>{});
        return complete;
    }
};

}  // namespace cohort
