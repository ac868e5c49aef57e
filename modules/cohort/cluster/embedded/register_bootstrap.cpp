// B6: how a node finds its cluster, and how the seeds make one when there is none.

#include <algorithm>

#include <cohort/cluster/embedded/register_impl.hpp>
#include <cohort/world/assert.hpp>

namespace cohort {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t genesis_seeds_max = 5;
// How many renewals' time without a quorum it takes until a node asks whether one can come back.
constexpr int patience = 20;

}  // namespace

// The seeds among which a first view is agreed.
std::size_t register_node::impl::slots() const noexcept {
    return std::min(genesis_seeds_max, options_.seeds.size());
}

bool register_node::impl::wrong_seeds() {
    if (options_.seeds.empty()) {
        refuse("no seeds are given: name the first nodes of the cluster, the same list everywhere");
        return true;
    }
    for (std::size_t i = 0; i < options_.seeds.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (options_.seeds[i] == options_.seeds[j]) {
                refuse("the seed " + options_.seeds[i].text() + " is given twice");
                return true;
            }
        }
    }
    return false;
}

const register_node::impl::heard_answer* register_node::impl::answer_of(
    time_point now, const endpoint& from) const {
    for (const auto& each : answers_) {
        if (each.from == from && recent(now, each)) {
            return &each;
        }
    }
    return nullptr;
}

void register_node::impl::bootstrap(time_point now) {
    if (phase == register_phase::left || phase == register_phase::refused) {
        return;
    }
    auto lost = without_quorum_since_ != time_point::max();
    if (lost && now >= hello_due_) {
        say_hello(now);
    } else if (!lost) {
        hello_due_ = time_point::max();
    }
    if (phase == register_phase::joining) {
        ask_to_join(now);
    }
    if (genesis_ && proposer_->at() == proposer::state::idle) {
        genesis_ = false;  // somebody else was faster, or too few answered
        majority_since_ = now;
    }
}

void register_node::impl::say_hello(time_point now) {
    hello_due_ = now + options_.times.renew;
    auto told = std::vector<endpoint>{self.address};
    auto greet = [&](const endpoint& to) {
        if (std::find(told.begin(), told.end(), to) == told.end()) {
            told.push_back(to);
            send(to, seed_hello{.cluster = options_.cluster,
                                .self = self,
                                .seeds_hash = seeds_hash_,
                                .blank = acceptor_->blank()});
        }
    };
    for (const auto& each : options_.seeds) {
        greet(each);
    }
    // Also those of a view that is not decided: it may wait for one that is gone.
    for (const auto* view : {&known(), &acceptor_->accepted()}) {
        if (*view == nullptr) {
            continue;
        }
        for (const auto& each : (*view)->voters) {
            if (each.acceptor != node_uid{}) {
                greet(each.address);
            }
        }
    }
    std::erase_if(answers_, [&](const heard_answer& one) { return !recent(now, one); });
    judge_orphan(now);
    look_at_answers(now);
}

seed_answer register_node::impl::own_answer(time_point now, bool same_cluster) const {
    auto answer = seed_answer{.cluster = options_.cluster,
                              .self = self,
                              .seeds_hash = seeds_hash_,
                              .blank = acceptor_->blank() && phase != register_phase::left,
                              .has_quorum = lease_holds(now),
                              .cluster_id = {},
                              .epoch = 0,
                              .voters = {}};
    if (same_cluster && known() != nullptr) {
        answer.cluster_id = known()->cluster_id;
        answer.epoch = known()->epoch;
        for (const auto& each : known()->voters) {
            if (each.acceptor != node_uid{}) {
                answer.voters.push_back(each.address);
            }
        }
    }
    return answer;
}

void register_node::impl::on(time_point now, const endpoint& from, const seed_hello& message) {
    send(from, own_answer(now, message.cluster == options_.cluster));
}

// Seeds that are no members may have been started again and know nobody but each other: who votes
// tells them that there is a cluster before they make another one.
void register_node::impl::call_seeds(time_point now) {
    if (!lease_holds(now) || known()->seat_of(acceptor_id) == nullptr) {
        return;
    }
    for (const auto& each : options_.seeds) {
        auto is_member = std::any_of(known()->members.begin(), known()->members.end(),
                                     [&each](const member& one) { return one.address == each; });
        if (!is_member) {
            send(each, own_answer(now, true));
        }
    }
}

// A cluster that has a quorum and hears of another one that has, too: the newer one goes on,
// because stores have seen its epochs. Whoever votes for the older one begins anew, and the rest of
// it with them. Nothing but seeds that began anew while they were cut off from voters that are no
// seeds can have made the newer one.
bool register_node::impl::yields(time_point now, const endpoint& from, const seed_answer& message) {
    if (!lease_holds(now) || !message.has_quorum || message.cluster != options_.cluster ||
        message.cluster_id == known()->cluster_id || COHORT_MUTANT(older_cluster_stays)) {
        return false;
    }
    if (message.epoch < known()->epoch) {
        send(from, own_answer(now, true));
        return false;
    }
    tell(register_event::kind::fenced);
    new_identity(now, true);
    return true;
}

