#include <cohort/testkit/checkers/linearizability.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include <cohort/world/assert.hpp>
#include <cohort/world/keyed_random.hpp>

namespace cohort {
namespace {

using operation = history_operation;
using kind = operation::kind;

std::string about(std::uint64_t key, const std::string& what) {
    return "key " + std::to_string(key) + ": " + what;
}

linearizability_result violation(std::uint64_t key, const std::string& what) {
    return {verdict::violated, about(key, what)};
}

// The operations on one value: from the first end to the last begin nothing else can be the value.
struct zone {
    std::uint64_t value = 0;
    std::uint64_t first_end = operation::open;
    std::uint64_t last_begin = 0;
    std::uint64_t written = operation::open;  // when its write began
    bool is_read = false;
    std::size_t writes = 0;

    [[nodiscard]] bool forward() const noexcept { return first_end < last_begin; }
    [[nodiscard]] std::uint64_t low() const noexcept { return std::min(first_end, last_begin); }
    [[nodiscard]] std::uint64_t high() const noexcept { return std::max(first_end, last_begin); }
};

}  // namespace

linearizability_result check_register(std::span<const operation> operations) {
    if (operations.empty()) {
        return {};
    }
    auto key = operations.front().key;
    auto zones = std::map<std::uint64_t, zone>{};
    // The key was absent before everything.
    zones[operation::absent] = {.first_end = 0, .last_begin = 0, .written = 0, .writes = 1};
    for (const auto& each : operations) {
        COHORT_ASSERT(each.what == kind::read || each.what == kind::write,
                      "a register is read and written");
        bool read = each.what == kind::read;
        if (each.began == operation::open || (read && each.ended == operation::outcome::unknown)) {
            continue;
        }
        auto value = read ? each.result : each.value;
        auto& its = zones[value];
        its.value = value;
        its.first_end = std::min(its.first_end, each.finished);
        its.last_begin = std::max(its.last_begin, each.began);
        its.is_read |= read;
        if (!read) {
            ++its.writes;
            its.written = each.began;
            COHORT_ASSERT(its.writes == 1, "every value is written once");
        }
    }
    auto forward = std::vector<zone>{};
    auto backward = std::vector<zone>{};
    for (const auto& [value, its] : zones) {
        auto text = std::to_string(value);
        if (its.writes == 0) {
            return violation(key, "read " + text + ", which nobody wrote");
        }
        if (its.is_read && its.first_end < its.written) {
            return violation(key, "read " + text + " before it was written");
        }
        (its.forward() ? forward : backward).push_back(its);
    }
    auto by_low = [](const zone& left, const zone& right) { return left.low() < right.low(); };
    std::sort(forward.begin(), forward.end(), by_low);
    for (std::size_t i = 1; i < forward.size(); ++i) {
        if (forward[i].low() < forward[i - 1].high()) {
            return violation(key, "both " + std::to_string(forward[i - 1].value) + " and " +
                                      std::to_string(forward[i].value) +
                                      " were the value, each between uses of the other");
        }
    }
    for (const auto& each : backward) {
        auto after = std::upper_bound(forward.begin(), forward.end(), each, by_low);
        if (after != forward.begin() && std::prev(after)->low() < each.low() &&
            each.high() < std::prev(after)->high()) {
            return violation(key, std::to_string(each.value) + " came and went while " +
                                      std::to_string(std::prev(after)->value) +
                                      " was the value throughout");
        }
    }
    return {};
}

namespace {

// The state after an operation, or none when it could not have been answered so.
std::optional<std::uint64_t> apply(const operation& each, std::uint64_t state) noexcept {
    bool known = each.ended == operation::outcome::done;
    switch (each.what) {
        case kind::read:
            return known && each.result != state ? std::nullopt : std::optional{state};
        case kind::write:
            return each.value;
        case kind::compare_and_set: {
            bool found = state == each.expected;
            if (known && found != (each.result != 0)) {
                return std::nullopt;
            }
            return found ? each.value : state;
        }
        case kind::erase:
            if (known && (state != operation::absent) != (each.result != 0)) {
                return std::nullopt;
            }
            return operation::absent;
    }
    return std::nullopt;
}

struct remembered {
    std::uint64_t one = 0;
    std::uint64_t two = 0;
    friend bool operator==(const remembered&, const remembered&) = default;
};
struct hash_of_remembered {
    std::size_t operator()(const remembered& each) const noexcept { return each.one; }
};

// The search. Begins and ends stand in one list in their order; an operation that is placed leaves
// it. What may come next are the begins before the first end.
class search {
public:
    search(std::span<const operation> operations, linearizability_limits limits)
        : operations_{operations}, limits_{limits} {
        struct mark {
            std::uint64_t when;
            std::size_t index;
            bool end;
        };
        auto marks = std::vector<mark>{};
        for (std::size_t i = 0; i < operations.size(); ++i) {
            marks.push_back({operations[i].began, i, false});
            marks.push_back({operations[i].finished, i, true});
        }
        std::sort(marks.begin(), marks.end(), [](const mark& left, const mark& right) {
            return std::pair{left.when, left.index} < std::pair{right.when, right.index};
        });
        nodes_.resize(marks.size() + 1);
        begins_.resize(operations.size());
        ends_.resize(operations.size());
        for (std::size_t i = 0; i < marks.size(); ++i) {
            nodes_[i + 1] = {i, i + 2 <= marks.size() ? i + 2 : 0, marks[i].index, marks[i].end};
            (marks[i].end ? ends_ : begins_)[marks[i].index] = i + 1;
        }
        nodes_[0].next = marks.empty() ? 0 : 1;
    }

