#pragma once

#include <coroutine>
#include <cstdint>
#include <string>

#include <cohort/actor/behavior.hpp>
#include <cohort/actor/context.hpp>
#include <cohort/sharding/detail/desk.hpp>

namespace cohort {

namespace detail {

struct entity_place;

/// An entity's wait for a message. While its own coroutine stands here, there is no message and it
/// has no tasks and no children, nothing changes what it has published.
template <class Operation>
class [[nodiscard]] entity_receive : public Operation {
public:
    template <class... Args>
    entity_receive(seat& place, cell& actor, Args... args) noexcept
        : Operation{actor, args...}, place_{place} {}
    ~entity_receive() { place_.at_rest = false; }
    entity_receive(const entity_receive&) = delete;
    entity_receive& operator=(const entity_receive&) = delete;

    void await_suspend(std::coroutine_handle<> here) {
        Operation::await_suspend(here);
        place_.at_rest = place_.at->rests(this->cell_);
    }
    auto await_resume() noexcept {
        place_.at_rest = false;
        return Operation::await_resume();
    }

private:
    seat& place_;
};

}  // namespace detail

/// What a sharded entity can do: as the context of an actor, and it knows its key.
///
/// An entity is started by the first message for its key, on the one node that owns the key's shard
/// at that time, and stopped when it has been idle for long, when there are too many, or when its
/// shard moves. Stopping destroys its frame where it waits for a message. When it returns, what
/// waits for it starts it again.
///
/// Nothing of it runs while its node cannot show that it owns the shard: then it stands still where
/// it awaits something, and goes on if nobody else owned the shard meanwhile.
///
/// Thread: its core's.
template <class P>
class entity_context : public context<P> {
public:
    entity_context(cell& slot, detail::seat& place) noexcept : context<P>{slot}, place_{&place} {}

    [[nodiscard]] const std::string& key() const noexcept { return place_->key; }
    [[nodiscard]] std::uint32_t shard() const noexcept { return place_->shard; }
    /// The fence of this owner's writes: it grows with every change of the shard's owner.
    [[nodiscard]] std::uint64_t epoch() const noexcept { return place_->own_epoch; }
    /// Says how much content the entity holds from now on; counted against the space's limit.
    void holds(std::size_t content_bytes) const noexcept {
        place_->at->holds(*place_, content_bytes);
    }

    /// As `context<P>::receive`.
    [[nodiscard]] auto receive() const noexcept {
        return detail::entity_receive<receive_operation<P>>{*place_, *this->cell_};
    }
    [[nodiscard]] auto receive_for(duration length) const noexcept {
        return detail::entity_receive<timed_receive_operation<P>>{*place_, *this->cell_, length};
    }

    /// Shows a value that `sharded<P>::peek` may read on this core while the entity waits for a
    /// message, there is none, and it has no tasks and no children.
    ///
    /// A request may be answered by it meanwhile, wherever it comes from, and is then not seen by
    /// the entity; never before what the same sender sent to the key earlier, but perhaps before
    /// what came by the entity's own ref. Its type says how; if that throws, the entity is asked:
    ///
    ///     struct get {
    ///         using reply = result<item>;
    ///         using shown = shown_item;                          // what is published
    ///         reply answer(const shown_item& value) const;       // on the entity's core
    ///     };
    ///
    /// Ownership: stays where it is until the entity publishes another one, or ends.
    template <class T>
    void publish(T value) const noexcept {
        place_->published.emplace(std::move(value));
    }
    void unpublish() const noexcept { place_->published.reset(); }
    /// What it shows, or null.
    template <class T>
    [[nodiscard]] const T* published() const noexcept {
        return place_->published.get<T>();
    }

private:
    friend struct detail::entity_place;
    detail::seat* place_;
};

namespace detail {

struct entity_place {
    template <class P>
    static seat& of(const entity_context<P>& self) noexcept {
        return *self.place_;
    }
};

/// The promise of an entity's coroutine: it tells the desk when the frame goes, before the mailbox
/// does.
template <class P>
struct entity_promise : behavior_promise<P> {
    template <class... Args>
    explicit entity_promise(entity_context<P>& self, Args&... args) noexcept
        : behavior_promise<P>{self, args...}, place{&entity_place::of(self)} {}
    entity_promise(const entity_promise&) = delete;
    entity_promise& operator=(const entity_promise&) = delete;
    ~entity_promise() {
        if (place->entity == this->owner->address()) {
            place->at->ended(*place, *this->owner);
        }
    }

    seat* place;
};

}  // namespace detail
}  // namespace cohort

template <class P, class... Args>
struct std::coroutine_traits<cohort::behavior<P>, cohort::entity_context<P>, Args...> {
    static_assert(cohort::detail::check_actor_parameters<P, cohort::entity_context<P>, Args...>());
    using promise_type = cohort::detail::entity_promise<P>;
};
