#include "vocabulary.hpp"

cohort::behavior<shelf> owner(cohort::context<shelf> self, std::unique_ptr<int> only_one) {
    auto message = co_await self.receive();
}

void refused(cohort::context<shelf> self) {
    static_cast<void>(self.spawn_with({.restart_for_mail = true}, owner, std::make_unique<int>(1)));
}
