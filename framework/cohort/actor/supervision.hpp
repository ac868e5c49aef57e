#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <cohort/runtime/handle.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// Why an actor failed, and what made that fail: a chain from the outermost actor to the root
/// cause.
struct failure {
    handle who;
    std::string actor;  // name and address
    std::string type;   // of the exception
    std::string what;
    std::shared_ptr<const failure> cause;

    /// `actor: type: what, because actor: ...`.
    [[nodiscard]] std::string message() const;
    /// The same without the outermost actor.
    [[nodiscard]] std::string reason() const;
};

enum class exit_reason : std::uint8_t {
    normal,   ///< the coroutine returned
    stopped,  ///< somebody stopped it, or its parent ended
    failed,   ///< an exception left it, or a child escalated
};

/// How often and how fast a failed child is started again. More than `times` failures `within` that
/// window stop the child.
struct restart_options {
    unsigned times = 3;
    duration within = std::chrono::seconds{10};
    /// The first wait; each further one is twice as long, up to `backoff_max`. Zero restarts at
    /// once.
    duration backoff = std::chrono::milliseconds{100};
    duration backoff_max = std::chrono::seconds{10};
};

enum class directive : std::uint8_t { stop, restart, escalate };

/// What a parent has decided for a child that fails: stop it (the default), start it again, or fail
/// itself; by the type of the exception. The first rule that fits is taken. A failure that a child
/// escalates keeps its exception, all the way up.
///
///     supervision{directive::stop}.on<database_error>(directive::restart).limit({.times = 5})
///
/// There is no `resume`: a coroutine that threw is over.
class supervision {
public:
    supervision() = default;
    supervision(directive otherwise) : otherwise_{otherwise} {}  // NOLINT: as in spawn_options
    supervision(restart_options options)                         // NOLINT
        : otherwise_{directive::restart}, restart_{options} {}

    template <class Exception>
    supervision& on(directive decision) & {
        rules_.push_back({[](const std::exception_ptr& thrown) {
                              try {
                                  std::rethrow_exception(thrown);
                              } catch (const Exception&) {
                                  return true;
                              } catch (...) {
                                  return false;
                              }
                          },
                          decision});
        return *this;
    }
    template <class Exception>
    supervision on(directive decision) && {
        on<Exception>(decision);
        return std::move(*this);
    }
    supervision limit(restart_options options) && {
        restart_ = options;
        return std::move(*this);
    }

    [[nodiscard]] directive decide(const std::exception_ptr& thrown) const;
    [[nodiscard]] const restart_options& restart() const noexcept { return restart_; }
    /// Whether any rule may start the child again: then its arguments are kept, copied.
    [[nodiscard]] bool may_restart() const noexcept;

private:
    struct rule {
        bool (*fits)(const std::exception_ptr&);
        directive decision;
    };
    std::vector<rule> rules_;
    directive otherwise_ = directive::stop;
    restart_options restart_;
};

/// What a full mailbox does with one more message. An ask that is not taken gets `errc::overloaded`
/// whatever the policy.
enum class mailbox_policy : std::uint8_t {
    refuse,       ///< not taken, counted as refused
    drop_newest,  ///< not taken, counted as dropped
    drop_oldest,  ///< the oldest goes, counted as dropped
};

/// How an actor is started.
struct spawn_options {
    /// For logs, metrics and crash reports; empty takes the name of the actor's function.
    std::string name = {};
    std::uint16_t mailbox_limit = 1000;  // at least 1
    mailbox_policy policy = mailbox_policy::refuse;
    cohort::supervision supervision = {};
    /// An actor that returned while messages wait is started again for them, with the same
    /// arguments.
    bool restart_for_mail = false;
    /// Called on the actor's core right before its ref becomes stale.
    std::function<void(exit_reason)> on_exit = {};
};

}  // namespace cohort
