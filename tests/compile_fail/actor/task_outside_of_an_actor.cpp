#include "vocabulary.hpp"

struct fire_and_forget {
    struct promise_type {
        fire_and_forget get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
};

cohort::task<int> work() { co_return 1; }
fire_and_forget refused() { co_await work(); }
