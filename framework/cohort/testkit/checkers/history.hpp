#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace cohort {

/// One operation on a key, as its client saw it.
struct history_operation {
    enum class kind : std::uint8_t { read, write, compare_and_set, erase };
    /// `unknown`: it may have run, or may still run. `done`: `result` holds what was answered.
    enum class outcome : std::uint8_t { unknown, done };
    static constexpr std::uint64_t absent = 0;
    static constexpr std::uint64_t open = std::numeric_limits<std::uint64_t>::max();

    kind what = kind::read;
    outcome ended = outcome::unknown;
    std::uint64_t key = 0;
    std::uint64_t value = absent;     // written, or to be set
    std::uint64_t expected = absent;  // by compare and set
    std::uint64_t result =
        0;                    // the value read; whether the set, or the erase, found what it wanted
    std::uint64_t began = 0;  // places in the one order of everything that clients saw
    std::uint64_t finished = open;
};

/// What clients asked for and were answered, in the order in which it happened. Values are numbers;
/// 0 is an absent one, and nobody writes it.
class history {
public:
    using operation = history_operation;

    /// An operation begins; gives its number. `read` takes a key, the others what they need.
    std::size_t read(std::uint64_t key) { return begin({.key = key}); }
    std::size_t write(std::uint64_t key, std::uint64_t value) {
        return begin({.what = operation::kind::write, .key = key, .value = value});
    }
    std::size_t compare_and_set(std::uint64_t key, std::uint64_t expected, std::uint64_t value) {
        return begin({.what = operation::kind::compare_and_set,
                      .key = key,
                      .value = value,
                      .expected = expected});
    }
    std::size_t erase(std::uint64_t key) {
        return begin({.what = operation::kind::erase, .key = key});
    }

    /// It was answered.
    void done(std::size_t number, std::uint64_t result = 0) {
        auto& ended = operations_[number];
        ended.ended = operation::outcome::done;
        ended.result = result;
        ended.finished = ++clock_;
    }
    /// It certainly did not run, and never will.
    void refused(std::size_t number) { operations_[number].began = operation::open; }

    [[nodiscard]] const std::vector<operation>& operations() const noexcept { return operations_; }
    [[nodiscard]] std::size_t size() const noexcept { return operations_.size(); }

private:
    std::size_t begin(operation fresh) {
        fresh.began = ++clock_;
        operations_.push_back(fresh);
        return operations_.size() - 1;
    }

    std::vector<operation> operations_;
    std::uint64_t clock_ = 0;
};

}  // namespace cohort
