#include <cohort/remoting/detail/resolver.hpp>

#include <memory>

namespace cohort::detail {

behavior<resolver_protocol> resolve_names(context<resolver_protocol> self) {
    auto line = std::unique_ptr<worker>{};  // most nodes never need it
    auto& world = self.core().world();
    for (;;) {
        auto message = co_await self.receive();
        auto wanted = message.get_if<look_up>();
        // A resolver that is slow may have kept others waiting for too long.
        if (!wanted || wanted.deadline().at <= self.now()) {
            continue;
        }
        if (line == nullptr) {
            line = world.start_worker("names");
        }
        wanted.reply(
            co_await run_on(*line, [&world, host = wanted->host] { return world.resolve(host); }));
    }
}

bool is_address(const std::string& host) noexcept {
    return host.find(':') != std::string::npos ||
           host.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace cohort::detail
