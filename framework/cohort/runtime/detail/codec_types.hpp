#pragma once

#include <chrono>
#include <string>
#include <utility>

#include <boost/pfr/core.hpp>

#include <cohort/runtime/detail/codec_io.hpp>
#include <cohort/world/bytes.hpp>

namespace cohort {

/// How a type travels. The primary template takes an aggregate apart by reflection; specialise it
/// for a class that reflection cannot see:
///
///     template <>
///     struct cohort::codec<money> {
///         static constexpr std::size_t bytes_min = 8;  // of any encoded value
///         template <class Sink>
///         static void write(Sink& out, const money& value) { out.put(value.cents); }
///         static bool read(codec_reader& in, money& value) { return in.get(value.cents); }
///     };
///
/// `write` runs twice (`codec_sizer`, then `codec_writer`) and must do the same both times.
template <class T>
struct codec;

namespace detail {

template <class...>
struct type_list {};

/// Copied as they lie in memory, alone and in rows.
template <class T>
concept packed =
    (std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, long double>) ||
    (std::is_enum_v<T> && !std::is_same_v<std::underlying_type_t<T>, bool>);

template <class T>
T blank() {
    if constexpr (is_result<T>) {
        return T{errc::not_loaded};
    } else {
        return T{};
    }
}

/// The fields that an older sender did not know yet get their defaults.
template <std::size_t First, class T>
COHORT_NOINLINE void reset_fields(T& value) {
    auto fresh = blank<T>();
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((boost::pfr::get<First + I>(value) = std::move(boost::pfr::get<First + I>(fresh))), ...);
    }(std::make_index_sequence<boost::pfr::tuple_size_v<T> - First>{});
}

template <class Sink, class T>
void write_fields(Sink& out, const T& value) {
    if constexpr (!std::is_empty_v<T>) {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            auto tie = boost::pfr::structure_tie(value);
            (codec<std::remove_cvref_t<decltype(std::get<I>(tie))>>::write(out, std::get<I>(tie)),
             ...);
        }(std::make_index_sequence<boost::pfr::tuple_size_v<T>>{});
    }
}

template <class T>
bool read_fields(codec_reader& in, T& value) {
    if constexpr (!std::is_empty_v<T>) {
        auto tie = boost::pfr::structure_tie(value);
        auto more = true;
        auto read_one = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
            if (!more) {
                return true;
            }
            if (in.remaining() == 0) {
                more = false;
                reset_fields<I>(value);
                return true;
            }
            return codec<std::remove_cvref_t<decltype(std::get<I>(tie))>>::read(in,
                                                                                std::get<I>(tie));
        };
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return (read_one(std::integral_constant<std::size_t, I>{}) && ...);
        }(std::make_index_sequence<boost::pfr::tuple_size_v<T>>{});
    } else {
        return true;
    }
}

/// Elements to reserve at once: no more memory than the bytes that follow; the rest grows as it is
/// read.
template <class Element>
std::size_t reservable(std::size_t elements, const codec_reader& in) {
    auto paid_for = in.remaining() / sizeof(Element) + 1;
    return elements < paid_for ? elements : paid_for;
}

}  // namespace detail

template <class T>
struct codec {
    using reflected = void;
    static constexpr std::size_t bytes_min = sizeof(std::uint32_t);

    template <class Sink>
    static void write(Sink& out, const T& value) {
        auto mark = std::size_t{};
        if (out.open(mark)) {
            detail::write_fields(out, value);
            out.close(mark);
        }
    }
    static bool read(codec_reader& in, T& value) {
        const char* outer_end = nullptr;
        if (!in.open(outer_end) || !detail::read_fields(in, value)) {
            return false;
        }
        in.close(outer_end);
        return true;
    }
};

template <class T>
    requires(std::is_arithmetic_v<T> && !std::is_same_v<T, long double>) || std::is_enum_v<T>
struct codec<T> {
    using parts = detail::type_list<>;
    static constexpr std::size_t bytes_min = sizeof(T);

    template <class Sink>
    static void write(Sink& out, T value) {
        out.put(value);
    }
    static bool read(codec_reader& in, T& value) {
        if constexpr (std::is_same_v<T, bool> || detail::packed<T>) {
            return in.get(value);
        } else {  // an enumeration over bool
            auto flag = false;
            if (!in.get(flag)) {
                return false;
            }
            value = static_cast<T>(flag);
            return true;
        }
    }
};

template <>
struct codec<std::string> {
    using parts = detail::type_list<>;
    static constexpr std::size_t bytes_min = sizeof(std::uint32_t);

    template <class Sink>
    static void write(Sink& out, const std::string& value) {
        out.text(value);
    }
    static bool read(codec_reader& in, std::string& value) {
        auto content = std::string_view{};
        if (!in.text(content)) {
            return false;
        }
        value.assign(content);
        return true;
    }
};

