#include "vocabulary.hpp"

struct other {};

cohort::behavior<shelf> refused(cohort::context<cohort::protocol<other>> self) {
    static_cast<void>(co_await self.receive());
}
