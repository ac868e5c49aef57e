#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <cohort/actor/ask.hpp>
#include <cohort/actor/context.hpp>
#include <cohort/actor/ref_codec.hpp>
#include <cohort/sharding/detail/desk.hpp>

namespace cohort::detail {

/// The name of a wrapper on the wire: the wrapped message's behind a prefix.
template <class M, char Kind>
struct wrapped_name {
    static constexpr std::string_view inner = cohort::wire_name<M>();
    static constexpr std::string_view prefix = "cohort.sharding.?:";
    static constexpr auto letters = [] {
        auto out = std::array<char, prefix.size() + inner.size()>{};
        auto at = std::size_t{0};
        for (char letter : prefix) {
            out[at++] = letter == '?' ? Kind : letter;
        }
        for (char letter : inner) {
            out[at++] = letter;
        }
        return out;
    }();
    static constexpr std::string_view text{letters.data(), letters.size()};
};

/// A request for an entity, as it travels to the node that owns its shard.
template <class M>
struct entity_request {
    static constexpr std::string_view wire_name = wrapped_name<M, 'q'>::text;
    using reply = typename M::reply;
    arrival head;
    std::string key;
    M content;
};
/// A message without an answer; what is answered is that the entity's mailbox has it.
template <class M>
struct entity_note {
    static constexpr std::string_view wire_name = wrapped_name<M, 'n'>::text;
    using reply = result<void>;
    arrival head;
    std::string key;
    M content;
};

template <class P, class Notes = protocol<>>
struct host_protocol_of;
template <class... Messages>
struct host_protocol_of<protocol<Messages...>> {
    template <class Have, class... Rest>
    struct build {
        using type = Have;
    };
    template <class... Have, class First, class... Rest>
        requires(!has_reply<First>)
    struct build<protocol<Have...>, First, Rest...>
        : build<protocol<Have..., entity_note<First>>, Rest...> {};
    template <class... Have, class First, class... Rest>
        requires(has_reply<First>)
    struct build<protocol<Have...>, First, Rest...>
        : build<protocol<Have..., entity_note<First>, entity_request<First>>, Rest...> {};
    using type = typename build<protocol<>, Messages...>::type;
};
/// What the host of a space's entities understands.
template <class P>
using host_protocol = typename host_protocol_of<P>::type;

template <class M>
inline constexpr bool is_idempotent = [] {
    if constexpr (requires { bool{M::idempotent}; }) {
        return bool{M::idempotent};
    } else {
        return false;
    }
}();

/// Whether a message says how it is answered by what its entity shows (see `entity_context`).
template <class M>
concept answered_by_shown = requires(const M& message, const typename M::shown& value) {
    { message.answer(value) } -> std::convertible_to<typename M::reply>;
};

/// Answers a request without its entity, if that is at rest and shows what the answer is made of.
/// What cannot be answered so goes to the entity, which then fails alone.
template <class M>
bool answer_by_shown(desk& at, std::uint32_t shard, std::string_view key,
                     const request_header* header, const M& message) noexcept {
    if constexpr (requires { typename M::shown; }) {
        static_assert(answered_by_shown<M>,
                      "a message with `shown` has `reply answer(const shown&) const`");
        const auto* place = header != nullptr ? at.at_rest(shard, key) : nullptr;
        const auto* value =
            place != nullptr ? place->published.template get_if<typename M::shown>() : nullptr;
        if (value != nullptr) {
            try {
                typename M::reply out = message.answer(*value);
                reply_to<typename M::reply>{header->reply}(std::move(out));
                return true;
            } catch (...) {
                return false;
            }
        }
    }
    return false;
}

template <class M>
message* make_mail(const request_header* header, M&& content) {
    if constexpr (has_reply<M>) {
        if (header != nullptr) {
            auto* node = make_node<ask_node<M>>(ask_type<M>, std::forward<M>(content));
            node->header = *header;
            return node;
        }
    }
    return make_node<tell_node<M>>(tell_type<M>, std::forward<M>(content));
}

/// A flight of a message type: `Wrapper` is how it travels, `Answer` what comes back.
template <class M, template <class> class Wrapper, class Answer>
class flight_of final : public flight, pending_ask<Answer> {
    static constexpr bool asked = std::is_same_v<Wrapper<M>, entity_request<M>> && has_reply<M>;

public:
    flight_of(desk& at, std::uint32_t its_shard, std::string key, const request_header& header,
              M content)
        : flight{at, its_shard, header},
          pending_ask<Answer>{cohort::deadline{time_point::max(), 0}},
          whole_{{}, std::move(key), std::move(content)} {
        auto& record = this->record();
        record.arrived = [](pending_answer& base) noexcept {
            static_cast<flight_of&>(base).landed();
        };
        record.fail = [](pending_answer& base, error why) noexcept {
            auto& self = static_cast<flight_of&>(base);
            self.flight::at().failed(self, std::move(why));
        };
    }

