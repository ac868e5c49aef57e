#include "vocabulary.hpp"

cohort::behavior<shelf> count(cohort::context<shelf> self, int start) {
    auto message = co_await self.receive();
}

void refused(cohort::context<shelf> self) { static_cast<void>(self.spawn(count, "seven")); }
