// Mailboxes, asks and supervision against models, in orders drawn from a seed.
#include <cstdlib>
#include <deque>
#include <map>

#include <cohort/testkit/co_test.hpp>

#include <rapidcheck/gtest.h>

namespace cohort {
namespace {

// A case costs a tenth of a millisecond, so many more than rapidcheck's hundred are tried.
// RC_PARAMS given from outside wins, to reproduce a failure for example.
[[maybe_unused]] const bool many_cases = ::setenv("RC_PARAMS", "max_success=3000", 0) == 0;

// -- the mailbox ----------------------------------------------------------------------------------

struct item {
    int number = 0;
};
struct question {
    using reply = int;
    int number = 0;
};
using items = protocol<item, question>;

behavior<items> take_on_order(context<items> self, std::vector<int>* taken, int* allowed) {
    for (;;) {
        while (*allowed == 0) {
            co_await self.sleep(1ms);
        }
        auto message = co_await self.receive();
        --*allowed;
        if (auto one = message.get_if<item>()) {
            taken->push_back(one->number);
        } else if (auto asked = message.get_if<question>()) {
            taken->push_back(asked->number);
            asked.reply(asked->number);
        }
    }
}

behavior<items> send_one(context<items>, ref<items> target, int number,
                         std::vector<int>* admitted) {
    auto sent = co_await target.send(item{number});
    if (sent) {
        admitted->push_back(number);
    }
}

behavior<items> ask_one(context<items>, ref<items> target, int number,
                        std::map<int, errc>* outcomes) {
    auto answer = co_await target.ask<question>(1h, number);
    outcomes->emplace(number, answer ? errc::ok : answer.error().code());
}

behavior<items> tell_one(context<items>, ref<items> target, int number) {
    target.tell(item{number});
    co_return;
}

struct mailbox_model {
    std::size_t limit;
    mailbox_policy policy;
    struct entry {
        int number;
        bool asked;
    };
    std::deque<entry> waiting;
    std::deque<int> senders;
    std::vector<int> taken;
    std::vector<int> admitted;
    std::map<int, errc> outcomes;
    std::uint64_t refused = 0;
    std::uint64_t dropped = 0;

