#include <cohort/http/metrics.hpp>

#include <string>

namespace cohort {

void write_http_metrics(metrics_writer& out, const http_server& server) {
    auto numbers = server.numbers();
    auto labels = metric_labels{{"server", std::string{server.name()}}};
    auto count = [&](std::string_view name, std::string_view help, std::uint64_t value) {
        out.counter(name, help, labels, value);
    };
    out.gauge("cohort_http_connections_open", "Connections that are open.", labels,
              numbers.connections_open);
    count("cohort_http_connections_total", "Connections accepted.", numbers.connections_accepted);
    count("cohort_http_connections_refused_total", "Connections over the limit.",
          numbers.connections_refused);
    count("cohort_http_requests_total", "Requests read.", numbers.requests);
    count("cohort_http_broken_requests_total", "Bytes that were no request.",
          numbers.broken_requests);
    count("cohort_http_timeouts_total", "Requests that took too long.", numbers.timeouts);
    count("cohort_http_handler_failures_total", "Requests whose handler threw.",
          numbers.handler_failures);
    for (std::size_t kind = 0; kind < std::size(numbers.answers); ++kind) {
        auto by_status = labels;
        by_status.emplace_back("status", std::to_string(kind + 1) + "xx");
        out.counter("cohort_http_answers_total", "Answers, by the status's class.", by_status,
                    numbers.answers[kind]);
    }
}

}  // namespace cohort
