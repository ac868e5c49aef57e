#include <cohort/cohort.hpp>

#include <cstdio>

struct add {
    using reply = int;  // what an ask of it gives back
    int amount;
};
using counter = cohort::protocol<add>;

cohort::behavior<counter> count(cohort::context<counter> self, int sum) {
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<add>()) {
            sum += request->amount;
            request.reply(sum);
        }
    }
}

int main() {
    using namespace std::chrono_literals;
    auto node = cohort::system{};
    auto target = node.spawn(count, 40);
    if (!node.start()) {
        return 1;
    }
    auto sum = node.ask<add>(target, 1s, 2).get();
    std::printf("the sum is %d\n", sum ? *sum : -1);
}
