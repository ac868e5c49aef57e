#include "vocabulary.hpp"

cohort::behavior<shelf> refused(cohort::context<shelf> self) {
    auto message = co_await self.receive();
    if (auto request = message.get_if<drop>()) {
        request.reply(1);
    }
}