    verdict run() {
        for (auto at = nodes_[0].next;;) {
            if (at == nodes_[0].next) {
                place_free();
                at = nodes_[0].next;
            }
            // Those of unknown outcome end last, and need not have run.
            if (at == 0 || (nodes_[at].end && !known(nodes_[at].index))) {
                return verdict::linearizable;
            }
            if (!nodes_[at].end) {
                at = try_next(nodes_[at].index) ? nodes_[0].next : nodes_[at].next;
                if (memory_.size() > limits_.states_max) {
                    return verdict::undecided;
                }
                continue;
            }
            // An end whose operation is not placed: nothing before it fits, so what was chosen last
            // must come later.
            auto last = take_back();
            if (!last) {
                return verdict::violated;
            }
            at = nodes_[begins_[*last]].next;
        }
    }

private:
    struct node {
        std::size_t previous = 0;
        std::size_t next = 0;
        std::size_t index = 0;
        bool end = false;
    };
    struct placement {
        std::size_t index;
        std::uint64_t before;
        bool unseen_before;
        bool free;
    };

    [[nodiscard]] bool known(std::size_t index) const noexcept {
        return operations_[index].ended == operation::outcome::done;
    }

    // What was answered, fits now and changes nothing may as well come now: no choice.
    void place_free() {
        for (bool again = true; again;) {
            again = false;
            for (auto at = nodes_[0].next; at != 0 && !nodes_[at].end; at = nodes_[at].next) {
                auto index = nodes_[at].index;
                if (known(index) && apply(operations_[index], state_) == state_ &&
                    operations_[index].what != kind::write) {
                    place(index, state_, true);
                    again = true;
                    break;
                }
            }
        }
    }

    bool try_next(std::size_t index) {
        const auto& each = operations_[index];
        auto after = apply(each, state_);
        if (!after) {
            return false;
        }
        if (!known(index) && *after == state_) {
            return false;  // it might as well never have run
        }
        // An effect of unknown outcome that nobody sees might as well never have been.
        bool blind = each.what == kind::write || (each.what == kind::erase && !known(index));
        if (unseen_ && blind) {
            return false;
        }
        if (!known(index) && twin_before(index)) {
            return false;
        }
        if (!remember(index, *after)) {
            return false;
        }
        place(index, *after, false);
        return true;
    }

    // Whether one that does the same and began earlier waits too: then that one comes first.
    [[nodiscard]] bool twin_before(std::size_t index) const noexcept {
        const auto& its = operations_[index];
        for (auto at = nodes_[0].next; nodes_[at].index != index; at = nodes_[at].next) {
            const auto& other = operations_[nodes_[at].index];
            if (!known(nodes_[at].index) && other.what == its.what && other.value == its.value &&
                other.expected == its.expected) {
                return true;
            }
        }
        return false;
    }

