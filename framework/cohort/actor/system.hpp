#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cohort/actor/behavior.hpp>
#include <cohort/actor/context.hpp>
#include <cohort/actor/lifecycle.hpp>
#include <cohort/runtime/runtime.hpp>
#include <cohort/world/world.hpp>

namespace cohort {

class system;

namespace detail {

/// The core that speaks with an actor on behalf of a thread that is none: its own, when it has one
/// here.
inline std::uint32_t core_for(const actor_address& target) noexcept {
    return target.remote() ? 0 : target.at.core();
}

}  // namespace detail

/// A module that plugs into a system: http, management, cluster, sharding.
class extension {
public:
    virtual ~extension() = default;
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    /// Called in the order of `use`, after the cores have started, on the thread that runs the
    /// system. An error ends the start; extensions that were started are stopped again.
    [[nodiscard]] virtual result<void> start(system& owner) = 0;
    /// Part of coordinated shutdown, in the reverse order, as a task of an actor on core 0. When it
    /// has ended, or its share of the grace is over, the next extension is stopped.
    [[nodiscard]] virtual task<void> stop() = 0;
    /// How large its share is, beside the others'; what others did not need is shared as well.
    [[nodiscard]] virtual unsigned stop_weight() const noexcept { return 1; }
    /// Its vote on readiness. Any thread.
    [[nodiscard]] virtual bool ready() const noexcept { return true; }
};

/// A node: its cores, its actors and its extensions.
///
///     int main() {
///         auto system = cohort::system{};
///         system.spawn(greeter);
///         return system.run();
///     }
///
/// Thread: members are called from threads that are not cores, unless they say otherwise.
class system {
public:
    /// A node in the real world.
    explicit system(runtime_options options = {});
    /// A node in the given world, which must outlive it.
    system(cohort::world& world, runtime_options options);
    system(const system&) = delete;
    system& operator=(const system&) = delete;
    /// Stops what still runs, at once and without coordinated shutdown, and waits for it.
    ~system();

    [[nodiscard]] cohort::world& world() const noexcept { return *world_; }
    [[nodiscard]] cohort::runtime& runtime() noexcept { return *runtime_; }
    [[nodiscard]] std::uint32_t cores() const noexcept { return runtime_->cores(); }
    [[nodiscard]] const std::string& node_name() const noexcept {
        return runtime_->options().node_name;
    }

    /// Adds an extension, before `start`.
    void use(std::unique_ptr<extension> module) { extensions_.push_back(std::move(module)); }
    template <class Module>
    Module& use(Module module) {
        auto owned = std::make_unique<Module>(std::move(module));
        auto& added = *owned;
        use(std::unique_ptr<extension>{std::move(owned)});
        return added;
    }

    /// Starts a top-level actor on core 0, or on the core that is named. From any thread that is
    /// not a core, or from the named core itself.
    template <class Function, class... Args>
    auto spawn(Function function, Args&&... args) {
        return spawn_on(0, function, std::forward<Args>(args)...);
    }
    template <class Function, class... Args>
    auto spawn_on(std::uint32_t core_id, Function function, Args&&... args) {
        using ref_type = ref<typename detail::actor_function<Function>::protocol_type>;
        auto made = ref_type{};
        on_core(core_id, [&](core& here) {
            made = detail::spawn_plain(here, nullptr, function, std::forward<Args>(args)...);
        });
        return made;
    }
    template <class Function, class... Args>
    auto spawn_on_with(std::uint32_t core_id, spawn_options options, Function function,
                       Args&&... args) {
        using ref_type = ref<typename detail::actor_function<Function>::protocol_type>;
        auto made = ref_type{};
        on_core(core_id, [&](core& here) {
            made = detail::spawn_kept(here, nullptr, std::move(options), function,
                                      std::forward<Args>(args)...);
        });
        return made;
    }