    void lose(entry lost) {
        if (lost.asked) {
            outcomes.emplace(lost.number, errc::overloaded);
        }
    }
    void put(entry one) {
        if (waiting.size() < limit) {
            waiting.push_back(one);
        } else if (policy == mailbox_policy::drop_oldest) {
            ++dropped;
            lose(waiting.front());
            waiting.pop_front();
            waiting.push_back(one);
        } else {
            ++(policy == mailbox_policy::refuse ? refused : dropped);
            lose(one);
        }
    }
    void send(int number) {
        if (waiting.size() < limit && senders.empty()) {
            waiting.push_back({number, false});
            admitted.push_back(number);
        } else {
            senders.push_back(number);
        }
    }
    void take() {
        if (waiting.empty()) {
            return;
        }
        auto one = waiting.front();
        waiting.pop_front();
        taken.push_back(one.number);
        if (one.asked) {
            outcomes.emplace(one.number, errc::ok);
        }
        while (!senders.empty() && waiting.size() < limit) {
            waiting.push_back({senders.front(), false});
            admitted.push_back(senders.front());
            senders.pop_front();
        }
    }
};

RC_GTEST_PROP(mailbox, keeps_its_limit_its_policy_and_its_order, ()) {
    auto cores = *rc::gen::inRange(1U, 3U);
    auto from = cores - 1;
    auto node =
        deterministic{{.world = {.seed = *rc::gen::arbitrary<std::uint64_t>()}, .cores = cores}};
    auto& system = node.system();
    system.runtime().on_event({});  // its actors fail by the thousand
    auto model = mailbox_model{
        .limit = *rc::gen::inRange<std::size_t>(1, 8),
        .policy = *rc::gen::element(mailbox_policy::refuse, mailbox_policy::drop_newest,
                                    mailbox_policy::drop_oldest)};
    auto taken = std::vector<int>{};
    auto admitted = std::vector<int>{};
    auto outcomes = std::map<int, errc>{};
    int allowed = 0;
    auto target = system.spawn_on_with(
        0, {.mailbox_limit = static_cast<std::uint16_t>(model.limit), .policy = model.policy},
        &take_on_order, &taken, &allowed);
    auto steps = *rc::gen::inRange(1, 60);
    for (int number = 0; number < steps; ++number) {
        switch (*rc::gen::inRange(0, 5)) {
            case 0:
                static_cast<void>(system.spawn_on(from, &tell_one, target, number));
                model.put({number, false});
                break;
            case 1:
                static_cast<void>(system.spawn_on(from, &ask_one, target, number, &outcomes));
                model.put({number, true});
                break;
            case 2:
                static_cast<void>(system.spawn_on(from, &send_one, target, number, &admitted));
                model.send(number);
                break;
            default:
                // One at a time; nothing is left to take when the model is empty.
                if (!model.waiting.empty()) {
                    allowed = 1;
                    model.take();
                }
        }
        node.run_for(3ms);
        RC_ASSERT(taken == model.taken);
        RC_ASSERT(admitted == model.admitted);
        RC_ASSERT(outcomes == model.outcomes);
    }
    auto& counters = system.runtime().at(0).counters();
    RC_ASSERT(counters.refused.value() == model.refused);
    RC_ASSERT(counters.dropped.value() == model.dropped);
    // What waits when the actor ends is answered.
    auto left = model.waiting.size() + model.senders.size();
    auto letters = counters.dead_letters.value();
    system.stop(target);
    node.run_for(3ms);
    RC_ASSERT(counters.dead_letters.value() - letters == left);
    for (std::uint32_t id = 0; id < cores; ++id) {
        RC_ASSERT(system.runtime().at(id).live_cells() == 0U);
        RC_ASSERT(system.runtime().at(id).pending().size() == 0U);
        RC_ASSERT(system.runtime().at(id).timers().armed() == 0U);
    }
}

// -- asks -----------------------------------------------------------------------------------------

enum class reaction : std::uint8_t { answer, answer_twice, later, drop, fail, leave, hold, nap };

struct order {
    using reply = int;
    reaction how = reaction::answer;
    int number = 0;
    int ms = 0;
};
using orders = protocol<order>;

task<void> answer_later(reply_to<int> answer, int number, int ms) {
    co_await sleep_for{std::chrono::milliseconds{ms}};
    answer(number);
}

behavior<orders> react(context<orders> self) {
    auto held = std::vector<reply_to<int>>{};
    for (;;) {
        auto message = co_await self.receive();
        auto request = message.get_if<order>();
        if (!request) {
            continue;
        }
        switch (request->how) {
            case reaction::answer:
                request.reply(request->number);
                break;
            case reaction::answer_twice:
                request.reply(request->number);
                request.reply(request->number + 1);
                break;
            case reaction::later:
                self.start(answer_later(request.later(), request->number, request->ms));
                break;
            case reaction::drop:
                break;
            case reaction::fail:
                throw std::runtime_error{"planned"};
            case reaction::leave:
                co_return;
            case reaction::hold:
                held.push_back(request.later());
                break;
            case reaction::nap:
                co_await self.sleep(std::chrono::milliseconds{request->ms});
                request.reply(request->number);
                break;
        }
    }
}

struct outcome {
    int ends = 0;
    int stopped = 0;
    std::string what;
};

struct asker_guard {
    outcome* seen;
    bool over = false;
    explicit asker_guard(outcome* target) : seen{target} {}
    asker_guard(const asker_guard&) = delete;
    asker_guard& operator=(const asker_guard&) = delete;
    ~asker_guard() {
        if (!over) {
            ++seen->stopped;
        }
    }
};

void note_outcome(outcome* seen, asker_guard& guard, const result<int>& answer, int number) {
    ++seen->ends;
    guard.over = true;
    if (answer) {
        seen->what = *answer == number ? "ok" : "another's answer";
    } else {
        seen->what = std::string{name(answer.error().code())};
    }
}

behavior<orders> ask_plainly(context<orders> self, ref<orders> target, order content, int wait_ms,
                             int within_ms, outcome* seen) {
    auto guard = asker_guard{seen};
    co_await self.sleep(std::chrono::milliseconds{wait_ms});
    auto answer = co_await target.ask<order>(std::chrono::milliseconds{within_ms}, content);
    note_outcome(seen, guard, answer, content.number);
}

task<result<int>> one_ask(ref<orders> target, order content, int within_ms) {
    auto answer = co_await target.ask<order>(std::chrono::milliseconds{within_ms}, content);
    co_return answer;
}

// The ask is given up when the shorter of two waits is over.
behavior<orders> ask_impatiently(context<orders> self, ref<orders> target, order content,
                                 int wait_ms, int within_ms, outcome* seen) {
    auto guard = asker_guard{seen};
    co_await self.sleep(std::chrono::milliseconds{wait_ms});
    auto first = co_await with_timeout(std::chrono::milliseconds{within_ms / 2 + 1},
                                       one_ask(target, content, within_ms));
    auto answer = first ? *first : result<int>{errc::timeout};
    note_outcome(seen, guard, answer, content.number);
}

// Asked first, awaited after something else was done: the answer may be there already.
behavior<orders> ask_early(context<orders> self, ref<orders> target, order content, int wait_ms,
                           int within_ms, outcome* seen) {
    auto guard = asker_guard{seen};
    auto asked = target.ask<order>(std::chrono::milliseconds{within_ms}, content);
    co_await self.sleep(std::chrono::milliseconds{wait_ms});
    auto answer = co_await asked;
    note_outcome(seen, guard, answer, content.number);
}

RC_GTEST_PROP(ask, ends_exactly_once_whatever_times_out_dies_or_stops, ()) {
    auto cores = *rc::gen::inRange(1U, 4U);
    auto node =
        deterministic{{.world = {.seed = *rc::gen::arbitrary<std::uint64_t>()}, .cores = cores}};
    auto& system = node.system();
    system.runtime().on_event({});  // its actors fail by the thousand
    auto core_of = [&] { return *rc::gen::inRange(0U, cores); };
    auto targets = std::vector<ref<orders>>{};
    auto target_count = *rc::gen::inRange(1, 4);
    for (int i = 0; i < target_count; ++i) {
        auto options = spawn_options{};
        if (*rc::gen::arbitrary<bool>()) {
            options.supervision = supervision{restart_options{.times = 2, .backoff = 5ms}};
        }
        options.mailbox_limit = *rc::gen::element<std::uint16_t>(1, 3, 1000);
        targets.push_back(system.spawn_on_with(core_of(), options, &react));
    }
    auto outcomes = std::deque<outcome>{};
    auto askers = std::vector<ref<orders>>{};
    auto steps = *rc::gen::inRange(1, 80);
    for (int number = 0; number < steps; ++number) {
        auto target = targets[*rc::gen::inRange<std::size_t>(0, targets.size())];
        auto choice = *rc::gen::inRange(0, 20);
        if (choice == 0) {
            system.stop(target);
        } else if (choice == 1 && !askers.empty()) {
            system.stop(askers[*rc::gen::inRange<std::size_t>(0, askers.size())]);
        } else if (choice == 2) {
            auto home = target.address().core();
            auto how = *rc::gen::arbitrary<bool>();
            system.on_core(home, [&](core& here) {
                how ? park(here, target.address()) : unpark(here, target.address());
            });
        } else if (choice < 6) {
            node.run_for(std::chrono::milliseconds{*rc::gen::inRange(0, 20)});
        } else {
            auto how = static_cast<reaction>(*rc::gen::weightedOneOf<int>(
                {{6, rc::gen::inRange(0, 3)}, {2, rc::gen::inRange(3, 8)}}));
            auto content = order{how, number, *rc::gen::inRange(0, 30)};
            auto body = *rc::gen::element(&ask_plainly, &ask_impatiently, &ask_early);
            outcomes.emplace_back();
            askers.push_back(system.spawn_on(core_of(), body, target, content,
                                             *rc::gen::inRange(0, 10), *rc::gen::inRange(0, 30),
                                             &outcomes.back()));
        }
    }
    node.run_for(1s);
    for (auto& each : outcomes) {
        // An asker that was stopped before its first slice has noted nothing at all.
        RC_ASSERT(each.ends + each.stopped <= 1);
        RC_ASSERT(each.ends == 0 || each.what == "ok" || each.what == "timeout" ||
                  each.what == "overloaded" || each.what == "terminated" ||
                  each.what == "no_reply");
        RC_CLASSIFY(each.what == "ok");
    }
    for (auto& each : askers) {
        RC_ASSERT(system.runtime().at(each.address().core()).find(each.address()) == nullptr);
    }
    for (std::uint32_t id = 0; id < cores; ++id) {
        RC_ASSERT(system.runtime().at(id).pending().size() == 0U);
    }
    for (auto& each : targets) {
        system.stop(each);
    }
    node.run_for(10ms);
    for (std::uint32_t id = 0; id < cores; ++id) {
        RC_ASSERT(system.runtime().at(id).live_cells() == 0U);
        RC_ASSERT(system.runtime().at(id).timers().armed() == 0U);
    }
}

// -- supervision ----------------------------------------------------------------------------------

struct mild : std::runtime_error {
    mild() : std::runtime_error{"mild"} {}
};
struct grave : std::logic_error {
    grave() : std::logic_error{"grave"} {}
};

struct hurt {
    bool grave = false;
};
struct child_news {
    int id = 0;
};
using tree = protocol<hurt, child_news>;

struct plan {
    int id = 0;
    directive on_mild = directive::stop;
    directive on_grave = directive::stop;
    unsigned times = 0;
    int within_ms = 0;
    int backoff_ms = 0;
    std::vector<int> children;
};

struct family {
    std::vector<plan> plans;
    std::map<int, ref<tree>> refs;  // the newest incarnation's
    std::map<int, int> starts;
    std::map<int, int> running;  // frames alive
    std::map<int, std::vector<exit_reason>> exits;
    std::string why;  // what went wrong
    ref<tree> watcher;

