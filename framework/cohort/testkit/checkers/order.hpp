#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace cohort {

/// Whether numbered messages arrive in the order of their sender, each at most once. Gaps are
/// allowed: a message may be lost.
class order_checker {
public:
    /// A receiver got a sender's message. Senders number theirs upwards from 1, for each receiver.
    void received(std::uint64_t receiver, std::uint64_t sender, std::uint64_t number) {
        auto& last = last_[{receiver, sender}];
        if (number <= last && !violation_) {
            violation_ = "receiver " + std::to_string(receiver) + " got message " +
                         std::to_string(number) + " of sender " + std::to_string(sender) +
                         (number == last ? " twice" : " after " + std::to_string(last));
        }
        last = number;
        ++count_;
    }
    [[nodiscard]] const std::optional<std::string>& violation() const noexcept {
        return violation_;
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> last_;
    std::optional<std::string> violation_;
    std::uint64_t count_ = 0;
};

/// Whether every watcher hears of an end exactly once.
class watch_checker {
public:
    void watched(std::uint64_t watcher, std::uint64_t target) { open_.insert({watcher, target}); }
    void unwatched(std::uint64_t watcher, std::uint64_t target) { open_.erase({watcher, target}); }
    /// A watcher that is gone hears nothing any more.
    void watcher_ended(std::uint64_t watcher) {
        std::erase_if(open_, [&](const auto& each) { return each.first == watcher; });
    }
    /// A watcher may hear from now on, and need not: it is cut off for good.
    void excuse(std::uint64_t watcher) { excused_.insert(watcher); }
    /// `told` without a watch that is open is a violation: it was never asked for, or told before.
    void told(std::uint64_t watcher, std::uint64_t target) {
        if (open_.erase({watcher, target}) == 0 && !violation_) {
            violation_ = "watcher " + std::to_string(watcher) + " heard of the end of " +
                         std::to_string(target) +
                         (heard_.contains({watcher, target}) ? " twice" : " and never watched it");
        }
        heard_.insert({watcher, target});
    }
    void ended(std::uint64_t target) { ended_.insert(target); }

    /// A violation so far.
    [[nodiscard]] const std::optional<std::string>& violation() const noexcept {
        return violation_;
    }
    /// After a time in which everything should have been told: also who was not.
    [[nodiscard]] std::optional<std::string> violation_at_end() const {
        if (violation_) {
            return violation_;
        }
        for (const auto& [watcher, target] : open_) {
            if (ended_.contains(target) && !excused_.contains(watcher)) {
                return "watcher " + std::to_string(watcher) + " did not hear of the end of " +
                       std::to_string(target);
            }
        }
        return std::nullopt;
    }

private:
    using pair = std::pair<std::uint64_t, std::uint64_t>;
    std::set<pair> open_;
    std::set<pair> heard_;
    std::set<std::uint64_t> ended_;
    std::set<std::uint64_t> excused_;
    std::optional<std::string> violation_;
};

}  // namespace cohort