    /// Sends a message from any thread.
    template <class P, class M>
    void tell(const ref<P>& target, M content) {
        detail::check_tell<P, M>();
        runtime_->post(detail::core_for(target.where()),
                       [target, content = std::move(content)](core&) mutable {
                           target.tell(std::move(content));
                       });
    }
    template <class P>
    void stop(const ref<P>& target) {
        auto address = target.address();
        runtime_->post(detail::core_for(target.where()),
                       [address](core& here) { here.keeper().stop(here, address); });
    }
    /// Asks from a thread that is not a core; the future holds the result, `terminated` when the
    /// node ends first.
    template <class M, class P, class... Args>
    [[nodiscard]] std::future<result<reply_value<M>>> ask(const ref<P>& target, duration within,
                                                          Args&&... fields);
    /// An ask without a deadline: refused.
    template <class M, class P, class... Args>
        requires(!detail::begins_with_deadline<Args...>)
    void ask(const ref<P>&, Args&&...) {
        static_assert(!std::is_same_v<M, M>,
                      "an ask names its target and then its deadline: node.ask<get>(target, 5s, "
                      "...)");
    }

    /// Starts cores and extensions. Errors: the first extension's that could not start.
    [[nodiscard]] result<void> start();
    /// Starts coordinated shutdown. Any thread, also a core; idempotent.
    void shutdown();
    /// Waits until the node has ended. Gives the exit code: 0, or 1 when a failure ended it.
    int join();
    /// `start`, then waits for SIGINT, SIGTERM or `shutdown`, then ends orderly. Gives the exit
    /// code.
    int run();
    /// Whether every extension votes ready and no shutdown has begun. Any thread.
    [[nodiscard]] bool ready() const noexcept;
    /// Whether every extension has started. Any thread.
    [[nodiscard]] bool started() const noexcept {
        return extensions_started_ == extensions_.size();
    }

    /// Runs `action(core&)` on a core and waits for it; what it throws arrives here. Throws
    /// `std::future_error` when the node has ended.
    template <class Action>
    void on_core(std::uint32_t core_id, Action action);

private:
    void run_here(core& target, const std::function<void(core&)>& action);

    std::unique_ptr<cohort::world> own_world_;
    cohort::world* world_;
    lifecycle lifecycle_;
    std::unique_ptr<cohort::runtime> runtime_;
    std::vector<std::unique_ptr<extension>> extensions_;
    std::atomic<std::size_t> extensions_started_{0};
    bool started_ = false;
    std::atomic<bool> shutting_down_{false};
};

namespace detail {

struct no_messages {};
using silent = protocol<no_messages>;

template <class M, class P>
struct outside_ask {
    using answer_type = result<reply_value<M>>;

    /// Whoever waits hears something also when the node ends first.
    struct answering {
        std::promise<answer_type> promise;
        bool answered = false;

        answering() = default;
        answering(const answering&) = delete;
        answering& operator=(const answering&) = delete;
        ~answering() {
            if (!answered) {
                promise.set_value(errc::terminated);
            }
        }
    };

    /// The actor that asks.
    static behavior<silent> body(context<silent>, ref<P> target, duration within, M request,
                                 std::unique_ptr<answering> outside) {
        auto answer = co_await target.template ask<M>(within, std::move(request));
        outside->answered = true;
        outside->promise.set_value(std::move(answer));
    }
};

}  // namespace detail

template <class M, class P, class... Args>
std::future<result<reply_value<M>>> system::ask(const ref<P>& target, duration within,
                                                Args&&... fields) {
    detail::check_ask<P, M>();
    using outside = detail::outside_ask<M, P>;
    auto promised = std::make_unique<typename outside::answering>();
    auto answer = promised->promise.get_future();
    // Its frame is made on the core: one made here would move memory from the pool of the calling
    // thread to the core's with every ask.
    runtime_->post(detail::core_for(target.where()),
                   [target, within, request = M{std::forward<Args>(fields)...},
                    promised = std::move(promised)](core& here) mutable {
                       detail::spawn_plain(here, nullptr, &outside::body, target, within,
                                           std::move(request), std::move(promised));
                   });
    return answer;
}

template <class Action>
void system::on_core(std::uint32_t core_id, Action action) {
    COHORT_ASSERT(core_id < cores(), "the core exists");
    auto& target = runtime_->at(core_id);
    if (current_core == &target) {
        action(target);
    } else if (!started_ || world_->simulated()) {
        run_here(target, std::ref(action));
    } else {
        COHORT_ASSERT(current_core == nullptr, "a core does not wait for another core");
        auto done = std::promise<void>{};
        auto outcome = done.get_future();
        runtime_->post(core_id, [&action, done = std::move(done)](core& here) mutable noexcept {
            try {
                action(here);
                done.set_value();
            } catch (...) {
                done.set_exception(std::current_exception());
            }
        });
        outcome.get();
    }
}

}  // namespace cohort