    void complain(std::string text) { why = std::move(text); }
    void check_below(int id) {
        for (auto child : plans[static_cast<std::size_t>(id)].children) {
            if (running[child] != 0) {
                complain("a parent ended before its child");
            }
        }
    }
};

struct presence {
    family* all;
    int id;
    presence(family* target, int number) : all{target}, id{number} {
        ++all->starts[id];
        if (++all->running[id] != 1) {
            all->complain("two incarnations at once");
        }
        all->check_below(id);
    }
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
    ~presence() {
        --all->running[id];
        // An exception unwinds the frame before anybody can stop the children.
        if (std::uncaught_exceptions() == 0) {
            all->check_below(id);
        }
        all->watcher.tell(child_news{id});
    }
};

behavior<tree> member(context<tree> self, family* all, int id) {
    auto here = presence{all, id};
    const auto& mine = all->plans[static_cast<std::size_t>(id)];
    for (auto child : mine.children) {
        const auto& theirs = all->plans[static_cast<std::size_t>(child)];
        auto rules = supervision{directive::stop}
                         .on<mild>(theirs.on_mild)
                         .on<grave>(theirs.on_grave)
                         .limit({.times = theirs.times,
                                 .within = std::chrono::milliseconds{theirs.within_ms},
                                 .backoff = std::chrono::milliseconds{theirs.backoff_ms}});
        all->refs[child] = self.spawn_with({.supervision = rules,
                                            .on_exit =
                                                [all, child](exit_reason why) {
                                                    all->exits[child].push_back(why);
                                                    all->check_below(child);
                                                }},
                                           member, all, child);
    }
    for (;;) {
        auto message = co_await self.receive();
        if (auto blow = message.get_if<hurt>()) {
            if (blow->grave) {
                throw grave{};
            }
            throw mild{};
        }
    }
}

// Hears of every frame's end and watches the root; `terminated` must come last, and once.
behavior<tree> watch_root(context<tree> self, family* all, ref<tree>* root, int* told) {
    self.watch(*root);
    for (;;) {
        auto message = co_await self.receive();
        if (message.get_if<terminated>()) {
            ++*told;
        } else if (auto news = message.get_if<child_news>()) {
            if (news->id == 0 && *told != 0) {
                all->complain("terminated overtook what the actor sent");
            }
        }
    }
}

struct member_model {
    bool alive = false;
    bool waiting = false;  // for its restart
    std::int64_t back_at = 0;
    unsigned restarts = 0;
    std::int64_t window = 0;
    int starts = 0;
};

/// What should happen, in milliseconds that are far enough apart for rounding not to matter.
struct family_model {
    const std::vector<plan>& plans;
    std::vector<member_model> state;