void register_node::impl::on(time_point now, const endpoint& from, const seed_answer& message) {
    if (yields(now, from, message)) {
        return;
    }
    auto asked = without_quorum_since_ != time_point::max();
    if (!asked || message.voters.size() > view_limits::seats ||
        what_is_wrong(message.self) != nullptr) {
        return;
    }
    if (known() != nullptr && message.cluster_id == known()->cluster_id) {
        catch_up(from, message.epoch);
    }
    auto found = std::find_if(answers_.begin(), answers_.end(),
                              [&from](const heard_answer& one) { return one.from == from; });
    if (found == answers_.end()) {
        if (answers_.size() >= 64) {
            return;
        }
        found = answers_.insert(answers_.end(), heard_answer{});
    }
    *found = {now, from, message};
    look_at_answers(now);
}

// A seed that answers for another cluster, or most of them with another list, is a mistake of the
// configuration that time does not heal.
void register_node::impl::look_at_answers(time_point now) {
    if (phase != register_phase::probing && phase != register_phase::joining) {
        // A member without a quorum: its lease is over, and if there is another cluster now, its
        // own cannot come back.
        for (const auto& each : answers_) {
            if (phase == register_phase::member && recent(now, each) && each.what.has_quorum &&
                known()->cluster_id != each.what.cluster_id && now >= lease_end &&
                now - without_quorum_since_ >= options_.times.renew * patience) {
                tell(register_event::kind::fenced);
                new_identity(now, true);
                return;
            }
        }
        return;
    }
    std::size_t others = 0;
    for (const auto& each : answers_) {
        auto is_seed = std::find(options_.seeds.begin(), options_.seeds.end(), each.from) !=
                       options_.seeds.end();
        if (!recent(now, each) || !is_seed) {
            continue;
        }
        if (each.what.cluster != options_.cluster) {
            refuse("the seed " + each.from.text() + " belongs to the cluster '" +
                   each.what.cluster + "', this node to '" + options_.cluster + "'");
            return;
        }
        others += each.what.blank && each.what.seeds_hash != seeds_hash_ ? 1U : 0U;
    }
    if (others > 0 && 2 * others >= options_.seeds.size()) {
        refuse("most seeds were given another list of seeds than this node");
        return;
    }
    for (const auto& each : answers_) {
        if (recent(now, each) && each.what.has_quorum && each.what.cluster == options_.cluster) {
            begin_join(now, each);
            return;
        }
    }
    if (phase == register_phase::probing) {
        begin_genesis(now);
    }
}

// -- a first view ---------------------------------------------------------------------------------

// A majority of the first seeds, all without a cluster, and nobody who knows of one.
void register_node::impl::begin_genesis(time_point now) {
    auto among = slots();
    if (genesis_ || known() != nullptr || self.ordinal >= among) {
        return;
    }
    if (acceptor_->accepted() != nullptr) {
        finish_genesis(now);
        return;
    }
    auto slot_holders = std::vector<voter>(among);
    auto members = std::vector<member>{self};
    slot_holders[self.ordinal] = {self.acceptor, self.uid, self.address};
    for (std::size_t i = 0; i < among; ++i) {
        const auto* answer = answer_of(now, options_.seeds[i]);
        if (i == self.ordinal || answer == nullptr || answer->what.seeds_hash != seeds_hash_) {
            continue;
        }
        if (!answer->what.blank) {
            majority_since_ = time_point::max();
            return;
        }
        auto who = answer->what.self;
        // A node that was copied while it ran, and its copy: they are no two seeds.
        auto is_copy = std::any_of(members.begin(), members.end(), [&who](const member& one) {
            return one.uid == who.uid || one.acceptor == who.acceptor;
        });
        if (is_copy) {
            continue;
        }
        who.ordinal = static_cast<std::uint32_t>(i);
        slot_holders[i] = {who.acceptor, who.uid, who.address};
        members.push_back(std::move(who));
    }
    if (2 * members.size() <= among) {
        majority_since_ = time_point::max();
        return;
    }
    majority_since_ = std::min(majority_since_, now);
    // Seeds in their order. Even the first waits: for seeds that are not there yet, and for the
    // driver of a cluster that lives on without them. Nothing is served earlier anyway (R7a).
    auto wait = options_.times.renew * 2 * (1 + self.ordinal);
    if (now < majority_since_ + wait) {
        hello_due_ = std::min(hello_due_, majority_since_ + wait);
        return;
    }
    genesis_ = true;
    genesis_slots_ = std::move(slot_holders);
    genesis_members_ = std::move(members);
    proposer_->prepare(now, nullptr, genesis_slots_, acceptor_->promised());
}

// Whoever began a first view is gone: after a while another one that accepted it goes on (R10).
void register_node::impl::finish_genesis(time_point now) {
    auto wait = options_.times.renew * 4 * (1 + self.ordinal);
    if (now < undecided_since_ + wait) {
        return;
    }
    undecided_since_ = now;
    genesis_ = true;
    genesis_slots_ = acceptor_->accepted()->previous_voters;
    genesis_members_.clear();
    proposer_->prepare(now, nullptr, genesis_slots_, acceptor_->promised());
}

