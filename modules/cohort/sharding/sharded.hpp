#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <cohort/actor/system.hpp>
#include <cohort/sharding/detail/messages.hpp>
#include <cohort/sharding/entity.hpp>
#include <cohort/sharding/shard_map.hpp>

namespace cohort {

namespace detail {

template <class M>
class [[nodiscard]] entity_ask : public pending_ask<reply_value<M>> {
public:
    entity_ask(space_base& space, std::string_view key, deadline until, M content)
        : pending_ask<reply_value<M>>{until} {
        auto& here = this_core();
        here.counters().asks.add();
        auto header = request_header{this->reply_address(), until};
        auto cores = static_cast<std::uint32_t>(space.desks.size());
        auto shard = shard_of(key, space.options.shards);
        auto home = home_core(shard, cores);
        if (cores == 0 || until.at <= here.turn_time()) {
            this->fail_now(
                error{cores == 0 ? errc::unavailable : errc::timeout}.with(executed::no));
        } else if (home == here.id()) {
            dispatch<M>(*space.desks[home], shard, key, &header, std::move(content));
        } else if (!here.post(home,
                              request{&space, shard, std::string{key}, header, std::move(content)},
                              true)) {
            here.counters().ring_refused.add();
            this->fail_now(errc::overloaded);
        }
    }

    // An answer that is there already does not suspend, but counts: who asks in a loop ends its
    // slice.
    bool await_ready() const noexcept { return this->ended() && this_core().take_budget(); }
    void await_suspend(std::coroutine_handle<> here) {
        if (this->ended()) {
            this_core().make_ready(suspend_current(here, run_state::blocked));
        } else {
            pending_ask<reply_value<M>>::await_suspend(here);
        }
    }

private:
    struct request {
        space_base* space;
        std::uint32_t shard;
        std::string key;
        request_header header;
        M content;
        void operator()(core& home) {
            dispatch<M>(*space->desks[home.id()], shard, key, &header, std::move(content));
        }
    };
};

template <class M>
void tell_entity(space_base& space, std::string_view key, M content) {
    auto& here = this_core();
    auto cores = static_cast<std::uint32_t>(space.desks.size());
    if (cores == 0) {
        here.counters().dead_letters.add();
        return;
    }
    auto shard = shard_of(key, space.options.shards);
    auto home = home_core(shard, cores);
    if (home == here.id()) {
        dispatch<M>(*space.desks[home], shard, key, nullptr, std::move(content));
        return;
    }
    auto deliver = [&space, shard, key = std::string{key},
                    content = std::move(content)](core& there) mutable {
        dispatch<M>(*space.desks[there.id()], shard, key, nullptr, std::move(content));
    };
    if (!here.post(home, std::move(deliver), true)) {
        here.counters().ring_refused.add();
    }
}

template <class P, class Function, class... Args>
class space_of final : public space_base {
public:
    space_of(std::string its_name, entity_options given, Function function, Args... args)
        : space_base{std::move(its_name), std::move(given)}, function_{function},
          args_{std::move(args)...} {}

    root_promise& start(cell& slot, seat& place) override {
        return std::apply(
            [&](const auto&... args) -> root_promise& {
                return function_(entity_context<P>{slot, place}, Args(args)...).promise();
            },
            args_);
    }
    flight_ptr wrap(desk& at, std::uint32_t shard, std::string key, message* node) override {
        auto out = flight_ptr{};
        wrap_any(at, shard, key, node, out, std::type_identity<P>{});
        if (!out) {
            destroy_message(*node);
        }
        return out;
    }
    handle spawn_host(system& owner, std::uint32_t core_id, desk& at) override {
        return owner
            .spawn_on_with(core_id,
                           {.name = "entities of " + name,
                            .mailbox_limit = 0xffff,
                            .on_exit = [&at](exit_reason) { at.closed(); }},
                           &host_entities<P>, &at)
            .address();
    }

private:
    template <class... Messages>
    static void wrap_any(desk& at, std::uint32_t shard, std::string& key, message* node,
                         flight_ptr& out, std::type_identity<protocol<Messages...>>) {
        static_cast<void>(((out = wrap_as<Messages>(at, shard, key, node), out != nullptr) || ...));
    }

