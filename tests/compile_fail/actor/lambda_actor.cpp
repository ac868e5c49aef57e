#include "vocabulary.hpp"

void refused() {
    auto actor = [](cohort::context<shelf> self) -> cohort::behavior<shelf> {
        auto message = co_await self.receive();
    };
    static_cast<void>(actor);
}
