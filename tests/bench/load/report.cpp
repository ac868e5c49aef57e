#include "report.hpp"

#include <cstdio>
#include <string>

namespace cohort::bench {

namespace {

using wide = unsigned long long;

double us(double nanoseconds) { return nanoseconds / 1000.0; }

double us_at(const histogram& of, double fraction) {
    return us(static_cast<double>(of.quantile(fraction)));
}

const char* mode(const options& asked) {
    return asked.once > 0 ? "once" : asked.rate > 0 ? "open" : "closed";
}

double per_second(const options& asked, const stats& counted, std::uint64_t count) {
    const double seconds = asked.once > 0 ? counted.wall_seconds : asked.seconds;
    return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double client_cpu_us(const stats& counted) {
    return counted.answered == 0
               ? 0
               : counted.cpu_seconds * 1e6 / static_cast<double>(counted.answered);
}

void print_json_latency(const char* name, const histogram& of) {
    std::printf(
        ",\"%s\":{\"count\":%llu,\"mean\":%.2f,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,"
        "\"p99.9\":%.2f,\"max\":%.2f}",
        name, static_cast<wide>(of.count()), us(of.mean()), us_at(of, 0.5), us_at(of, 0.9),
        us_at(of, 0.99), us_at(of, 0.999), us(static_cast<double>(of.max())));
}

}  // namespace

void print_json(const options& asked, const stats& counted) {
    std::printf(
        "{\"mode\":\"%s\",\"connections\":%u,\"pipeline\":%u,\"rate\":%.1f,"
        "\"seconds\":%.3f,\"sent\":%llu,\"answered\":%llu,\"per_second\":%.1f,"
        "\"ok_per_second\":%.1f",
        mode(asked), asked.connections, asked.pipeline, asked.rate, asked.seconds,
        static_cast<wide>(counted.sent), static_cast<wide>(counted.answered),
        per_second(asked, counted, counted.answered_in_window),
        per_second(asked, counted, counted.ok_in_window));
    std::printf(",\"statuses\":{");
    const char* comma = "";
    for (std::size_t status = 0; status < counted.statuses.size(); ++status) {
        if (counted.statuses[status] > 0) {
            std::printf("%s\"%zu\":%llu", comma, status,
                        static_cast<wide>(counted.statuses[status]));
            comma = ",";
        }
    }
    std::printf(
        "},\"mismatched\":%llu,\"broken\":%llu,\"lost\":%llu,\"unfinished\":%llu,"
        "\"connect_errors\":%llu,\"reconnects\":%llu",
        static_cast<wide>(counted.mismatched), static_cast<wide>(counted.broken),
        static_cast<wide>(counted.lost), static_cast<wide>(counted.unfinished),
        static_cast<wide>(counted.connect_errors), static_cast<wide>(counted.reconnects));
    print_json_latency("latency_us", counted.latency_ok);
    print_json_latency("latency_other_us", counted.latency_other);
    if (asked.once > 0) {
        std::printf(",\"distinct_bodies\":%zu", counted.bodies.size());
    }
    if (!counted.series.empty()) {
        std::printf(",\"series\":[");
        for (std::size_t i = 0; i < counted.series.size(); ++i) {
            const second_of_load& at = counted.series[i];
            std::printf("%s{\"ok\":%llu,\"failed\":%llu,\"p99_us\":%.2f}", i == 0 ? "" : ",",
                        static_cast<wide>(at.ok), static_cast<wide>(at.failed),
                        us_at(at.latency, 0.99));
        }
        std::printf("]");
    }
    std::printf(",\"client_cpu_us\":%.3f,\"wall_seconds\":%.3f}\n", client_cpu_us(counted),
                counted.wall_seconds);
}

void print_table(const options& asked, const stats& counted) {
    std::printf("%s loop, %u connections, %u in flight on each", mode(asked), asked.connections,
                asked.pipeline);
    if (asked.rate > 0) {
        std::printf(", %.0f/s offered", asked.rate);
    }
    if (asked.once > 0) {
        std::printf("\n  answered %llu of %llu in %.3f s, %zu distinct bodies",
                    static_cast<wide>(counted.answered), static_cast<wide>(counted.sent),
                    counted.wall_seconds, counted.bodies.size());
    } else {
        std::printf("\n  answered per second  %.0f (200 and right: %.0f), over %.2f s",
                    per_second(asked, counted, counted.answered_in_window),
                    per_second(asked, counted, counted.ok_in_window), asked.seconds);
    }
    std::printf("\n  latency, us          p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n",
                us_at(counted.latency_ok, 0.5), us_at(counted.latency_ok, 0.9),
                us_at(counted.latency_ok, 0.99), us_at(counted.latency_ok, 0.999),
                us(static_cast<double>(counted.latency_ok.max())));
    std::printf("  statuses            ");
    for (std::size_t status = 0; status < counted.statuses.size(); ++status) {
        if (counted.statuses[status] > 0) {
            std::printf(" %zu: %llu", status, static_cast<wide>(counted.statuses[status]));
        }
    }
    std::printf(
        "\n  mismatched %llu, broken %llu, lost %llu, unfinished %llu, connect errors %llu, "
        "reconnects %llu\n  client CPU per answer %.2f us\n",
        static_cast<wide>(counted.mismatched), static_cast<wide>(counted.broken),
        static_cast<wide>(counted.lost), static_cast<wide>(counted.unfinished),
        static_cast<wide>(counted.connect_errors), static_cast<wide>(counted.reconnects),
        client_cpu_us(counted));
    for (std::size_t i = 0; i < counted.series.size(); ++i) {
        const second_of_load& at = counted.series[i];
        std::printf("  second %-4zu ok %llu, failed %llu, p99 %.1f us\n", i + 1,
                    static_cast<wide>(at.ok), static_cast<wide>(at.failed),
                    us_at(at.latency, 0.99));
    }
}

}  // namespace cohort::bench
