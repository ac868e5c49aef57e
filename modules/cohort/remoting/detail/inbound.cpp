#include <cohort/remoting/detail/inbound.hpp>

#include <cohort/remoting/detail/link.hpp>
#include <cohort/remoting/detail/remote_core.hpp>
#include <cohort/remoting/detail/state.hpp>
#include <cohort/task/combinators.hpp>
#include <cohort/tls/secure.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort::detail {

inbound::inbound(remoting_state& node, std::unique_ptr<stream> socket)
    : peer_connection{node}, fresh_{std::move(socket)}, host_{fresh_->peer().host} {
    for_cores_.resize(node.cores.size());
    self_ = node.cores[home_.id()]->enter(*this);
    stranger_ = node.strangers.enter(host_, node.options.half_open_each_max);
}

inbound::~inbound() {
    if (stranger_) {
        node_.strangers.leave(host_);
    }
    lost();
    node_.cores[home_.id()]->leave(self_);
    put_away();
}

// -- the handshake -------------------------------------------------------------------------------

task<bool> inbound::read_hello() {
    if (node_.options.credentials) {
        auto secured =
            co_await secure(std::move(fresh_), tls_side::server, *node_.options.credentials);
        if (!secured) {
            home_.owner().report({"peer not secured", host_, secured.error().message()});
            co_return false;
        }
        fresh_ = std::move(secured->bytes);
    }
    auto state = handshake_reader::state::need_more;
    while (state == handshake_reader::state::need_more) {
        auto outcome = co_await read_some(*fresh_, reader_.prepare());
        if (outcome.code != errc::ok) {
            co_return false;
        }
        reader_.commit(outcome.bytes);
        state = reader_.next(first_);
    }
    // Who talks on before it was welcomed is none of ours.
    co_return state == handshake_reader::state::complete&& reader_.rest().empty();
}

rejection inbound::admit() {
    auto why = judge(first_, {node_.uid, node_.options.cluster});
    if (why != rejection::none || first_.lane == lane::contact) {
        return why;
    }
    if (node_.leaving) {
        return rejection::leaving;
    }
    auto decided = node_.peers->admit(first_, self_);
    if (decided.gone) {
        node_.tell_gone(*decided.gone, "it had given this node up");
    }
    if (decided.why == rejection::none) {
        who_ = decided.who;
        replaced_ = decided.replaced;
        begins_anew_ = decided.anew;
        admitted_ = true;
        node_.cores[0]->post_acquaint(who_);
    }
    return decided.why;
}

void inbound::barrier_passed() noexcept {
    if (barriers_ != 0 && --barriers_ == 0) {
        barrier_.notify();
    }
}

// Whatever a core has passed on to others is dealt with when this is counted once for each of them.
void inbound::pass_through(core& there, remoting_state& node, holder waiting) {
    for (std::uint32_t id = 0; id < node.cores.size(); ++id) {
        post_to(there, id, [&node, waiting](core& each) {
            post_to(each, waiting.core, [&node, waiting](core&) {
                if (auto* it = node.cores[waiting.core]->find(waiting)) {
                    it->barrier_passed();
                }
            });
        });
    }
}

// The lane's connection until now ends before this one begins, and what it brought is dealt with on
// every core, so that nothing of it comes behind what this one brings.
task<void> inbound::wait_for_old(holder old) {
    if (COHORT_MUTANT(order_broken)) {
        co_return;
    }
    if (old.core == home_.id()) {
        // What it brought went the way that this one's frames will go.
        if (auto* it = node_.cores[old.core]->find(old)) {
            it->end("a newer connection took its place");
        }
        co_return;
    }
    barriers_ = static_cast<std::uint32_t>(node_.cores.size());
    home_.post(old.core, [node = &node_, old, self = self_](core& there) {
        if (auto* it = node->cores[old.core]->find(old)) {
            it->end("a newer connection took its place");
        }
        pass_through(there, *node, self);
    });
    co_await barrier_;
}

// The same when the acquaintance begins anew: any core may have a connection of the one before.
task<void> inbound::wait_for_all() {
    if (COHORT_MUTANT(order_broken)) {
        co_return;
    }
    auto cores = static_cast<std::uint32_t>(node_.cores.size());
    barriers_ = cores * cores;
    for (std::uint32_t id = 0; id < cores; ++id) {
        post_to(home_, id, [node = &node_, who = who_, self = self_](core& there) {
            node->cores[there.id()]->end_older(who);
            pass_through(there, *node, self);
        });
    }
    co_await barrier_;
}

task<bool> inbound::shake_hands() {
    auto limit = node_.options.handshake_time;
    auto heard = co_await with_timeout(limit, read_hello());
    if (!heard || !*heard) {
        node_.cores[home_.id()]->counters().handshakes_refused.add();
        co_return false;
    }
    auto why = admit();
    if (admitted_ && begins_anew_) {
        co_await wait_for_all();
    } else if (admitted_ && replaced_.generation != 0) {
        co_await wait_for_old(replaced_);
    }
    auto answer = welcome{.why = why,
                          .version = common_version(first_),
                          .callee = node_.uid,
                          .nonce = first_.nonce,
                          .callee_session = who_.session,
                          .frame_bytes_max = node_.options.frame_bytes_max,
                          .message_bytes_max = node_.options.message_bytes_max,
                          .names = node_.names.value,
                          .host = node_.local.host,
                          .port = node_.local.port};
    if (why == rejection::version || why == rejection::cluster) {
        answer.callee = {};  // a stranger learns nothing
        answer.names = 0;
        answer.host.clear();
        answer.port = 0;
    }
    auto out = byte_buffer{};
    write_handshake(answer, out);
    auto sent = co_await with_timeout(limit, write_all(fresh_.get(), out.view()));
    if (why != rejection::none) {
        node_.cores[home_.id()]->counters().handshakes_refused.add();
    }
    co_return sent && *sent&& why == rejection::none&& first_.lane != lane::contact;
}