    const std::string& key() const noexcept override { return whole_.key; }
    std::size_t weigh() const override {
        auto bytes = encoded_size(whole_.content);
        return sizeof(*this) + whole_.key.size() + (bytes ? *bytes : 0);
    }
    message* to_node() override {
        return make_mail<M>(asked ? &header_ : nullptr, std::move(whole_.content));
    }
    void handed_over() noexcept override {
        if constexpr (!asked) {
            if (header_.reply) {
                send_reply<void>(header_.reply, result<void>{});
            }
        }
    }
    void launch(const actor_address& host) override {
        whole_.head = {shard, at().epoch(), at().stream(), round};
        auto until = asked ? header_.deadline : cohort::deadline{expires, 0};
        this_core().remote().ask(host, wire_of<Wrapper<M>>(), &whole_, this->record(), until);
    }
    void abandon() noexcept override { this->renew(); }
    bool idempotent() const noexcept override { return is_idempotent<M>; }
    void refuse(error why) noexcept override {
        if (header_.reply) {
            this_core().fail_reply(header_.reply, std::move(why));
        } else {
            at().counters().tells_lost.add();
        }
    }

private:
    void landed() noexcept {
        auto& where = flight::at();
        if constexpr (asked) {
            send_reply<Answer>(header_.reply, this->await_resume());
        }
        where.answered(*this);
    }

    Wrapper<M> whole_;
};

template <class M>
using note_flight = flight_of<M, entity_note, void>;

/// Makes the flight of a message: a request where it has a header, else a note.
template <class M>
flight_ptr make_flight(desk& at, std::uint32_t shard, std::string key, const request_header* header,
                       M&& content) {
    if constexpr (has_reply<M>) {
        if (header != nullptr) {
            return std::make_unique<flight_of<M, entity_request, reply_value<M>>>(
                at, shard, std::move(key), *header, std::forward<M>(content));
        }
    }
    auto nobody = request_header{{}, {time_point::max(), 0}};
    return std::make_unique<note_flight<M>>(at, shard, std::move(key), nobody,
                                            std::forward<M>(content));
}

/// Hands a message of this node to its entity, or sees to it that it gets there.
template <class M>
void dispatch(desk& at, std::uint32_t shard, std::string_view key, const request_header* header,
              M&& content) {
    if (COHORT_LIKELY(at.open(shard))) {
        if (answer_by_shown<M>(at, shard, key, header, content)) {
            return;
        }
        at.deliver(shard, key, make_mail<M>(header, std::forward<M>(content)));
    } else {
        at.send(make_flight<M>(at, shard, std::string{key}, header, std::forward<M>(content)));
    }
}

/// Makes a flight of a message that was in a mailbox; destroys it.
template <class M>
flight_ptr wrap_as(desk& at, std::uint32_t shard, std::string& key, message* node) {
    auto out = flight_ptr{};
    if (node->type == &tell_type<M>) {
        auto& whole = *static_cast<tell_node<M>*>(node);
        out = make_flight<M>(at, shard, std::move(key), nullptr, std::move(whole.payload));
    } else if constexpr (has_reply<M>) {
        if (node->type == &ask_type<M>) {
            auto& whole = *static_cast<ask_node<M>*>(node);
            out =
                make_flight<M>(at, shard, std::move(key), &whole.header, std::move(whole.payload));
        }
    }
    if (out) {
        destroy_message(*node);
    }
    return out;
}

// -- what a host does with what comes from other nodes --------------------------------------------

/// Takes one wrapper out of a message, if it is that one.
template <class Host, class M, template <class> class Wrapper, class Answer>
bool take_in(desk& at, received<Host>& message) {
    auto request = message.template get_if<Wrapper<M>>();
    if (!request) {
        return false;
    }
    constexpr bool asked = std::is_same_v<Wrapper<M>, entity_request<M>>;
    at.count_arrival();
    auto until = request.deadline();
    auto header = request_header{request.later().release(), until};
    auto& whole = *request;
    auto why = error{errc::ok};
    switch (at.judge(whole.head, whole.key, why)) {
        case admission::admit:
            if (answer_by_shown<M>(at, whole.head.shard, whole.key, asked ? &header : nullptr,
                                   whole.content)) {
                break;
            }
            at.deliver(whole.head.shard, whole.key,
                       make_mail<M>(asked ? &header : nullptr, std::move(whole.content)));
            if (!asked && header.reply) {
                send_reply<void>(header.reply, result<void>{});
            }
            break;
        case admission::hold: {
            auto it = std::make_unique<flight_of<M, Wrapper, Answer>>(
                at, whole.head.shard, std::move(whole.key), header, std::move(whole.content));
            it->guest = true;
            it->stream = whole.head.stream;
            it->round = whole.head.round;
            it->epoch = whole.head.epoch;
            at.hold(std::move(it));
            break;
        }
        case admission::refuse:
            this_core().fail_reply(header.reply, std::move(why));
            break;
    }
    return true;
}

template <class Host, class M>
bool take_in_any(desk& at, received<Host>& message) {
    if constexpr (has_reply<M>) {
        if (take_in<Host, M, entity_request, reply_value<M>>(at, message)) {
            return true;
        }
    }
    return take_in<Host, M, entity_note, void>(at, message);
}

template <class Host, class... Messages>
void take_in_all(desk& at, received<Host>& message, std::type_identity<protocol<Messages...>>) {
    static_cast<void>((take_in_any<Host, Messages>(at, message) || ...));
}

/// Owns the entities of a space on one core, and takes what other nodes send them.
template <class P>
behavior<host_protocol<P>> host_entities(context<host_protocol<P>> self, desk* at) {
    for (;;) {
        auto message = co_await self.receive();
        take_in_all(*at, message, std::type_identity<P>{});
    }
}

}  // namespace cohort::detail