// Higher than any that an older cluster may have had: the fences of stores outlive clusters.
std::uint64_t register_node::impl::first_epoch(time_point now) const noexcept {
    auto since = static_cast<std::uint64_t>((now - started_) / 1ms);
    return std::max(options_.first_epoch + since, current == nullptr ? 1 : current->epoch + 1);
}

void register_node::impl::propose_first_view(time_point now) {
    if (proposer_->at() != proposer::state::steady || known() != nullptr) {
        return;
    }
    if (genesis_members_.empty()) {
        if (acceptor_->accepted() != nullptr) {
            proposer_->propose(now, acceptor_->accepted());
        } else {
            proposer_->stop();
        }
        return;
    }
    auto first = std::make_shared<view>();
    first->cluster_id = draw_uid(5);
    first->epoch = first_epoch(now);
    first->config = 1;
    first->times = options_.times;
    first->members = genesis_members_;
    std::sort(first->members.begin(), first->members.end(),
              [](const member& left, const member& right) { return left.uid < right.uid; });
    first->previous_voters = genesis_slots_;
    first->departed_since = first->epoch - 1;
    // Any majority of these seats and any majority of the slots have a seed in common: while a
    // cluster can go on, too few seeds are without one to make another.
    auto seats = slots() <= 2 ? std::size_t{1} : slots() <= 4 ? std::size_t{3} : std::size_t{5};
    for (const auto& each : genesis_slots_) {
        if (each.acceptor != node_uid{} && first->voters.size() < seats) {
            first->voters.push_back(each);
        }
    }
    first->voters.resize(seats);
    for (const auto& each : options_.spaces) {
        first->spaces.push_back({each, std::vector<shard_owner>(each.shards), {}});
    }
    COHORT_ASSERT(what_is_wrong(*first) == nullptr, "a first view is one that can be");
    proposer_->propose(now, std::move(first));
}

// -- joining --------------------------------------------------------------------------------------

void register_node::impl::begin_join(time_point now, const heard_answer& answer) {
    if (genesis_) {
        proposer_->stop();
        genesis_ = false;
    }
    if ((known() != nullptr && known()->cluster_id != answer.what.cluster_id) ||
        (known() == nullptr && acceptor_->accepted() != nullptr)) {
        new_identity(now, true);  // its memory is of a cluster that is no more
    }
    auto again = phase == register_phase::joining;
    phase = register_phase::joining;
    join_at_ = answer.what.voters;
    if (std::find(join_at_.begin(), join_at_.end(), answer.from) == join_at_.end()) {
        join_at_.push_back(answer.from);
    }
    join_ = {.self = self,
             .spaces = options_.spaces,
             .times = options_.times,
             .cluster_id = answer.what.cluster_id,
             .epoch = answer.what.epoch};
    if (!again) {
        join_until_ = now + options_.times.renew * 10;
        join_due_ = now;
    }
}

void register_node::impl::ask_to_join(time_point now) {
    if (now >= join_until_) {
        // The answer was an old one; or this uid was admitted and removed before it heard of it. A
        // node that knows no view takes its acceptor's name along: others may just make a first
        // view of both.
        new_identity(now, known() == nullptr);
        return;
    }
    if (now < join_due_) {
        return;
    }
    join_due_ = now + options_.times.renew;
    for (const auto& each : join_at_) {
        if (each != self.address) {
            send(each, join_);
        }
    }
}

void register_node::impl::on(time_point, const endpoint& from, const join_refused& message) {
    if (phase == register_phase::joining && message.uid == self.uid) {
        refuse("the cluster at " + from.text() + " does not admit this node: " + message.why);
    }
}

// -- no way back ----------------------------------------------------------------------------------

// Memory-only voters: when so many of them are gone that no majority can ever exist again, what
// this node knows of their cluster is worth nothing. Its lease was over long ago.
void register_node::impl::judge_orphan(time_point now) {
    const auto& basis = known() != nullptr ? known() : acceptor_->accepted();
    if (basis == nullptr || now < lease_end ||
        now - without_quorum_since_ < options_.times.renew * patience) {
        return;
    }
    auto may_be_there = [&](const voter& one) {
        if (one.acceptor == acceptor_id || one.address == self.address) {
            return one.acceptor == acceptor_id;
        }
        const auto* answer = answer_of(now, one.address);
        return answer == nullptr || answer->what.self.acceptor == one.acceptor;
    };
    // A view that nobody has decided needs its own voters and those before it, and as long as it
    // may have been chosen (R10), no other one can take its place.
    const auto& open = acceptor_->accepted();
    auto possible = majority(basis->voters, may_be_there) &&
                    (open == nullptr || (majority(open->voters, may_be_there) &&
                                         majority(open->previous_voters, may_be_there)));
    if (possible) {
        return;
    }
    if (phase == register_phase::member) {
        tell(register_event::kind::fenced);
    }
    new_identity(now, true);
}

}  // namespace cohort
