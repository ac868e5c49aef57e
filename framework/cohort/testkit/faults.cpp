#include <cohort/testkit/faults.hpp>

#include <algorithm>

namespace cohort {

using death = simulated_world::death;

fault_driver::fault_driver(simulation& whole, const std::vector<scheduled_fault>& faults)
    : whole_{whole}, size_{static_cast<std::uint32_t>(whole.size())},
      links_(std::size_t{size_} * size_), nodes_(size_), healed_(size_, false) {
    for (auto fault : faults) {
        fault.a %= size_;
        fault.b %= size_;
        whole_.after(fault.at, [this, fault] {
            if (!healing_) {
                begin(fault);
                whole_.after(fault.length, [this, fault] { end(fault); });
            }
        });
    }
}

void fault_driver::crash(std::uint32_t node, death how) {
    if (whole_.node(node).up()) {
        whole_.crash(whole_.node(node), how);
    }
}

void fault_driver::begin(const scheduled_fault& fault) {
    auto& world = whole_.node(fault.a).world();
    auto& own = nodes_[fault.a];
    ++begun_[static_cast<std::size_t>(fault.kind)];
    whole_.network().trace(0xfa'0017, static_cast<std::uint64_t>(fault.kind), fault.a);
    switch (fault.kind) {
        case fault_kind::crash:
            crash(fault.a, death::process);
            break;
        case fault_kind::power_loss:
            crash(fault.a, death::machine);
            break;
        case fault_kind::stop:
            world.stop_for(fault.length);
            break;
        case fault_kind::stop_inside:
            world.stop_for(fault.length,
                           static_cast<std::uint64_t>(std::max<std::int64_t>(1, fault.amount)));
            break;
        case fault_kind::die_inside: {
            auto how = fault.amount % 2 == 0 ? death::machine : death::process;
            if (whole_.node(fault.a).up()) {
                world.die_at(static_cast<std::uint64_t>(std::max<std::int64_t>(1, fault.amount)),
                             [this, node = fault.a, how] { crash(node, how); });
            }
            break;
        }
        case fault_kind::bad_disk:
            ++own.disk;
            world.disk().set_errors(static_cast<std::uint32_t>(fault.amount));
            break;
        case fault_kind::reset:
            whole_.network().reset(fault.a, fault.b,
                                   whole_.network().random().draw(0xfa'0017, fault.a, total_++),
                                   false);
            break;
        case fault_kind::clock_rate:
            ++own.clock;
            world.set_clock_rate(fault.amount);
            break;
        case fault_kind::clock_jump:
            world.jump_clock(std::chrono::microseconds{fault.amount});
            break;
        case fault_kind::wall_jump:
            world.jump_wall(std::chrono::microseconds{fault.amount});
            break;
        case fault_kind::slow_cpu:
            ++own.cpu;
            whole_.node(fault.a).options().turn_cost =
                node_options{}.turn_cost * std::max<std::int64_t>(1, fault.amount);
            break;
        case fault_kind::slow_work:
            ++own.work;
            world.set_work_slowness(
                static_cast<std::uint32_t>(std::max<std::int64_t>(1, fault.amount)));
            break;
        case fault_kind::cut:
        case fault_kind::cut_one_way:
        case fault_kind::isolate:
        case fault_kind::split:
            cut_around(fault, true);
            break;
        case fault_kind::slow_link:
        case fault_kind::tail:
        case fault_kind::throttle:
        case fault_kind::corrupt:
            shape(fault, true);
            break;
    }
}

void fault_driver::end(const scheduled_fault& fault) {
    auto& node = whole_.node(fault.a);
    auto& own = nodes_[fault.a];
    bool healed = healed_[fault.a];
    switch (fault.kind) {
        case fault_kind::bad_disk:
            if (!healed && --own.disk == 0) {
                node.world().disk().set_errors(0);
            }
            break;
        case fault_kind::crash:
        case fault_kind::power_loss:
        case fault_kind::die_inside:
            // Who is not to be healed stays down from then on.
            if (!node.up() && !healing_) {
                whole_.restart(node);
            }
            break;
        case fault_kind::clock_rate:
            if (!healed && --own.clock == 0) {
                node.world().set_clock_rate(0);
            }
            break;
        case fault_kind::slow_cpu:
            if (!healed && --own.cpu == 0) {
                node.options().turn_cost = node_options{}.turn_cost;
            }
            break;
        case fault_kind::slow_work:
            if (!healed && --own.work == 0) {
                node.world().set_work_slowness(1);
            }
            break;
        case fault_kind::cut:
        case fault_kind::cut_one_way:
        case fault_kind::isolate:
        case fault_kind::split:
            cut_around(fault, false);
            break;
        case fault_kind::slow_link:
        case fault_kind::tail:
        case fault_kind::throttle:
        case fault_kind::corrupt:
            shape(fault, false);
            break;
        default:
            break;
    }
}

void fault_driver::cut(std::uint32_t from, std::uint32_t to, bool begins) {
    if (from == to || (healed_[from] && healed_[to])) {
        return;  // a node always reaches itself
    }
    auto& its = of(from, to);
    its.cuts += begins ? 1U : ~0U;
    whole_.network().cut(from, to, its.cuts != 0);
}

void fault_driver::cut_around(const scheduled_fault& fault, bool begins) {
    if (!begins && healing_) {
        return;  // the rest stays bad
    }
    auto both = [&](std::uint32_t left, std::uint32_t right) {
        cut(left, right, begins);
        cut(right, left, begins);
    };
    if (fault.kind == fault_kind::cut_one_way) {
        cut(fault.a, fault.b, begins);
    } else if (fault.kind == fault_kind::cut) {
        both(fault.a, fault.b);
    } else if (fault.kind == fault_kind::isolate) {
        for (std::uint32_t other = 0; other < size_; ++other) {
            both(fault.a, other);
        }
    } else {
        auto side = [&](std::uint32_t node) { return fault.amount >> (node % 63) & 1; };
        for (std::uint32_t left = 0; left < size_; ++left) {
            for (std::uint32_t right = left + 1; right < size_; ++right) {
                if (side(left) != side(right)) {
                    both(left, right);
                }
            }
        }
    }
}

// The link as it is when nothing is wrong with it.
void fault_driver::reshape(std::uint32_t from, std::uint32_t to) {
    auto& link = whole_.network().link(from, to);
    auto cut_off = link.cut;
    link = {.delay_min = whole_.network().options().delay_min,
            .delay_max = whole_.network().options().delay_max,
            .cut = cut_off};
}

void fault_driver::shape(const scheduled_fault& fault, bool begins) {
    if (fault.a == fault.b || (healed_[fault.a] && healed_[fault.b]) || (!begins && healing_)) {
        return;
    }
    auto& its = of(fault.a, fault.b);
    if (!begins) {
        if (--its.shapes == 0) {
            reshape(fault.a, fault.b);
        }
        return;
    }
    ++its.shapes;
    auto& link = whole_.network().link(fault.a, fault.b);
    auto longer = std::chrono::microseconds{fault.amount};
    auto amount = static_cast<std::uint64_t>(std::max<std::int64_t>(1, fault.amount));
    if (fault.kind == fault_kind::slow_link) {
        link.delay_min += longer;
        link.delay_max += longer;
    } else if (fault.kind == fault_kind::tail) {
        link.tail_per_million = 100'000;
        link.tail_max = longer;
    } else if (fault.kind == fault_kind::throttle) {
        link.bytes_per_second = amount;
    } else {
        link.corrupt_per_million = static_cast<std::uint32_t>(amount);
    }
}

void fault_driver::heal(const std::vector<std::uint32_t>& core) {
    healing_ = true;
    for (auto index : core) {
        auto& node = whole_.node(index);
        node.world().set_clock_rate(0);
        node.world().set_work_slowness(1);
        node.world().disk().set_errors(0);
        node.world().go_on();
        node.options().turn_cost = node_options{}.turn_cost;
        nodes_[index] = {};
        for (auto other : core) {
            of(index, other) = {};
            reshape(index, other);
            whole_.network().cut(index, other, false);
        }
        healed_[index] = true;
    }
    for (auto index : core) {
        auto& node = whole_.node(index);
        // Its last call was just now: it would die behind the healing, and stay down.
        if (node.up() && node.world().silent()) {
            crash(index, death::process);
        }
        if (!node.up()) {
            whole_.restart(node);
        }
    }
}

}  // namespace cohort