template <>
struct codec<bytes> {
    using parts = detail::type_list<>;
    static constexpr std::size_t bytes_min = sizeof(std::uint32_t);

    template <class Sink>
    static void write(Sink& out, const bytes& value) {
        out.text(value.view());
    }
    static bool read(codec_reader& in, bytes& value) {
        auto content = std::string_view{};
        if (!in.text(content)) {
            return false;
        }
        value = bytes{content};
        return true;
    }
};

template <class Rep, class Period>
struct codec<std::chrono::duration<Rep, Period>> {
    using parts = detail::type_list<Rep>;
    static constexpr std::size_t bytes_min = sizeof(Rep);

    template <class Sink>
    static void write(Sink& out, std::chrono::duration<Rep, Period> value) {
        out.put(value.count());
    }
    static bool read(codec_reader& in, std::chrono::duration<Rep, Period>& value) {
        auto count = Rep{};
        if (!in.get(count)) {
            return false;
        }
        value = std::chrono::duration<Rep, Period>{count};
        return true;
    }
};

/// Wall time only: a monotonic time means nothing on another node.
template <class Duration>
struct codec<std::chrono::time_point<std::chrono::system_clock, Duration>> {
    using parts = detail::type_list<Duration>;
    static constexpr std::size_t bytes_min = codec<Duration>::bytes_min;

    template <class Sink>
    static void write(Sink& out,
                      std::chrono::time_point<std::chrono::system_clock, Duration> value) {
        codec<Duration>::write(out, value.time_since_epoch());
    }
    static bool read(codec_reader& in,
                     std::chrono::time_point<std::chrono::system_clock, Duration>& value) {
        auto since_epoch = Duration{};
        if (!codec<Duration>::read(in, since_epoch)) {
            return false;
        }
        value = std::chrono::time_point<std::chrono::system_clock, Duration>{since_epoch};
        return true;
    }
};

/// An error travels with its text, its place and its chain of causes.
template <>
struct codec<error> {
    using parts = detail::type_list<>;
    static constexpr std::size_t bytes_min = sizeof(std::uint32_t);

    template <class Sink>
    static void write(Sink& out, const error& value) {
        auto mark = std::size_t{};
        if (!out.open(mark)) {
            return;
        }
        out.put(value.code());
        out.put(value.executed());
        out.text(value.text());
        out.text(value.where());
        out.put(value.cause() != nullptr);
        if (value.cause() != nullptr) {
            write(out, *value.cause());
        }
        out.close(mark);
    }
    static bool read(codec_reader& in, error& value) {
        const char* outer_end = nullptr;
        auto code = errc::ok;
        auto ran = executed::maybe;
        auto text = std::string_view{};
        auto where = std::string_view{};
        auto has_cause = false;
        if (!in.open(outer_end) || !in.get(code) || !in.get(ran) || !in.text(text) ||
            !in.text(where) || !in.get(has_cause)) {
            return false;
        }
        if (code == errc::ok || ran > executed::yes) {
            return in.fail(errc::invalid, "an error has an impossible code");
        }
        if (has_cause) {
            auto cause = error{errc::invalid};
            if (!read(in, cause)) {
                return false;
            }
            value = error{code, std::string{text}, std::string{where}, std::move(cause)};
        } else if (!text.empty() || !where.empty()) {
            value = error{code, std::string{text}, std::string{where}};
        } else {
            value = error{code};
        }
        value = std::move(value).with(ran);
        in.close(outer_end);
        return true;
    }
};

template <class Value>
struct codec<result<Value>> {
    using parts =
        std::conditional_t<std::is_void_v<Value>, detail::type_list<>, detail::type_list<Value>>;
    static constexpr std::size_t bytes_min = 1;

    template <class Sink>
    static void write(Sink& out, const result<Value>& value) {
        out.put(value.has_value());
        if (!value) {
            codec<error>::write(out, value.error());
        } else if constexpr (!std::is_void_v<Value>) {
            codec<Value>::write(out, *value);
        }
    }
    static bool read(codec_reader& in, result<Value>& value) {
        auto good = false;
        if (!in.get(good)) {
            return false;
        }
        if (!good) {
            auto failure = error{errc::invalid};
            if (!codec<error>::read(in, failure)) {
                return false;
            }
            value = result<Value>{std::move(failure)};
            return true;
        }
        if constexpr (std::is_void_v<Value>) {
            value = result<void>{};
            return true;
        } else {
            auto content = detail::blank<Value>();
            if (!codec<Value>::read(in, content)) {
                return false;
            }
            value = result<Value>{std::move(content)};
            return true;
        }
    }
};

}  // namespace cohort
