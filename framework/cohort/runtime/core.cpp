#include <cohort/runtime/core.hpp>

#include <algorithm>
#include <exception>
#include <new>

#include <sys/mman.h>

#include <cohort/runtime/runtime.hpp>
#include <cohort/world/keyed_random.hpp>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cohort {
namespace {

constexpr std::size_t table_bytes = std::size_t{slots_max} * sizeof(cell);
constexpr duration slice_time_aim = std::chrono::microseconds{100};
constexpr duration poll_interval = std::chrono::microseconds{50};
// 0.07 ms at 3 GHz: the rate is not known, and need not be.
constexpr std::uint64_t cycles_fresh = 200'000;
constexpr duration spin_min = std::chrono::microseconds{1};

void relax() noexcept {
#if defined(__x86_64__)
    _mm_pause();
#endif
}

cell* reserve_table() {
    auto* memory = ::mmap(nullptr, table_bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc{};
    }
    return static_cast<cell*>(memory);
}

}  // namespace

core::core(runtime& owner, std::uint32_t id, std::uint32_t cores)
    : id_{id}, cells_{reserve_table()}, links_(cores), pending_{id}, keeper_{&owner.keeper()},
      owner_{owner}, reactor_{owner.world().make_reactor()}, wheel_{owner.world().now()} {
    turn_time_ = now();
    if (has_cycle_count && !owner.world().simulated()) {
        cycles_fresh_ = cycles_fresh;
    }
    probe_.state = run_state::blocked;
}

core::~core() {
    while (posting_.load(std::memory_order_acquire) != 0) {
        relax();
    }
    close_inbox();
    for (auto& to : links_) {
        while (auto* boxed = to.overflow_head) {
            to.overflow_head = boxed->next;
            boxed->apply(nullptr, boxed);
            ::operator delete(boxed);
        }
        if (to.in == nullptr) {
            continue;
        }
        while (auto* left = to.in->front()) {
            auto size = left->size;
            left->apply(nullptr, left);
            to.in->pop(size);
        }
    }
    // Operations that never came back are destroyed with the reactor, before their cells.
    reactor_.reset();
    ::munmap(cells_, table_bytes);
}

cohort::world& core::world() const noexcept { return owner_.world(); }

time_point core::now() const noexcept { return owner_.world().now(); }

cell& core::acquire_cell() {
    cell* found;
    // First in, first out: a slot rests as long as possible before its number is used again.
    if (free_head_ != nullptr) {
        found = free_head_;
        free_head_ = reinterpret_cast<cell*>(found->main.next);
        if (free_head_ == nullptr) {
            free_tail_ = nullptr;
        }
    } else {
        if (slots_used_ == slots_max) {
            throw std::bad_alloc{};
        }
        found = new (&cells_[slots_used_]) cell;
        found->position = (id_ << 24) | slots_used_;
        found->main.generation = 1;
        ++slots_used_;
    }
    found->main.next = nullptr;
    ++live_;
    counters_.spawned.add();
    return *found;
}

void core::release_cell(cell& dead) noexcept {
    COHORT_ASSERT(dead.head == nullptr && dead.count == 0,
                  "R-7: a released actor's mailbox is empty");
    COHORT_ASSERT(dead.root == nullptr && dead.cold == nullptr,
                  "R-7: a released actor owns nothing");
    auto generation = dead.main.generation + 1;
    auto position = dead.position;
    dead = cell{};
    dead.position = position;
    dead.main.generation = generation;
    --live_;
    counters_.stopped.add();
    if (generation == 0) {
        // Wrapped: the slot is retired, old handles must never match again. A null handle finds
        // slot 0 then, and an actor that ends.
        dead.main.flags = fiber::stopping;
        return;
    }
    if (free_tail_ != nullptr) {
        free_tail_->main.next = &dead.main;
    } else {
        free_head_ = &dead;
    }
    free_tail_ = &dead;
}

void core::dead_letter(message* node, errc why) noexcept {
    if (node->type->request) {
        fail_reply(static_cast<request_message*>(node)->header.reply,
                   error{why}.with(executed::no));
    }
    counters_.dead_letters.add();
    destroy_message(*node);
}