    Function function_;
    std::tuple<Args...> args_;
};

}  // namespace detail

/// The address of one entity: a space and a key. It answers to the verbs of a ref, wherever the
/// entity lives at the time.
template <class P>
class entity_ref {
public:
    entity_ref(detail::space_base& space, std::string key) noexcept
        : space_{&space}, key_{std::move(key)} {}

    [[nodiscard]] const std::string& key() const noexcept { return key_; }

    /// As `ref::tell`: at most once, in order.
    template <class M>
    void tell(M&& content) const {
        using type = std::remove_cvref_t<M>;
        detail::check_tell<P, type>();
        if constexpr (detail::lists<P, type>) {
            detail::tell_entity<type>(*space_, key_, std::forward<M>(content));
        }
    }
    template <class M, class... Args>
    void tell(Args&&... fields) const {
        tell(M{std::forward<Args>(fields)...});
    }

    /// As `ref::ask`. While the owner of the key changes, the request waits for the new one; what
    /// was certainly not executed is sent again until the deadline, and so is what perhaps was if
    /// the message says `static constexpr bool idempotent = true;`.
    ///
    /// Errors: as `ref::ask`; `moving`, `unavailable` and `stale_epoch` when the owner did not take
    ///         it in time, `suspended` when this node hears from no majority, all certainly not
    ///         executed; `overloaded` when too much waits; `network` and `terminated` when the
    ///         owner was lost with it, with an unknown outcome.
    template <class M, class... Args>
    [[nodiscard]] auto ask(ask_deadline until, Args&&... fields) const {
        detail::check_ask<P, M>();
        if constexpr (detail::lists<P, M> && has_reply<M>) {
            return detail::entity_ask<M>{*space_, key_, until.value,
                                         M{std::forward<Args>(fields)...}};
        }
    }

    friend bool operator==(const entity_ref&, const entity_ref&) = default;

private:
    detail::space_base* space_;
    std::string key_;
};

/// Where a key lives, as far as this node knows.
struct key_location {
    std::uint32_t shard = 0;
    std::uint64_t own_epoch = 0;
    std::optional<member> owner;  // nothing while nobody owns the shard
    bool here = false;
    bool moving = false;
    std::uint32_t home_core = 0;  // on this node
};

/// All entities of one kind, by key. A value that is copied freely; it is valid as long as the
/// system.
///
///     auto found = co_await cache[key].template ask<get>(deadline);
///
/// Thread: copied anywhere; its verbs are called from actors and tasks on a core.
template <class P>
class sharded {
public:
    using protocol_type = P;

    explicit sharded(detail::space_base& space) noexcept : space_{&space} {}

    [[nodiscard]] entity_ref<P> operator[](std::string key) const noexcept {
        return {*space_, std::move(key)};
    }
    /// The same verbs without a copy of the key.
    template <class M, class... Args>
    [[nodiscard]] auto ask(std::string_view key, ask_deadline until, Args&&... fields) const {
        detail::check_ask<P, M>();
        if constexpr (detail::lists<P, M> && has_reply<M>) {
            return detail::entity_ask<M>{*space_, key, until.value,
                                         M{std::forward<Args>(fields)...}};
        }
    }
    template <class M, class... Args>
    void tell(std::string_view key, Args&&... fields) const {
        detail::check_tell<P, M>();
        if constexpr (detail::lists<P, M>) {
            detail::tell_entity<M>(*space_, key, M{std::forward<Args>(fields)...});
        }
    }

    /// What the entity of a key has published, if this is its home core, the entity is idle and
    /// this node owns its shard at this instant; else null. `T` is the type that was published.
    /// Read it before the next `co_await`.
    template <class T>
    [[nodiscard]] const T* peek(std::string_view key) const noexcept {
        auto cores = static_cast<std::uint32_t>(space_->desks.size());
        auto& here = this_core();
        auto shard = shard_of(key, space_->options.shards);
        if (cores == 0 || home_core(shard, cores) != here.id()) {
            return nullptr;
        }
        const auto* found = space_->desks[here.id()]->at_rest(shard, key);
        return found == nullptr ? nullptr : found->published.template get<T>();
    }

    [[nodiscard]] std::uint32_t shard(std::string_view key) const noexcept {
        return shard_of(key, space_->options.shards);
    }
    [[nodiscard]] const std::string& name() const noexcept { return space_->name; }

    friend bool operator==(const sharded&, const sharded&) noexcept = default;

private:
    detail::space_base* space_;
};

}  // namespace cohort
