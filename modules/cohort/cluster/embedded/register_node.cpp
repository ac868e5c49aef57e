#include <cohort/cluster/embedded/register_node.hpp>

#include <algorithm>

#include <cohort/cluster/embedded/register_impl.hpp>
#include <cohort/world/assert.hpp>

namespace cohort {

register_node::register_node(register_options options, std::uint64_t seed)
    : impl_{std::make_unique<impl>(std::move(options), seed)} {}
register_node::~register_node() = default;
register_node::register_node(register_node&&) noexcept = default;
register_node& register_node::operator=(register_node&&) noexcept = default;

void register_node::start(time_point now) { impl_->start(now); }
void register_node::receive(time_point now, const endpoint& from, const control_message& message) {
    impl_->receive(now, from, message);
}
void register_node::tick(time_point now) { impl_->tick(now); }
time_point register_node::due() const noexcept { return impl_->due(); }
void register_node::release(time_point now, std::uint32_t space, std::uint32_t shard,
                            std::uint64_t drain_epoch) {
    impl_->release(now, space, shard, drain_epoch);
}
void register_node::look_for(time_point now, std::uint64_t epoch) { impl_->look_for(now, epoch); }
void register_node::leave(time_point now) { impl_->leave(now); }

std::vector<outgoing_control> register_node::take_outgoing() {
    return std::exchange(impl_->outgoing, {});
}
std::vector<register_event> register_node::take_events() {
    return std::exchange(impl_->events, {});
}
node_uid register_node::uid() const noexcept { return impl_->self.uid; }
const view_ptr& register_node::current() const noexcept { return impl_->current; }
time_point register_node::lease_end() const noexcept { return impl_->lease_end; }
bool register_node::seats_held(time_point now) const noexcept { return impl_->seats_held(now); }
register_phase register_node::phase() const noexcept { return impl_->phase; }
node_uid register_node::acceptor() const noexcept { return impl_->acceptor_id; }
bool register_node::is_driver(time_point now) const noexcept { return impl_->acts_as_driver(now); }
std::vector<seat_status> register_node::seats(time_point now) const { return impl_->seats(now); }
std::vector<lease_status> register_node::leases(time_point now) const { return impl_->leases(now); }

// -- the parts together ---------------------------------------------------------------------------

register_node::impl::impl(register_options options, std::uint64_t seed)
    : self{options.self}, options_{std::move(options)}, random_{seed}, driver_{options_.times} {
    for (const auto& each : options_.spaces) {
        self.spaces.push_back(each.name);
    }
}

node_uid register_node::impl::draw_uid(std::uint64_t purpose) noexcept {
    auto n = draws_++;
    return {random_.draw(purpose, n, 0) | 1U, random_.draw(purpose, n, 1)};
}

// A4: a removed uid never comes back. R13: a memory that is lost takes its acceptor's id with it.
void register_node::impl::new_identity(time_point now, bool memory) {
    self.uid = draw_uid(1);
    self.phase = member_phase::joining;
    if (memory) {
        acceptor_id =
            COHORT_MUTANT(amnesia)
                ? node_uid{mix(1, std::as_bytes(std::span{self.address.host})), self.address.port}
                : draw_uid(2);
        self.acceptor = acceptor_id;
        acceptor_.emplace(acceptor_id, options_.times, now);
        proposer_.emplace(acceptor_id, options_.times.renew / 2);
        driver_.clear();
        genesis_ = false;
        majority_since_ = time_point::max();
        undecided_since_ = time_point::max();
    }
    grants_.clear();
    releases_.clear();
    lease_end = time_point::min();
    held_ = false;
    suspended_ = false;
    without_quorum_since_ = now;
    uid_since_ = now;
    renew_due_ = time_point::max();
    join_due_ = time_point::max();
    hello_due_ = now;
    phase = register_phase::probing;
}

void register_node::impl::start(time_point now) {
    auto hash = mix(0, options_.seeds.size());
    for (std::size_t i = 0; i < options_.seeds.size(); ++i) {
        const auto& each = options_.seeds[i];
        hash = mix(mix(hash, std::as_bytes(std::span{each.host})), each.port);
        if (each == self.address) {
            self.ordinal = static_cast<std::uint32_t>(i);
        }
    }
    seeds_hash_ = hash;
    started_ = now;
    new_identity(now, true);
    if (!wrong_seeds()) {
        settle(now);
    }
}

void register_node::impl::refuse(std::string why) {
    phase = register_phase::refused;
    hello_due_ = join_due_ = renew_due_ = time_point::max();
    tell(register_event::kind::refused, std::move(why));
}

void register_node::impl::tell(register_event::kind what, std::string why, view_ptr seen) {
    events.push_back({what, std::move(why), std::move(seen)});
}

void register_node::impl::send(const endpoint& to, control_message content) {
    if (to == self.address) {
        to_itself_.push_back(std::move(content));
    } else {
        outgoing.push_back({to, std::move(content)});
    }
}

void register_node::impl::send_to_seats(const control_message& content) {
    for (const auto& each : known()->voters) {
        if (each.acceptor != node_uid{}) {
            send(each.address, content);
        }
    }
}

void register_node::impl::receive(time_point now, const endpoint& from,
                                  const control_message& message) {
    if (!acceptor_) {
        return;  // not started
    }
    watch_lease(now);
    std::visit([&](const auto& each) { on(now, from, each); }, message);
    settle(now);
}

// Does what is due and what it says to itself until nothing is left of either.
void register_node::impl::settle(time_point now) {
    watch_lease(now);
    for (auto rounds = 0;; ++rounds) {
        COHORT_ASSERT(rounds < 100'000, "a node does not talk to itself for ever");
        if (!to_itself_.empty()) {
            auto message = std::move(to_itself_.front());
            to_itself_.pop_front();
            std::visit([&](const auto& each) { on(now, self.address, each); }, message);
            continue;
        }
        if (phase == register_phase::refused) {
            return;
        }
        bootstrap(now);
        renew(now);
        drive(now);
        if (to_itself_.empty()) {
            return;
        }
    }
}

void register_node::impl::tick(time_point now) {
    if (acceptor_) {
        settle(now);
    }
}

time_point register_node::impl::due() const noexcept {
    if (!acceptor_ || phase == register_phase::refused) {
        return time_point::max();
    }
    auto next = std::min({hello_due_, join_due_, renew_due_, proposer_->due()});
    if (driving_) {
        if (known() != nullptr) {
            next = std::min(next, poll_due_);
        }
        if (proposer_->at() == proposer::state::steady) {
            next = std::min(next, plan_due_);
        } else if (proposer_->at() == proposer::state::idle) {
            next = std::min(next, std::max(plan_due_, prepare_due_));
        }
    }
    if (phase == register_phase::member && held_ && !suspended_) {
        next = std::min(next, lease_end);
    }
    return std::min(next, next_rank_change());
}

std::vector<seat_status> register_node::impl::seats(time_point now) const {
    auto out = std::vector<seat_status>{};
    if (!acceptor_ || known() == nullptr) {
        return out;
    }
    for (const auto& each : known()->voters) {
        auto asked = grants_.asked(each.acceptor);
        out.push_back({.seat = each,
                       .vacant = known()->find(each.uid) == nullptr,
                       .answers = asked && now - *asked <= options_.times.renew * 3});
    }
    return out;
}

bool register_node::impl::seats_held(time_point now) const noexcept {
    if (!acceptor_ || known() == nullptr || !lease_holds(now)) {
        return false;
    }
    return std::all_of(known()->voters.begin(), known()->voters.end(), [&](const voter& one) {
        auto asked = grants_.asked(one.acceptor);
        return one.acceptor == node_uid{} || (asked && now - *asked <= options_.times.renew * 3);
    });
}

std::vector<lease_status> register_node::impl::leases(time_point now) const {
    auto out = std::vector<lease_status>{};
    if (!acceptor_ || known() == nullptr || known()->seat_of(acceptor_id) == nullptr) {
        return out;
    }
    for (const auto& each : known()->members) {
        auto owed = acceptor_->owes(now, each.uid);
        out.push_back({each.uid, owed == lease_state::unknown ? duration::zero() : owed});
    }
    return out;
}

}  // namespace cohort
