// Coroutine idioms that compilers are known to miscompile, and the shapes that are safe everywhere.
// Each probe runs in its own process, because a bad compiler crashes. Needs nothing but the
// standard library, so it can be tried with any compiler: g++ -std=c++20 coroutine_probes.cpp &&
// ./a.out

#include <coroutine>
#include <cstdio>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

// Notices when it is destroyed twice, or copied by a compiler that forgot to call its constructor.
class tracked {
public:
    tracked() { ++alive; }
    tracked(const tracked&) { ++alive; }
    tracked(tracked&&) noexcept { ++alive; }
    tracked& operator=(const tracked&) = default;
    tracked& operator=(tracked&&) = default;
    ~tracked() {
        wrong += self_ == this ? 0 : 1;
        self_ = nullptr;
        --alive;
    }

    static inline int alive = 0;
    static inline int wrong = 0;

private:
    // Volatile: the write in the destructor must not be dropped as dead.
    tracked* volatile self_ = this;
};

// A lazy task: starts when awaited, resumes its awaiter by symmetric transfer.
template <class T>
class [[nodiscard]] task {
public:
    struct promise_type {
        std::coroutine_handle<> awaiter = std::noop_coroutine();
        std::optional<T> value;

        task get_return_object() { return task{handle::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct resume_awaiter {
                bool await_ready() noexcept { return false; }
                std::coroutine_handle<> await_suspend(handle done) noexcept {
                    return done.promise().awaiter;
                }
                void await_resume() noexcept {}
            };
            return resume_awaiter{};
        }
        void return_value(T result) { value.emplace(std::move(result)); }
        [[noreturn]] void unhandled_exception() { std::terminate(); }
    };
    using handle = std::coroutine_handle<promise_type>;

    explicit task(handle frame) : frame_{frame} {}
    task(task&& other) noexcept : frame_{std::exchange(other.frame_, nullptr)} {}
    task& operator=(task&&) = delete;
    ~task() {
        if (frame_) {
            frame_.destroy();
        }
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
        frame_.promise().awaiter = awaiter;
        return frame_;
    }
    T await_resume() { return std::move(*frame_.promise().value); }

