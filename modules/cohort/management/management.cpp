#include <cohort/management/management.hpp>

#include <utility>

#include <cohort/http/metrics.hpp>
#include <cohort/runtime/observe.hpp>

namespace cohort {
namespace {

constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";

response said(bool holds, std::string_view yes, std::string_view no) {
    return holds ? ok(std::string{yes} + "\n") : problem(503, no);
}

}  // namespace

void add_health_routes(http_server& server, const system& node) {
    server.route(GET, "/health",
                 [&node](request) { return said(node.ready(), "ready", "not ready"); });
    server.route(GET, "/health/live", [](request) { return said(true, "live", ""); });
    server.route(GET, "/health/startup",
                 [&node](request) { return said(node.started(), "started", "still starting"); });
}

management::management(management_options options)
    : server_{{.name = "admin", .listen = std::move(options.listen), .connections_max = 100}} {}

void management::show(const config& values) {
    server_.route(GET, "/config", [text = bytes::adopt(values.print())](request) {
        return ok(text, "text/plain; charset=utf-8");
    });
}

void management::show(metrics_registry& metrics) {
    metrics_ = &metrics;
    server_.route(GET, "/metrics",
                  [&metrics](request) { return ok(metrics.scrape(), metrics_type); });
}

result<void> management::start(system& owner) {
    add_health_routes(server_, owner);
    if (metrics_ != nullptr) {
        // The extension lives as long as the system, and so do the runtime and the server.
        collecting_ = metrics_->collect([this, &node = owner.runtime()](metrics_writer& out) {
            write_runtime_metrics(out, node);
            write_http_metrics(out, server_);
        });
    }
    return server_.start(owner);
}

}  // namespace cohort
