#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <cohort/actor/context.hpp>
#include <cohort/actor/system.hpp>
#include <cohort/remoting/detail/connection.hpp>
#include <cohort/remoting/detail/directory.hpp>
#include <cohort/runtime/pending.hpp>
#include <cohort/runtime/remote.hpp>

namespace cohort::detail {

/// This core's way to one peer: a lane that it connects, and connects again. What is sent waits in
/// the outbox until there is a connection; what was on a connection when it was lost is never sent
/// again, so nothing arrives twice.
///
/// Thread: its core's.
class link final : public peer_connection {
public:
    link(remoting_state& node, peer who, lane kind);

    void tell(handle to, const wire_format& format, const void* content) noexcept;
    void ask(handle to, const wire_format& format, const void* content, pending_answer& asker,
             const deadline& until) noexcept;
    void send(handle to, const wire_format& format, const void* content,
              pending_answer& asker) noexcept;
    void watch(handle watcher, handle target);
    void unwatch(handle watcher, handle target);
    void terminated(handle watcher, handle who, std::uint8_t reason, std::string_view why);
    /// The watched actor has ended, and its watcher heard so.
    void forget_watch(handle watcher, handle target) noexcept;
    /// Says once more what is watched: news may have been lost on the way here.
    void watch_again();

    /// The peer is gone: everybody who waits for it hears so.
    void fail_all() noexcept;
    /// Ends in order: sends what is queued, and waits until the peer has taken it.
    void leave() noexcept;
    [[nodiscard]] bool has_left() const noexcept;

    [[nodiscard]] const peer& who() const noexcept { return who_; }
    handle actor;  // the actor that runs it

    static behavior<silent> run(context<silent> self, std::shared_ptr<link> it);

private:
    static constexpr std::uint32_t requests_max = 64 * 1024;
    static constexpr std::uint32_t none = ~0U;

    /// A request that is out. Its number on the wire is slot and generation, so that an answer
    /// never meets another request.
    struct request {
        handle asker;
        const wire_format* format = nullptr;  // null: a send, whose answer is empty
        std::uint64_t place = 0;              // in the outbox
        std::uint32_t generation = 1;
        std::uint32_t next_free = none;
        bool used = false;
    };
    // The end of an actor that a watcher there waits for. What was handed over and lost with a
    // connection is asked for again by the other side; what was not waits here.
    struct news {
        handle watcher;
        handle who;
        std::uint8_t reason;
        std::string why;
        std::uint64_t place = 0;
    };

    bool arrived(const frame& it) override;
    [[nodiscard]] bool expects_an_answer() const noexcept override {
        return kind_ == lane::control || used_ != 0 || leaving_ || !out().empty();
    }
    [[nodiscard]] std::uint64_t take_slot(handle asker, const wire_format* format);
    [[nodiscard]] request* find(std::uint64_t correlation) noexcept;
    handle release(std::uint64_t correlation) noexcept;
    void request_frame(frame head, const wire_format& format, const void* content,
                       pending_answer& asker, bool answered) noexcept;
    [[nodiscard]] std::optional<error> refusal_now() noexcept;
    /// Appends the content behind the frame's head at `mark`; takes both away on failure.
    [[nodiscard]] result<void> encode(const wire_format& format, const void* content,
                                      std::size_t mark) noexcept;
    bool take_reply(const frame& it);
    bool take_failure(const frame& it);
    void lose(errc executed_maybe) noexcept;
    void wake() noexcept;

    void write_news(news& it);
    [[nodiscard]] bool wanted() const noexcept;
    [[nodiscard]] task<bool> open();
    [[nodiscard]] bool accept_welcome(greeting& whole, std::uint64_t its_session);
    [[nodiscard]] duration next_backoff() noexcept;
    [[nodiscard]] bool silent_too_long() const noexcept;
    void give_up(std::string_view why);

    peer who_;
    std::vector<request> requests_;
    std::uint32_t free_ = none;
    std::uint32_t used_ = 0;
    std::set<std::pair<std::uint64_t, std::uint64_t>> watched_;  // watcher and target
    std::vector<news> news_;
    wake_signal work_;
    std::uint64_t attempt_ = 0;
    duration backoff_{};
    time_point alive_;          // the last sign of life of the peer on this lane
    bool unreachable_ = false;  // the last attempt to connect failed
    bool missed_ = false;       // somebody wanted it since then
    bool lost_ = false;         // a connection, and the other side may not know that yet
    bool leaving_ = false;
    bool gone_ = false;
};

}  // namespace cohort::detail