void core::fail_reply(handle pending, error why) noexcept {
    if (!pending) {
        return;
    }
    if (pending.core() == id_) {
        if (auto* answer = pending_.find(pending)) {
            answer->fail(*answer, std::move(why));
        } else {
            counters_.late_replies.add();
        }
        return;
    }
    bool elsewhere = pending.core() == core_elsewhere;
    auto home_id = elsewhere ? reply_token::core(pending) : pending.core();
    if (elsewhere && home_id == id_) {
        remote().fail_reply(pending, why);
        return;
    }
    post(home_id, [pending, why = std::move(why)](core& home) mutable {
        home.fail_reply(pending, std::move(why));
    });
}

errc core::unanswered() const noexcept {
    return ending_ || std::uncaught_exceptions() > 0 ? errc::terminated : errc::no_reply;
}

void core::unqueue(fiber& line) noexcept {
    fiber* before = nullptr;
    for (auto* each = run_head_; each != nullptr; before = each, each = each->next) {
        if (each == &line) {
            (before != nullptr ? before->next : run_head_) = line.next;
            if (run_tail_ == &line) {
                run_tail_ = before;
            }
            return;
        }
    }
    COHORT_ASSERT(false, "R-1: a ready fiber is in the run queue");
}

bool core::come_to_rest(fiber& line) noexcept {
    if (line.state == run_state::running) {
        return false;
    }
    bool asked = (line.flags & fiber::cancelled) != 0;
    line.flags |= fiber::cancelled;
    if (line.state == run_state::io && !asked && line.io->cancel != nullptr) {
        line.io->cancel(*line.io);
    }
    return line.state != run_state::io && line.state != run_state::ready;
}

void core::cancel(task_fiber& line) noexcept {
    COHORT_ASSERT(line.state != run_state::running, "R-5: a task is cancelled from outside");
    if ((line.flags & fiber::cancelled) != 0 || !come_to_rest(line)) {
        return;
    }
    if (line.waited_for != nullptr) {
        // Its frame holds tasks that may be queued or inside an operation: they end first, and then
        // it becomes ready.
        line.cancel_below(line.waited_for);
    } else {
        line.settled(line);
    }
}

// -- other cores
// ------------------------------------------------------------------------------------

void core::publish(link& to) noexcept {
    to.unpublished = 0;
    to.out->publish();
    to.peer->wake_if_sleeping();
}

void core::wake_if_sleeping() noexcept {
    if (sleeping_.load(std::memory_order_seq_cst) &&
        sleeping_.exchange(false, std::memory_order_seq_cst)) {
        reactor_->wake();
    }
}

void core::overflow(link& to, ring_record* record) noexcept {
    counters_.ring_overflow.add();
    record->next = nullptr;
    (to.overflow_head != nullptr ? to.overflow_tail->next : to.overflow_head) = record;
    to.overflow_tail = record;
    to.overflow_bytes += record->size;
}

namespace {

// Stands in the ring for a record that lies elsewhere.
struct boxed_record {
    ring_record* boxed;

    explicit boxed_record(ring_record* record) noexcept : boxed{record} {}
    boxed_record(boxed_record&& other) noexcept : boxed{std::exchange(other.boxed, nullptr)} {}
    boxed_record& operator=(boxed_record&&) = delete;
    ~boxed_record() {
        if (boxed != nullptr) {
            boxed->apply(nullptr, boxed);
            ::operator delete(boxed);
        }
    }
    void operator()(core& here) {
        auto* record = std::exchange(boxed, nullptr);
        record->apply(&here, record);
        ::operator delete(record);
    }
};

}  // namespace

void core::move_overflow(link& to) noexcept {
    using record_type = ring_action<boxed_record>;
    constexpr auto size = static_cast<std::uint32_t>((sizeof(record_type) + 15) & ~15UL);
    while (to.overflow_head != nullptr) {
        auto* memory = to.out->reserve(size);
        if (memory == nullptr) {
            return;
        }
        auto* boxed = to.overflow_head;
        to.overflow_head = boxed->next;
        to.overflow_bytes -= boxed->size;
        auto* record = new (memory) record_type(boxed_record{boxed});
        record->size = size;
        record->apply = &record_type::run;
        to.out->commit(size);
        ++to.unpublished;
    }
}

