#pragma once

#include <functional>
#include <memory>
#include <string>

#include <cohort/http/server.hpp>
#include <cohort/runtime/config.hpp>
#include <cohort/runtime/metrics.hpp>

namespace cohort {

struct management_options {
    /// On loopback by default: these routes tell a stranger too much.
    endpoint listen = {"127.0.0.1", 0};
};

/// The node's own door, for people, probes and scrapers:
///
///     GET /health           200 when the node takes requests, else 503
///     GET /health/live      200 as long as the node answers
///     GET /health/startup   200 once every extension has started, else 503
///     GET /config           the effective configuration, with where each value came from
///     GET /metrics          Prometheus text
///
/// Use it before the extensions that it reports on: what is used first stops last, so the node can
/// be watched while it stops.
///
///     auto& admin = system.use(management{{.listen = {"127.0.0.1", 9101}}});
///     admin.show(config);
///     admin.show(metrics);
class management final : public extension {
public:
    explicit management(management_options options = {});

    /// Shows a configuration at `/config`; secrets are masked by it.
    void show(const config& values);
    /// Shows a registry at `/metrics`, with the runtime's own figures added to it.
    ///
    /// Ownership: the registry outlives the system.
    void show(metrics_registry& metrics);

    /// Adds an admin route, before the system starts; see `http_server::route`.
    template <class Handler, class... Args>
    void route(method verb, std::string_view pattern, Handler handler, Args... args) {
        server_.route(verb, pattern, std::move(handler), std::move(args)...);
    }

    [[nodiscard]] std::string_view name() const noexcept override { return server_.name(); }
    [[nodiscard]] result<void> start(system& owner) override;
    [[nodiscard]] task<void> stop() override { return server_.stop(); }

    /// Where it listens, after `start`.
    [[nodiscard]] endpoint local() const { return server_.local(); }
    [[nodiscard]] const http_server& server() const noexcept { return server_; }

private:
    http_server server_;
    metrics_registry* metrics_ = nullptr;
    std::shared_ptr<void> collecting_;
};

/// Adds the three health routes to a server, for clients that reach no admin port.
void add_health_routes(http_server& server, const system& node);

}  // namespace cohort
