#pragma once

#include <cstdint>

#include <cohort/actor/ref.hpp>
#include <cohort/runtime/codec.hpp>

namespace cohort {

/// 128 random bits that name one incarnation of a node.
struct node_uid {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(node_uid, node_uid) noexcept = default;
};

/// What the codec has to know to write and read refs: who this node is. Pass it as the `context` of
/// `codec_options`.
struct ref_context : codec_context {
    explicit ref_context(node_uid own) noexcept : self{own} {}
    node_uid self;
};

namespace detail {

template <class P>
inline constexpr bool protocol_serializable = false;
template <class... Messages>
inline constexpr bool protocol_serializable<protocol<Messages...>> =
    (check_serializable<Messages>() && ...);

}  // namespace detail

/// A ref travels as the uid of its node and its handle there. Whoever encodes one lets it leave the
/// node, so every message of its protocol has to be serializable: checked here, in a sentence.
template <class P>
struct codec<ref<P>> {
    static constexpr std::size_t bytes_min = 24;

    template <class Sink>
    static void write(Sink& out, const ref<P>& value) {
        static_assert(detail::protocol_serializable<P>);
        auto uid = node_uid{};
        if constexpr (requires { out.context(); }) {  // the sizing pass has none
            uid = context_of(out.context()).self;
        }
        out.put(uid.high);
        out.put(uid.low);
        out.put(value.address().value);
    }
    static bool read(codec_reader& in, ref<P>& value) {
        static_assert(detail::protocol_serializable<P>);
        auto uid = node_uid{};
        auto address = handle{};
        if (!in.get(uid.high) || !in.get(uid.low) || !in.get(address.value)) {
            return false;
        }
        if (address && uid != context_of(in.context()).self) {
            return in.fail(errc::invalid, "a ref names a node that is not known here");
        }
        value = ref<P>{address};
        return true;
    }

private:
    static const ref_context& context_of(const codec_context* context) noexcept {
        COHORT_ASSERT(context != nullptr, "refs travel with a ref_context");
        return *static_cast<const ref_context*>(context);
    }
};

}  // namespace cohort