void core::flush() noexcept {
    for (auto& to : links_) {
        if (to.overflow_head != nullptr) {
            move_overflow(to);
        }
        if (to.unpublished != 0) {
            publish(to);
        }
    }
}

void core::apply(ring_record* record) noexcept {
    auto boxed = record->boxed;
    record->apply(this, record);
    if (boxed) {
        ::operator delete(record);
    }
}

bool core::drain_rings() noexcept {
    constexpr int records_max = 1024;
    bool any = false;
    for (auto& from : links_) {
        if (from.in == nullptr) {
            continue;
        }
        int taken = 0;
        while (auto* record = from.in->front()) {
            auto size = record->size;
            record->apply(this, record);
            from.in->pop(size);
            if (++taken == records_max) {
                break;
            }
            if (taken % 128 == 0) {
                from.in->release();  // the sender goes on meanwhile
            }
        }
        if (taken != 0) {
            from.in->release();
            any = true;
        }
    }
    return any;
}

namespace {

// The inbox's head once its core has ended.
constinit ring_record closed_inbox;

void drop(ring_record* record) noexcept {
    auto boxed = record->boxed;
    record->apply(nullptr, record);
    if (boxed) {
        ::operator delete(record);
    }
}

}  // namespace

void core::close_inbox() noexcept {
    auto* record = inbox_.exchange(&closed_inbox, std::memory_order_acq_rel);
    while (record != nullptr && record != &closed_inbox) {
        drop(std::exchange(record, record->next));
    }
}

void core::post_external(ring_record* record) noexcept {
    // The record may be applied, and the whole node taken down, before this call has returned: the
    // core's destructor waits for the callers that are still in here.
    posting_.fetch_add(1, std::memory_order_acquire);
    push_external(record);
    posting_.fetch_sub(1, std::memory_order_release);
}

void core::push_external(ring_record* record) noexcept {
    auto* first = inbox_.load(std::memory_order_relaxed);
    do {
        if (first == &closed_inbox) {
            drop(record);
            return;
        }
        record->next = first;
    } while (!inbox_.compare_exchange_weak(first, record, std::memory_order_seq_cst));
    wake_if_sleeping();
}

bool core::drain_inbox() noexcept {
    if (inbox_.load(std::memory_order_relaxed) == nullptr) {
        return false;
    }
    // The inbox is a stack; turning it round gives the order of posting.
    ring_record* ordered = nullptr;
    for (auto* record = inbox_.exchange(nullptr, std::memory_order_acquire); record != nullptr;) {
        auto* next = std::exchange(record->next, ordered);
        ordered = record;
        record = next;
    }
    while (ordered != nullptr) {
        auto* next = ordered->next;
        apply(ordered);
        ordered = next;
    }
    return true;
}

// -- the loop
// -----------------------------------------------------------------------------------------

void core::run_slice(fiber& line) noexcept {
    auto& actor = owner_of(line);
    COHORT_ASSERT(line.state == run_state::ready, "R-1: what is in the run queue is ready");
    COHORT_ASSERT(current_ == nullptr, "R-3: a core runs one fiber at a time");
    if (COHORT_LIKELY((line.flags & (fiber::cancelled | fiber::stopping)) == 0)) {
        if (!COHORT_LIKELY((actor.main.flags & fiber::gated) == 0) && !gate_->open(*this)) {
            gate_->held_back(*this, line);
            return;
        }
        current_ = &line;
        line.state = run_state::running;
        budget_ = std::min(std::max(static_cast<int>(actor.count), 64), turn_messages_);
        std::coroutine_handle<>::from_address(line.resume).resume();
        current_ = nullptr;
        if (!COHORT_LIKELY(!slow_.load(std::memory_order_relaxed))) {
            report_slow(line);
        }
        COHORT_ASSERT(line.state != run_state::running,
                      "R-1: a fiber that returned says what it waits for");
        if (COHORT_LIKELY(line.state != run_state::finished &&
                          (line.flags & (fiber::cancelled | fiber::stopping)) == 0)) {
            return;
        }
    } else {
        line.state = run_state::blocked;
    }
    keeper_->settle(*this, line);
}

