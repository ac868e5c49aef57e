#include "vocabulary.hpp"

cohort::behavior<shelf> refused(cohort::context<shelf> self, const std::string& dangles) {
    auto message = co_await self.receive();
}
