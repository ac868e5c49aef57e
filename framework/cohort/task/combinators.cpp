#include <cohort/task/combinators.hpp>

namespace cohort::detail {

void fork_base::begin(child* lines, void* const* frames, std::size_t count) {
    auto& here = this_core();
    if ((waiter_->flags & fiber::is_task) != 0) {
        auto& waiting = static_cast<task_fiber&>(*waiter_);
        waiting.waited_for = this;
        waiting.cancel_below = [](void* group) noexcept {
            static_cast<fork_base*>(group)->cancel_rest();
        };
    }
    lines_ = lines;
    count_ = running_ = count;
    for (std::size_t i = 0; i < count; ++i) {
        auto& line = lines[i];
        line.group = this;
        line.index = i;
        line.settled = &settled;
        line.resume = frames[i];
        here.keeper().adopt(line);
        here.make_ready(line);
    }
}

void fork_base::settled(task_fiber& line) noexcept {
    auto& self = static_cast<child&>(line);
    self.group->settle_one(self);
}

void fork_base::settle_one(child& line) noexcept {
    auto& here = this_core();
    here.keeper().disown(line);
    line.settled_already = true;
    --running_;
    bool end_others = false;
    if (line.state == run_state::finished) {
        end_others = finished_(*this, line.index);
    } else {
        // The loser's destructors run now, not when somebody looks at the result.
        drop_(*this, line.index);
    }
    if (end_others && !cancelling_) {
        cancel_rest();
    }
    if (running_ == 0 && waiter_ != nullptr) {
        auto& waiting = *std::exchange(waiter_, nullptr);
        if ((waiting.flags & fiber::is_task) != 0) {
            static_cast<task_fiber&>(waiting).waited_for = nullptr;
        }
        here.make_ready(waiting);
    }
}

void fork_base::cancel_rest() noexcept {
    cancelling_ = true;
    // The count may reach zero inside the loop, but nothing is destroyed before the waiter has run.
    for (std::size_t i = 0; i < count_; ++i) {
        auto& line = lines_[i];
        if (!line.settled_already) {
            this_core().cancel(line);
        }
    }
}

void fork_base::end() noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        if (!lines_[i].settled_already) {
            this_core().keeper().disown(lines_[i]);
        }
    }
}

}  // namespace cohort::detail