void core::run_urgent() noexcept {
    // A command may add more.
    for (std::size_t i = 0; i < urgent_.size(); ++i) {
        auto command = urgent_[i];
        command.function(*this, command.address);
    }
    urgent_.clear();
}

bool core::run_queue() noexcept {
    if (run_head_ == nullptr && urgent_.empty()) {
        return false;
    }
    int left = turn_messages_;
    running_.store(true, std::memory_order_relaxed);
    for (int slices = 1; slices <= slices_per_turn * 16 && left > 0; ++slices) {
        if (!COHORT_LIKELY(urgent_.empty())) {
            run_urgent();
        }
        auto* line = run_head_;
        if (line == nullptr) {
            break;
        }
        run_head_ = line->next;
        if (run_head_ == nullptr) {
            run_tail_ = nullptr;
        }
        if (!COHORT_LIKELY(line != &probe_)) {
            probe_.state = run_state::blocked;
            counters_.queue_delay.add(now() - probe_sent_);
            continue;
        }
        auto given = counters_.messages.value();
        run_slice(*line);
        left -= std::max(1, static_cast<int>(counters_.messages.value() - given));
        if (slices % 16 == 0) {
            flush();
        }
    }
    running_.store(false, std::memory_order_relaxed);
    slice_count_.store(slice_count_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (!urgent_.empty()) {
        run_urgent();
    }
    ran_ = turn_messages_ - left;
    messages_unpolled_ += ran_;
    return true;
}

// Adapts how much one turn may run, so that it lasts about 100 us whatever a message costs. Called
// when the next turn begins: its reading of the clock serves both. Where the clock was not read at
// the turn's begin, the spinning before it, a few microseconds, is in `spent` and matters unless
// the turn was long.
void core::measure(duration spent, int messages, bool with_spin) noexcept {
    if ((messages >= 16 && !with_spin) || spent > slice_time_aim) {
        auto each = static_cast<double>(spent.count()) / std::max(1, messages);
        ns_per_message_ += (each - ns_per_message_) * 0.125;
        auto fits = static_cast<double>(slice_time_aim.count()) / std::max(1.0, ns_per_message_);
        turn_messages_ = static_cast<int>(std::clamp(fits, 64.0, double{messages_per_turn}));
    }
}

// A reading of the clock costs as much as three messages. A core whose spinning has just found work
// uses the old one for one turn more.
void core::read_clock() noexcept {
    if (std::exchange(found_by_spinning_, false)) {
        clock_reused_ = true;
        return;
    }
    turn_cycles_ = cycle_count();
    auto before = std::exchange(turn_time_, now());
    bool reused = std::exchange(clock_reused_, false);
    if (ran_ != 0) {
        measure(turn_time_ - before, std::exchange(ran_, 0), reused);
    }
}

void core::report_slow(fiber& line) noexcept {
    slow_.store(false, std::memory_order_relaxed);
    counters_.slow_slices.add();
    owner_.report({"slow slice", keeper_->describe(*this, line),
                   "held its core longer than the watchdog's limit"});
}

void core::probe_queue() noexcept {
    if (probe_.state == run_state::blocked && run_head_ != nullptr &&
        turn_time_ - probe_sent_ >= std::chrono::milliseconds{1}) {
        probe_sent_ = turn_time_;
        probe_.state = run_state::ready;
        enqueue(probe_);
    }
}

// An empty poll costs as much as ten messages: while there is other work it waits for its turn, by
// messages and by time. A core that may spin looks at its rings first, because an answer of another
// core comes faster than a poll.
bool core::poll_due() const noexcept {
    if (run_head_ == nullptr && spin_time_ < spin_min) {
        return true;
    }
    return messages_unpolled_ >= messages_per_turn || turn_time_ - polled_at_ >= poll_interval;
}

bool core::turn() {
    read_clock();
    counters_.turns.add();
    bool worked = drain_rings();
    worked |= drain_inbox();
    wheel_.advance(turn_time_);
    if (poll_due()) {
        polled_at_ = turn_time_;
        messages_unpolled_ = 0;
        worked |= reactor_->poll() != 0;
    }
    probe_queue();
    worked |= run_queue();
    flush();
    return worked || run_head_ != nullptr || !urgent_.empty();
}

bool core::incoming() noexcept {
    if (inbox_.load(std::memory_order_seq_cst) != nullptr) {
        return true;
    }
    return std::any_of(links_.begin(), links_.end(),
                       [](const link& from) { return from.in != nullptr && !from.in->empty(); });
}

bool core::has_work() noexcept {
    if (run_head_ != nullptr || !urgent_.empty() || incoming()) {
        return true;
    }
    return std::any_of(links_.begin(), links_.end(), [](const link& to) {
        return to.overflow_head != nullptr || to.unpublished != 0;
    });
}

// Spinning pays when another core is about to answer: it turns a wake-up of 30 us into 0.1. The
// time it is given halves whenever it was fruitless, so an idle process does not spin.
bool core::spin() noexcept {
    if (spin_time_ < spin_min) {
        return false;
    }
    auto started = time_point{};
    for (;;) {
        for (int i = 0; i < 64; ++i) {
            if (incoming()) {
                spin_time_ = owner_.options().spin_max;
                found_by_spinning_ = started == time_point{};
                return true;
            }
            relax();
        }
        auto read = now();
        if (started == time_point{}) {
            started = read;
        }
        if (read - started >= spin_time_) {
            spin_time_ = spin_time_ / 2;
            return false;
        }
        if (reactor_->poll() != 0) {
            return true;
        }
    }
}

void core::idle() {
    flush();
    if (spin()) {
        return;
    }
    ran_ = 0;  // what follows is no part of a turn
    sleeping_.store(true, std::memory_order_seq_cst);
    if (has_work()) {
        sleeping_.store(false, std::memory_order_seq_cst);
        return;
    }
    counters_.sleeps.add();
    reactor_->wait(wheel_.next_deadline());
    sleeping_.store(false, std::memory_order_seq_cst);
    if (incoming() && links_.size() > 1) {
        // Another core has something to say: probably not for the last time.
        spin_time_ = std::min(owner_.options().spin_max,
                              std::max(spin_time_ * 2, duration{std::chrono::microseconds{8}}));
    }
}

void core::vary(std::uint64_t draw) noexcept {
    auto keyed = keyed_random{draw};
    std::uint64_t n = 0;
    // Cards are dealt: each to the front or to the back of what lies there already.
    auto* line = std::exchange(run_head_, nullptr);
    run_tail_ = nullptr;
    while (line != nullptr) {
        auto* next = line->next;
        if (keyed.draw(0, 0, n++) % 2 == 0 || run_head_ == nullptr) {
            enqueue(*line);
        } else {
            line->next = run_head_;
            run_head_ = line;
        }
        line = next;
    }
    auto shape = keyed.draw(1, 0, 0);
    turn_messages_ = shape % 4 == 0 ? messages_per_turn : 1 + static_cast<int>((shape >> 8) % 63);
}

void core::begin_stop() noexcept {
    stopping_ = true;
    abandon_at_ = now() + owner_.options().stop_grace;
    keeper_->stop_all(*this);
}

core::progress core::step() {
    bool worked = turn();
    if (COHORT_LIKELY(!owner_.stopping_.load(std::memory_order_relaxed))) {
        return worked ? progress::worked : progress::idle;
    }
    if (!stopping_) {
        begin_stop();
        return progress::worked;
    }
    if (!drained_ && live_ == 0) {
        drained_ = true;
        owner_.core_drained();
    } else if (!drained_ && turn_time_ >= abandon_at_) {
        keeper_->abandon_all(*this);
    }
    if (owner_.drained()) {
        return progress::ended;
    }
    return worked ? progress::worked : progress::idle;
}

void core::run() {
    current_core = this;
    for (;;) {
        auto made = step();
        if (made == progress::ended) {
            break;
        }
        if (made == progress::idle) {
            if (COHORT_LIKELY(!stopping_)) {
                idle();
            } else {
                // Other cores may end without a word to this one.
                flush();
                reactor_->wait(turn_time_ + std::chrono::milliseconds{1});
            }
        }
    }
    close_inbox();
    current_core = nullptr;
}

}  // namespace cohort