// -- frames --------------------------------------------------------------------------------------

bool inbound::is_full() const noexcept {
    // Large answers do not count: they wait for credit, which comes by this very connection.
    constexpr std::size_t answers_max = std::size_t{1} << 20;
    return out().queued_freely() > answers_max;
}

bool inbound::arrived(const frame& it) {
    switch (it.kind) {
        case frame_kind::request:
        case frame_kind::send:
            if (serving_ >= node_.options.requests_max || !out().has_room()) {
                write_frame({.kind = frame_kind::failure,
                             .correlation = it.correlation,
                             .code = errc::overloaded,
                             .ran = executed::no},
                            out().filling());
                flush();
                return true;
            }
            ++serving_;
            route(it);
            return true;
        case frame_kind::tell:
        case frame_kind::watch:
        case frame_kind::unwatch:
        case frame_kind::terminated:
            route(it);
            return true;
        case frame_kind::goodbye:
            node_.give_up(who_.place, who_.generation, "it said goodbye");
            return false;
        default:
            node_.cores[home_.id()]->counters().bad_bytes.add();
            end("a calling side sends no answers");
            return false;
    }
}

void inbound::route(const frame& it) {
    auto id = it.target.core();
    if (id == home_.id() || id >= node_.cores.size()) {
        node_.cores[home_.id()]->arrived({self_, who_.place, who_.generation}, it);
    } else {
        write_frame(it, for_cores_[id]);
    }
}

// Frames for other cores cross the ring still encoded, all of one read together.
void inbound::read_some_more() {
    for (std::uint32_t id = 0; id < for_cores_.size(); ++id) {
        if (for_cores_[id].empty()) {
            continue;
        }
        auto from = source{self_, who_.place, who_.generation};
        // Shared, so that it is still here when the other core has no room for it.
        auto frames = std::make_shared<byte_buffer>(std::exchange(for_cores_[id], byte_buffer{}));
        auto deal = [node = &node_, from, frames](core& there) {
            node->cores[there.id()]->arrived(from, frames->view());
        };
        // What comes by a control lane is little, and never given up for others.
        if (!home_.post(id, std::move(deal), kind_ != lane::control)) {
            node_.cores[home_.id()]->overflowed(from, id, frames->view());
        }
    }
}

void inbound::answer(std::string_view frames) {
    auto mark = out().filling().size();
    out().filling().append(frames);
    finish_answer(mark);
}

// A failure is sent also to who says that it takes nothing of that size: it is small.
void inbound::finish_answer(std::size_t mark) {
    if (!out().fits(mark)) {
        auto& bytes = out().filling();
        auto it = frame{};
        const auto* wrong = parse_frame(bytes.view().substr(mark + sizeof(std::uint32_t)), it);
        COHORT_ASSERT(wrong == nullptr, "N-8: an answer is a frame");
        if (it.kind == frame_kind::reply) {
            bytes.truncate(mark);
            static_cast<void>(begin_frame({.kind = frame_kind::failure,
                                           .correlation = it.correlation,
                                           .code = errc::too_large,
                                           .ran = executed::yes},
                                          bytes));
        }
    }
    out().finish(mark, {});
    if (serving_ != 0) {
        --serving_;
    }
    flush();
}

void inbound::lost() {
    if (!std::exchange(admitted_, false)) {
        return;
    }
    node_.peers->release(who_.place, who_.generation, first_.lane, first_.core, self_);
    if (first_.lane == lane::data && !node_.leaving) {
        // News of actors' ends may have been on it: every core asks again.
        node_.watch_again(who_.place, who_.generation);
    }
}

behavior<silent> inbound::serve(context<silent>, remoting_state* node,
                                std::unique_ptr<incoming_stream> accepted, stranger place,
                                std::unique_ptr<inbound> it) {
    auto& home = *node->cores[this_core().id()];
    auto socket = accepted->attach(this_core().reactor());
    if (!socket) {
        co_return;
    }
    it = std::make_unique<inbound>(*node, std::move(*socket));
    if (!it->stranger_) {
        home.counters().handshakes_refused.add();
        co_return;
    }
    bool known = co_await it->shake_hands();
    place = {};
    node->strangers.leave(it->host_);
    it->stranger_ = false;
    // The peer may have been given up while hands were shaken.
    if (!known || !node->peers->find(it->who_.place, it->who_.generation)) {
        co_return;
    }
    it->assign(it->first_.lane);
    it->out().limit_messages(it->first_.message_bytes_max);
    it->begin(std::move(it->fresh_), common_version(it->first_), {});
    static_cast<void>(co_await when_any(it->read(), it->write()));
}

}  // namespace cohort::detail
