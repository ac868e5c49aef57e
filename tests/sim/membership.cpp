#include "membership.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <cohort/runtime/runtime.hpp>

namespace cohort::sim {
namespace {

constexpr duration look_every = std::chrono::milliseconds{100};

}  // namespace

void leave_and_return(simulation& whole, simulated_node& node, duration away,
                      std::function<void()> left, std::function<bool()> over) {
    auto incarnation = node.incarnation();
    node.system().shutdown();
    auto look = std::make_shared<std::function<void()>>();
    auto look_again = [&whole, look] {
        whole.after(look_every, [look] {
            if (auto again = *look) {
                again();
            }
        });
    };
    *look = [&whole, &node, away, left = std::move(left), over = std::move(over), incarnation, look,
             look_again] {
        if (!node.up() || node.incarnation() != incarnation) {
            *look = {};
            return;
        }
        if (!node.system().runtime().drained()) {
            look_again();
            return;
        }
        left();
        whole.crash(node);
        whole.after(away, [&whole, &node, over, incarnation] {
            if (!node.up() && node.incarnation() == incarnation && !over()) {
                whole.restart(node);
            }
        });
        *look = {};
    };
    look_again();
}

bool have_majority(const view* newest, const std::set<node_uid>& there,
                   const std::vector<std::uint32_t>& healed, std::uint32_t seeds) {
    if (newest == nullptr) {
        auto healed_seeds = std::count_if(healed.begin(), healed.end(),
                                          [seeds](std::uint32_t each) { return each < seeds; });
        return static_cast<std::uint32_t>(2 * healed_seeds) > seeds;
    }
    auto seats = std::count_if(newest->voters.begin(), newest->voters.end(), [&](const voter& one) {
        const auto* holder = newest->find(one.uid);
        return holder != nullptr && holder->acceptor == one.acceptor && there.contains(one.uid);
    });
    return static_cast<std::size_t>(2 * seats) > newest->voters.size();
}

}  // namespace cohort::sim