    // Runs to the end on this thread; a probe waits for nothing outside.
    T run() {
        frame_.resume();
        return std::move(*frame_.promise().value);
    }

private:
    handle frame_;
};

struct message {
    tracked content;
    int number = 0;
};
struct derived_message : message {
    tracked more;
};
struct constructed {
    explicit constructed(int value) : number{value} {}
    tracked content;
    int number;
};
struct wrapped {
    wrapped(message value) : inner{std::move(value)} {}
    message inner;
};

task<bool> yes() { co_return true; }
task<int> one() { co_return 1; }
task<message> a_message() { co_return message{{}, 1}; }
task<int> by_value(message value) { co_return value.number; }
task<int> by_const_reference(const message& value) { co_return value.number; }
task<int> by_rvalue(message&& value) { co_return value.number; }
task<int> by_optional(std::optional<message> value) { co_return value->number; }
task<int> by_wrapper(wrapped value) { co_return value.inner.number; }
task<int> by_derived(derived_message value) { co_return value.number; }
task<int> by_constructed(constructed value) { co_return value.number; }
task<int> by_pointer(std::unique_ptr<int> value) { co_return *value; }
task<int> by_function(std::function<int()> value) { co_return value(); }
task<int> by_list(std::vector<tracked> value) { co_return static_cast<int>(value.size()); }
template <class F>
task<int> by_callable(F value) {
    co_return value();
}
template <class M, class... Args>
task<int> emplace(Args... args) {
    auto value = M{std::move(args)...};
    co_return value.number;
}

bool reached = false;

task<int> a1_if() {
    if (co_await yes()) {
        reached = true;
        co_return 1;
    }
    co_return 0;
}
task<int> a1_switch() {
    switch (co_await one()) {
        case 1:
            reached = true;
            co_return 1;
        default:
            co_return 0;
    }
}
task<int> a1_while() {
    while (co_await yes()) {
        reached = true;
        co_return 1;
    }
    co_return 0;
}
struct object {
    task<int> member() {
        if (co_await yes()) {
            reached = true;
            co_return 1;
        }
        co_return 0;
    }
};
task<int> a1_member() {
    static object target;
    return target.member();
}
template <class T>
task<int> a1_template_of() {
    if (co_await yes()) {
        reached = true;
        co_return T{1};
    }
    co_return 0;
}
task<int> a1_template() { return a1_template_of<int>(); }
task<int> a2_loop() {
    for (;;) {
        if (co_await yes()) {
            reached = true;
            co_return 1;
        }
    }
}
task<int> a2_try() {
    try {
        if (co_await yes()) {
            reached = true;
            co_return 1;
        }
    } catch (int) {
        co_return 2;
    }
    co_return 0;
}
task<int> a2_after_statement() {
    co_await one();
    if (co_await yes()) {
        reached = true;
        co_return 1;
    }
    co_return 0;
}
task<int> a3_local() {
    auto value = co_await yes();
    if (value) {
        reached = true;
        co_return 1;
    }
    co_return 0;
}
task<int> b1_value() { co_return co_await by_value(message{{}, 1}); }
task<int> b1_const_reference() { co_return co_await by_const_reference(message{{}, 1}); }
task<int> b1_rvalue() { co_return co_await by_rvalue({.content = {}, .number = 1}); }
task<int> b2_conversion() { co_return co_await by_wrapper(message{{}, 1}); }
task<int> b2_optional() { co_return co_await by_optional(message{{}, 1}); }
task<int> b2_base() { co_return co_await by_derived(derived_message{{{}, 1}, {}}); }
task<int> b3_lambda() {
    auto content = tracked{};
    co_return co_await by_callable([content] { return 1; });
}
task<int> b3_function() {
    auto content = std::make_shared<tracked>();
    auto number = co_await by_function([content] { return 1; });
    co_return content.use_count() == 1 ? number : -1;
}
task<int> b3_coroutine() {
    auto content = tracked{};
    co_return co_await [content]() -> task<int> { co_return 1; }();
}
task<int> c1_conditional() {
    auto condition = co_await yes();
    message value = condition ? co_await a_message() : message{};
    co_return value.number;
}
task<int> d1_list() {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
    co_return 0;  // a compile error there: "array used as initializer"
#else
    auto size = co_await by_list({tracked{}, tracked{}});
    co_return size == 2 ? 1 : 0;
#endif
}
task<int> e1_synchronous_children() {
    auto sum = 0;
    for (auto left = 1'000'000; left != 0; --left) {
        auto value = co_await one();
        sum += value;
    }
    co_return sum == 1'000'000 ? 1 : 0;
}
task<int> ok_constructor() { co_return co_await by_constructed(constructed{1}); }
task<int> ok_named() {
    auto value = message{{}, 1};
    co_return co_await by_value(std::move(value));
}
task<int> ok_emplace() { co_return co_await emplace<message>(tracked{}, 1); }
task<int> ok_binding() {
    auto [content, number] = co_await a_message();
    co_return number;
}
task<std::vector<message>> messages() { co_return std::vector<message>(3, message{{}, 1}); }
task<int> ok_range() {
    auto count = 0;
    auto all = co_await messages();
    for (const auto& each : all) {
        count += each.number;
    }
    co_return count == 3 ? 1 : 0;
}
task<int> ok_move_only() { co_return co_await by_pointer(std::make_unique<int>(1)); }
task<int> ok_awaited_later() {
    auto operation = by_value(message{{}, 1});
    co_return co_await std::move(operation);
}

struct probe {
    const char* name;
    task<int> (*run)();
    bool sets_reached = false;
};

constexpr probe probes[] = {
    {"A1 if without a local", a1_if, true},
    {"A1 switch without a local", a1_switch, true},
    {"A1 while without a local", a1_while, true},
    {"A1 if in a member function", a1_member, true},
    {"A1 if in a template", a1_template, true},
    {"A2 if in a loop without a local", a2_loop, true},
    {"A2 if in a try block", a2_try, true},
    {"A2 if after an awaited statement", a2_after_statement, true},
    {"A3 if over a named result", a3_local, true},
    {"B1 aggregate by value", b1_value},
    {"B1 aggregate by const reference", b1_const_reference},
    {"B1 aggregate by rvalue, designated", b1_rvalue},
    {"B2 aggregate that is converted", b2_conversion},
    {"B2 aggregate into an optional", b2_optional},
    {"B2 aggregate with a base", b2_base},
    {"B3 capturing lambda", b3_lambda},
    {"B3 capturing lambda as std::function", b3_function},
    {"B3 capturing lambda that is a coroutine", b3_coroutine},
    {"C1 conditional operator over co_await", c1_conditional},
    {"D1 initializer list", d1_list},
    {"E1 1,000,000 synchronous child awaits", e1_synchronous_children},
    {"ok temporary with a constructor", ok_constructor},
    {"ok named object, moved", ok_named},
    {"ok emplace form", ok_emplace},
    {"ok structured binding", ok_binding},
    {"ok range over a named result", ok_range},
    {"ok move-only parameter", ok_move_only},
    {"ok operation made first, awaited later", ok_awaited_later},
};

enum verdict : int { safe, wrong_value, wrong_lifetime };

int judge(const probe& what) {
    auto value = what.run().run();
    if (value != 1 || reached != what.sets_reached) {
        return wrong_value;
    }
    return tracked::alive == 0 && tracked::wrong == 0 ? safe : wrong_lifetime;
}

const char* describe(int status) {
    if (WIFSIGNALED(status)) {
        return "UNSAFE (it crashes)";
    }
    switch (WEXITSTATUS(status)) {
        case safe:
            return "ok";
        case wrong_value:
            return "UNSAFE (it computes something else)";
        default:
            return "UNSAFE (an object is destroyed twice or never)";
    }
}

}  // namespace

int main() {
    auto unsafe = 0;
    for (const auto& each : probes) {
        std::fflush(stdout);
        auto child = ::fork();
        if (child == 0) {
            ::alarm(30);
            ::_exit(judge(each));
        }
        auto status = 0;
        if (child < 0 || ::waitpid(child, &status, 0) != child) {
            std::perror("a probe could not run");
            return 2;
        }
        std::printf("%-42s %s\n", each.name, describe(status));
        unsafe += status == 0 ? 0 : 1;
    }
    std::printf("%d idioms are unsafe with this compiler\n", unsafe);
    return unsafe == 0 ? 0 : 1;
}
