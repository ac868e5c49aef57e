#include "vocabulary.hpp"

struct object {
    cohort::behavior<shelf> refused(cohort::context<shelf> self) {
        auto message = co_await self.receive();
    }
};
