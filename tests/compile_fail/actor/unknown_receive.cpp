#include "vocabulary.hpp"

cohort::behavior<shelf> refused(cohort::context<shelf> self) {
    auto message = co_await self.receive();
    static_cast<void>(message.get_if<stranger>());
}