    void place(std::size_t index, std::uint64_t after, bool free) {
        placed_.push_back({index, state_, unseen_, free});
        toggle(index);
        lift(index);
        state_ = after;
        unseen_ = !known(index);
    }

    // Undoes the last choice, and what followed from it.
    std::optional<std::size_t> take_back() {
        while (!placed_.empty()) {
            auto last = placed_.back();
            placed_.pop_back();
            toggle(last.index);
            put_back(last.index);
            state_ = last.before;
            unseen_ = last.unseen_before;
            if (!last.free) {
                return last.index;
            }
        }
        return std::nullopt;
    }

    void toggle(std::size_t index) noexcept {
        set_.one ^= mix(index, 1);
        set_.two ^= mix(index, 2);
    }
    bool remember(std::size_t index, std::uint64_t state) {
        auto fresh =
            remembered{mix(set_.one ^ mix(index, 1), state), mix(set_.two ^ mix(index, 2), ~state)};
        return memory_.insert(fresh).second;
    }
    void unlink(std::size_t at) noexcept {
        nodes_[nodes_[at].previous].next = nodes_[at].next;
        nodes_[nodes_[at].next].previous = nodes_[at].previous;
    }
    void relink(std::size_t at) noexcept {
        nodes_[nodes_[at].previous].next = at;
        nodes_[nodes_[at].next].previous = at;
    }
    void lift(std::size_t index) noexcept {
        unlink(begins_[index]);
        unlink(ends_[index]);
    }
    void put_back(std::size_t index) noexcept {
        relink(ends_[index]);
        relink(begins_[index]);
    }

    std::span<const operation> operations_;
    linearizability_limits limits_;
    std::vector<node> nodes_;  // a ring; the first is its head
    std::vector<std::size_t> begins_;
    std::vector<std::size_t> ends_;
    std::vector<placement> placed_;
    std::uint64_t state_ = operation::absent;
    bool unseen_ =
        false;  // the state comes from an operation of unknown outcome, and nobody saw it
    remembered set_;
    std::unordered_set<remembered, hash_of_remembered> memory_;
};

// Values that nobody read or expected are all alike.
void forget_unseen_values(std::vector<operation>& operations) {
    constexpr auto unseen = operation::open - 1;
    auto seen = std::unordered_set<std::uint64_t>{};
    for (const auto& each : operations) {
        if (each.what == kind::read) {
            seen.insert(each.result);
        } else if (each.what == kind::compare_and_set) {
            seen.insert(each.expected);
        }
    }
    for (auto& each : operations) {
        bool sets = each.what == kind::write || each.what == kind::compare_and_set;
        if (sets && !seen.contains(each.value)) {
            each.value = unseen;
        }
    }
}

}  // namespace

linearizability_result check_by_search(std::span<const operation> operations,
                                       linearizability_limits limits) {
    auto relevant = std::vector<operation>{};
    for (const auto& each : operations) {
        bool says_nothing = each.what == kind::read && each.ended == operation::outcome::unknown;
        if (each.began != operation::open && !says_nothing) {
            relevant.push_back(each);
        }
    }
    if (relevant.empty()) {
        return {};
    }
    auto key = relevant.front().key;
    if (relevant.size() > limits.operations_max) {
        return {verdict::undecided, about(key, "has more operations than the search takes")};
    }
    forget_unseen_values(relevant);
    auto outcome = search{relevant, limits}.run();
    if (outcome == verdict::violated) {
        return violation(key, "no order of its operations explains their answers");
    }
    if (outcome == verdict::undecided) {
        return {outcome, about(key, "the search was given up")};
    }
    return {};
}

linearizability_result check_linearizable(const history& seen, linearizability_limits limits) {
    struct of_key {
        std::vector<operation> operations;
        bool plain = true;
    };
    auto keys = std::map<std::uint64_t, of_key>{};
    for (const auto& each : seen.operations()) {
        auto& its = keys[each.key];
        its.operations.push_back(each);
        its.plain &= each.what == kind::read || each.what == kind::write;
    }
    for (const auto& [key, its] : keys) {
        auto found =
            its.plain ? check_register(its.operations) : check_by_search(its.operations, limits);
        if (!found) {
            return found;
        }
    }
    return {};
}

}  // namespace cohort
