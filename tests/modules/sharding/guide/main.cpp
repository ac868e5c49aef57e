#include <cohort/cohort.hpp>
#include <cohort/sharding/lone_ownership.hpp>
#include <cohort/sharding/sharding.hpp>

#include <cstdio>

struct shown_balance {
    std::int64_t cents = 0;
};
struct deposit {
    using reply = cohort::result<std::int64_t>;
    std::int64_t cents = 0;
};
struct balance {
    using reply = cohort::result<std::int64_t>;
    static constexpr bool idempotent = true;  // may be sent again when its owner was lost
    using shown = shown_balance;
    reply answer(const shown_balance& value) const { return value.cents; }
};
using account = cohort::protocol<deposit, balance>;

cohort::behavior<account> keep_account(cohort::entity_context<account> self) {
    std::int64_t cents = 0;
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<deposit>()) {
            cents += request->cents;
            self.publish(shown_balance{cents});
            request.reply(cents);
        } else if (auto question = message.get_if<balance>()) {
            question.reply(cents);  // only before the first deposit: then what is shown answers
        }
    }
}

struct visit {
    using reply = std::int64_t;
};
using customer = cohort::protocol<visit>;

cohort::behavior<customer> pay_in(cohort::context<customer> self,
                                  cohort::sharded<account> accounts) {
    using namespace std::chrono_literals;
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<visit>()) {
            auto paid = co_await accounts["anna"].ask<deposit>(1s, 500);
            auto now = co_await accounts["anna"].ask<balance>(1s);
            request.reply(paid && now ? *now : -1);
        }
    }
}

int main() {
    using namespace std::chrono_literals;
    auto node = cohort::system{};
    auto& owners = node.use(cohort::lone_ownership{});
    auto& shards = node.use(cohort::sharding{owners});
    auto accounts = shards.space<account>("accounts", keep_account, {});
    auto anna = node.spawn(pay_in, accounts);
    if (!node.start()) {
        return 1;
    }
    auto cents = node.ask<visit>(anna, 5s).get();
    std::printf("anna has %lld cents\n", static_cast<long long>(cents ? *cents : -1));
}