    explicit family_model(const std::vector<plan>& given) : plans{given}, state(given.size()) {}

    void begin(int id, std::int64_t now) {
        auto& one = state[static_cast<std::size_t>(id)];
        one.alive = true;
        one.waiting = false;
        ++one.starts;
        for (auto child : plans[static_cast<std::size_t>(id)].children) {
            state[static_cast<std::size_t>(child)].restarts = 0;
            begin(child, now);
        }
    }
    void end_below(int id) {
        for (auto child : plans[static_cast<std::size_t>(id)].children) {
            auto& one = state[static_cast<std::size_t>(child)];
            one.alive = one.waiting = false;
            end_below(child);
        }
    }
    [[nodiscard]] int parent_of(int id) const {
        for (const auto& each : plans) {
            for (auto child : each.children) {
                if (child == id) {
                    return each.id;
                }
            }
        }
        return -1;
    }
    void fail(int id, bool is_grave, std::int64_t now) {
        auto& one = state[static_cast<std::size_t>(id)];
        const auto& rules = plans[static_cast<std::size_t>(id)];
        auto decision = is_grave ? rules.on_grave : rules.on_mild;
        one.alive = false;
        end_below(id);
        if (decision == directive::restart) {
            if (one.restarts == 0 || now - one.window > rules.within_ms) {
                one.window = now;
                one.restarts = 0;
            }
            if (++one.restarts <= rules.times) {
                one.waiting = true;
                auto wait = std::int64_t{rules.backoff_ms} << (one.restarts - 1);
                one.back_at = now + wait;
                if (wait == 0) {
                    begin(id, now);
                }
            }
        } else if (decision == directive::escalate) {
            auto parent = parent_of(id);
            if (parent >= 0 && state[static_cast<std::size_t>(parent)].alive) {
                fail(parent, is_grave, now);
            }
        }
    }
    void hurt(int id, bool is_grave, std::int64_t now) {
        if (state[static_cast<std::size_t>(id)].alive) {
            fail(id, is_grave, now);
        }
    }
    void pass(std::int64_t now) {
        for (std::size_t id = 0; id < state.size(); ++id) {
            if (state[id].waiting && state[id].back_at <= now) {
                begin(static_cast<int>(id), now);
            }
        }
    }
};

RC_GTEST_PROP(supervision, of_a_tree_does_what_a_model_does, ()) {
    auto all = family{};
    auto size = *rc::gen::inRange(1, 9);
    auto decisions = rc::gen::element(directive::stop, directive::restart, directive::escalate);
    for (int id = 0; id < size; ++id) {
        // Nobody stands above the root: what it escalates ends the node, which is another test.
        auto decide = [&] {
            auto made = *decisions;
            return id == 0 && made == directive::escalate ? directive::stop : made;
        };
        all.plans.push_back({.id = id,
                             .on_mild = decide(),
                             .on_grave = decide(),
                             .times = *rc::gen::inRange(0U, 4U),
                             .within_ms = *rc::gen::element(250, 10'000),
                             .backoff_ms = *rc::gen::element(0, 130)});
        if (id > 0) {
            all.plans[*rc::gen::inRange<std::size_t>(0, static_cast<std::size_t>(id))]
                .children.push_back(id);
        }
    }
    auto model = family_model{all.plans};
    auto node = deterministic{{.world = {.seed = *rc::gen::arbitrary<std::uint64_t>()},
                               .cores = *rc::gen::inRange(1U, 3U)}};
    auto& system = node.system();
    system.runtime().on_event({});  // its actors fail by the thousand
    int told = 0;
    auto root = ref<tree>{};
    auto watcher_core = system.cores() - 1;
    all.watcher = system.spawn_on(watcher_core, &watch_root, &all, &root, &told);
    const auto& top = all.plans[0];
    root = system.spawn_on_with(
        0,
        {.supervision = supervision{directive::stop}
                            .on<mild>(top.on_mild)
                            .on<grave>(top.on_grave)
                            .limit({.times = top.times,
                                    .within = std::chrono::milliseconds{top.within_ms},
                                    .backoff = std::chrono::milliseconds{top.backoff_ms}}),
         .on_exit = [&](exit_reason why) { all.exits[0].push_back(why); }},
        &member, &all, 0);
    all.refs[0] = root;
    model.begin(0, 0);
    node.run_for(10ms);
    // Blows fall at multiples of 100 ms, restarts come 30 or 60 ms and more beside them.
    auto blows = *rc::gen::inRange(0, 25);
    for (int blow = 1; blow <= blows; ++blow) {
        auto now = std::int64_t{blow} * 100;
        model.pass(now - 1);
        auto victim = *rc::gen::inRange(0, size);
        bool is_grave = *rc::gen::arbitrary<bool>();
        if (model.state[static_cast<std::size_t>(victim)].alive) {
            system.tell(all.refs[victim], hurt{is_grave});
            model.hurt(victim, is_grave, now);
        }
        node.run_for(100ms);
        model.pass(now + 99);
        for (int id = 0; id < size; ++id) {
            auto& expected = model.state[static_cast<std::size_t>(id)];
            RC_ASSERT(all.starts[id] == expected.starts);
            RC_ASSERT((all.running[id] == 1) == expected.alive);
        }
        RC_ASSERT(all.why == "");
    }
    bool root_ended = !model.state[0].alive && !model.state[0].waiting;
    RC_ASSERT(told == (root_ended ? 1 : 0));
    system.stop(root);
    node.run_for(1s);
    RC_ASSERT(told == 1);
    RC_ASSERT(all.exits[0].size() == 1U);
    RC_ASSERT(all.why == "");
    for (auto& [id, running] : all.running) {
        RC_ASSERT(running == 0);
    }
    RC_ASSERT(system.runtime().at(0).live_cells() == (watcher_core == 0 ? 1U : 0U));
    RC_ASSERT(system.runtime().at(0).timers().armed() == 0U);
}

}  // namespace
}  // namespace cohort
