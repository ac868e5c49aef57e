#pragma once

#include <string_view>

#include <cohort/runtime/byte_buffer.hpp>
#include <cohort/runtime/message_id.hpp>
#include <cohort/runtime/serializable.hpp>
#include <cohort/world/result.hpp>

/// The wire format: little endian, fields in order, no tags. Numbers as they lie in memory; a bool
/// is 0 or 1; strings, bytes and containers follow a 32-bit length or count; an optional follows a
/// flag, a variant an 8-bit index; a nested aggregate follows the 32-bit length of its fields, the
/// outermost one fills its frame. So fields may be appended: who does not know them skips them, who
/// misses them takes their defaults. (A message that was cut exactly behind a field is therefore a
/// valid older message: frames carry their own length.)

namespace cohort {

namespace detail {

template <class Sink, class T>
void write_message(Sink& out, const T& value) {
    if constexpr (requires { typename codec<T>::reflected; }) {
        write_fields(out, value);
    } else {
        codec<T>::write(out, value);
    }
}

[[nodiscard]] error encode_refused(const char* what, std::string_view type);
[[nodiscard]] error input_too_long(std::size_t size, std::string_view type);

}  // namespace detail

/// How many bytes `value` takes on the wire.
///
/// Errors: `errc::too_large` names the limit that the value breaks.
template <class T>
[[nodiscard]] result<std::size_t> encoded_size(const T& value, const codec_options& options = {}) {
    static_assert(check_serializable<T>());
    auto sizer = codec_sizer{options};
    detail::write_message(sizer, value);
    if (const auto* what = sizer.failure()) {
        return detail::encode_refused(what, wire_name<T>());
    }
    return sizer.bytes();
}

/// Writes `value` into memory of exactly the size that `encoded_size` returned for it.
template <class T>
void encode_unchecked(const T& value, char* out, std::size_t size,
                      codec_context* context = nullptr) {
    auto writer = codec_writer{out, context};
    detail::write_message(writer, value);
    COHORT_ASSERT(writer.at() == out + size, "both passes of an encoding agree on its size");
}

/// Appends `value` to `out`; on failure `out` is as before.
///
/// Errors: `errc::too_large` names the limit that the value breaks.
template <class T>
[[nodiscard]] result<void> encode(const T& value, byte_buffer& out,
                                  const codec_options& options = {}) {
    static_assert(check_serializable<T>());
    auto sizer = codec_sizer{options};
    detail::write_message(sizer, value);
    if (const auto* what = sizer.failure()) {
        return detail::encode_refused(what, wire_name<T>());
    }
    encode_unchecked(value, out.extend(sizer.bytes()), sizer.bytes(), options.context);
    return {};
}

/// Reads a message into `value`, whose memory is used again where it is large enough. Untrusted
/// input is expected: it costs at most memory in proportion to its own length.
///
/// Errors: `errc::truncated`, `errc::invalid`, `errc::too_large`; `value` is then unspecified but
/// valid.
template <class T>
[[nodiscard]] result<void> decode_into(T& value, std::string_view input,
                                       const codec_options& options = {}) {
    static_assert(check_serializable<T>());
    if (input.size() > options.limits.message_bytes_max) {
        return detail::input_too_long(input.size(), wire_name<T>());
    }
    auto reader = codec_reader{input, options};
    auto complete = false;
    if constexpr (requires { typename codec<T>::reflected; }) {
        complete = detail::read_fields(reader, value);
    } else {
        complete = codec<T>::read(reader, value);
    }
    if (!complete) {
        return reader.failure(wire_name<T>());
    }
    return {};
}

/// Reads a message; see `decode_into`.
template <class T>
[[nodiscard]] result<T> decode(std::string_view input, const codec_options& options = {}) {
    auto value = detail::blank<T>();
    if (auto done = decode_into(value, input, options); !done) {
        return std::move(done).error();
    }
    return result<T>{std::move(value)};
}

}  // namespace cohort
