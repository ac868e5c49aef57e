#pragma once

#include <cstdint>
#include <vector>

#include <cohort/actor/ref.hpp>
#include <cohort/runtime/codec.hpp>
#include <cohort/runtime/remote.hpp>

namespace cohort {

/// What the codec has to know to write and read refs: who this node is, and who the others are.
/// Pass it as the `context` of `codec_options`.
struct ref_context : codec_context {
    /// Knows this node only.
    explicit ref_context(node_uid own) noexcept : self{own} {}
    explicit ref_context(remote_gateway& way) noexcept
        : self{way.self()}, cores{way.cores()}, peers{&way} {}

    node_uid self;
    std::uint32_t cores = cores_max;
    remote_gateway* peers = nullptr;
};

namespace detail {

template <class P>
inline constexpr bool protocol_serializable = false;
template <class... Messages>
inline constexpr bool protocol_serializable<protocol<Messages...>> =
    (check_serializable<Messages>() && ...);

template <class M>
consteval message_lane lane_of() {
    if constexpr (requires { message_lane{M::wire_lane}; }) {
        return M::wire_lane;
    } else {
        return message_lane::data;
    }
}

template <class M>
struct wire_functions {
    static result<void> encode(const void* content, byte_buffer& out,
                               const codec_options& options) {
        return cohort::encode(*static_cast<const M*>(content), out, options);
    }

    template <class Node>
    static result<message*> decode_node(const message_type& type, std::string_view input,
                                        const codec_options& options) {
        auto* node = make_node<Node>(type);
        if (auto done = decode_into(node->payload, input, options); !done) {
            destroy_message(*node);
            return std::move(done).error();
        }
        return static_cast<message*>(node);
    }
    static result<message*> decode(std::string_view input, bool request,
                                   const codec_options& options) {
        if constexpr (has_reply<M>) {
            if (request) {
                return decode_node<ask_node<M>>(ask_type<M>, input, options);
            }
        }
        return decode_node<tell_node<M>>(tell_type<M>, input, options);
    }

    static constexpr wire_format make() {
        auto format = wire_format{.id = message_id<M>(),
                                  .name = wire_name<M>(),
                                  .lane = lane_of<M>(),
                                  .tell = &tell_type<M>,
                                  .ask = nullptr,
                                  .encode = &encode,
                                  .decode = &decode,
                                  .encode_reply = nullptr,
                                  .decode_reply = nullptr};
        if constexpr (has_reply<M>) {
            using answer_type = result<reply_value<M>>;
            static_assert(check_serializable<answer_type>());
            format.ask = &ask_type<M>;
            format.encode_reply = [](const void* answer, byte_buffer& out,
                                     const codec_options& options) {
                return cohort::encode(*static_cast<const answer_type*>(answer), out, options);
            };
            format.decode_reply = [](pending_answer& asker, std::string_view input,
                                     const codec_options& options) -> result<void> {
                auto answer = answer_type{errc::no_reply};
                if (auto done = decode_into(answer, input, options); !done) {
                    return done;
                }
                pending_ask<reply_value<M>>::answer(asker, std::move(answer));
                return {};
            };
        }
        return format;
    }
};

template <class M>
inline constexpr wire_format wire_format_of = wire_functions<M>::make();

/// Enters a message into the program's list. Before `main` only.
void register_wire_format(const wire_format& format);
/// Everything that can come from another node: the protocols that pass a door somewhere in the
/// program.
[[nodiscard]] const std::vector<const wire_format*>& wire_formats() noexcept;

template <class M>
bool enter_wire_format() {
    if (wire_slot<M> == nullptr) {
        wire_slot<M> = &wire_format_of<M>;
        register_wire_format(wire_format_of<M>);
    }
    return true;
}

template <class P>
inline constinit bool door_is_open = false;
template <class... Messages>
inline const bool door_is_open<protocol<Messages...>> = (enter_wire_format<Messages>() && ...);

/// A door through which refs of a protocol leave the node or come in: checks, in a sentence, that
/// every message can travel, and enters them into the program's list.
template <class P>
void pass_door() noexcept {
    static_assert(protocol_serializable<P>);
    COHORT_ASSERT(door_is_open<P>, "the program's list of messages is made before main");
}

}  // namespace detail

/// A ref travels as the uid of its node and its handle there. Whoever encodes one lets it leave the
/// node, so every message of its protocol has to be serializable: checked here, in a sentence.
template <class P>
struct codec<ref<P>> {
    static constexpr std::size_t bytes_min = 24;

    template <class Sink>
    static void write(Sink& out, const ref<P>& value) {
        detail::pass_door<P>();
        auto& known = context_of(out.context());
        auto uid = known.self;
        auto there = value.address();
        if (value.where().remote()) {
            uid = known.peers == nullptr ? node_uid{} : known.peers->node_of(value.where());
            there = uid == node_uid{} ? handle{} : value.where().there();
        }
        out.put(uid.high);
        out.put(uid.low);
        out.put(there.value);
    }
    static bool read(codec_reader& in, ref<P>& value) {
        detail::pass_door<P>();
        auto uid = node_uid{};
        auto there = handle{};
        if (!in.get(uid.high) || !in.get(uid.low) || !in.get(there.value)) {
            return false;
        }
        auto& known = context_of(in.context());
        if (!there) {
            value = {};
            return true;
        }
        if (uid == known.self) {
            value = ref<P>{there};
            return there.core() < known.cores ||
                   in.fail(errc::invalid, "a ref names a core that does not exist");
        }
        auto address = known.peers == nullptr || there.core() == core_elsewhere
                           ? actor_address{}
                           : known.peers->address_of(uid, there);
        value = ref<P>{address};
        return address.remote() ||
               in.fail(errc::invalid, "a ref names a node that is not known here");
    }

private:
    static const ref_context& context_of(const codec_context* context) noexcept {
        COHORT_ASSERT(context != nullptr, "refs travel with a ref_context");
        return *static_cast<const ref_context*>(context);
    }
};

}  // namespace cohort
