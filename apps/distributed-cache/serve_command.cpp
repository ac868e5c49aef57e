#include <distributed-cache/serve_command.hpp>

#include <distributed-cache/cache_app.hpp>
#include <distributed-cache/settings.hpp>

#include <cohort/cohort.hpp>
#include <cohort/runtime/log.hpp>
#include <cohort/runtime/observe.hpp>

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdio>
#include <memory>
#include <mutex>

namespace cohort {
namespace {

constexpr std::string_view usage =
    "A read-through cache in front of a database.\n"
    "\n"
    "  cohort-cache [options]                        serves until SIGTERM\n"
    "  cohort-cache import --origin ADDRESS FILE     fills the origin; see import --help\n"
    "  cohort-cache audit --origin ADDRESS           prints and judges the origin's audit\n"
    "\n"
    "  --help           this text\n"
    "  --print-config   the effective options, and where each value came from\n"
    "  --config FILE    options from a JSON file\n"
    "\n";

/// Hands SIGTERM to the system, also when it comes before there is one.
class termination {
public:
    explicit termination(world& around) {
        around.on_termination([this] {
            auto guard = std::lock_guard{mutex_};
            came_ = true;
            if (node_ != nullptr) {
                node_->shutdown();
            }
        });
    }
    /// Null forgets the node; afterwards nothing of it is touched.
    void shuts_down(system* node) {
        auto guard = std::lock_guard{mutex_};
        node_ = node;
        if (node_ != nullptr && came_) {
            node_->shutdown();
        }
    }

private:
    std::mutex mutex_;
    bool came_ = false;
    system* node_ = nullptr;
};

void log_start(logger& log, const cache_settings& settings, cache_app& app) {
    auto seeds = std::string{};
    for (const auto& seed : settings.cluster.seeds) {
        seeds += (seeds.empty() ? "" : ",") + seed.text();
    }
    log.info("started", {{"node", settings.items.node_name},
                         {"cluster", settings.cluster.name},
                         {"http", app.server().local().text()},
                         {"admin", app.admin().local().text()},
                         {"address", settings.remoting.advertised.text()},
                         {"seeds", seeds},
                         {"origin", *shown_origin(settings.origin.database.address)}});
}

/// The usual soft limit of 1,024 descriptors is far below what a server may hold; the hard one is
/// what the administrator meant.
void allow_many_connections() {
    auto limit = rlimit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/// Ends the node's actors before what they use goes.
struct ended_node {
    system& node;
    ~ended_node() {
        node.runtime().request_stop();
        node.join();
    }
};

int serve(world& around, cache_settings settings, const config& shown) {
    // Before anything starts a thread: threads inherit that the signals are blocked.
    auto signals = termination{around};
    auto log = logger::open(settings.log, [&around] { return around.wall_now(); });
    if (!log) {
        fmt::print(stderr, "cohort-cache: {}\n", log.error().message());
        return 1;
    }
    auto node = system{around, settings.runtime};
    // The origin's threads report to the node's cores, so they end before the cores do.
    settings.origin.database.trouble = [log = *log](const error& why) {
        log->warning("the origin is in trouble", {{"why", why.message()}});
    };
    auto origin = cache_origin::open(around, settings.origin);
    if (!origin) {
        (*log)->error("the origin cannot be opened", {{"why", origin.error().message()}});
        return 1;
    }
    log_runtime_events(node.runtime(), *log);
    auto app = cache_app{node, **origin, settings};
    app.admin().show(shown);
    auto actors_end_here = ended_node{node};

    auto started = node.start();
    if (!started) {
        (*log)->error("the node cannot start", {{"why", started.error().message()}});
        return 1;
    }
    log_start(**log, settings, app);
    signals.shuts_down(&node);
    auto status = node.join();
    signals.shuts_down(nullptr);
    (*log)->info("stopped", {{"status", status}});
    return status;
}

}  // namespace

int serve_command(int argc, const char* const* argv) {
    install_crash_handler();
    allow_many_connections();
    auto around = make_real_world();
    auto schema = cache_schema();
    auto loaded = load_config(
        schema, {.arguments = {argv + 1, argv + argc},
                 .environment = around->environment(),
                 .read_file = [&around](const std::string& path, std::size_t bytes_max) {
                     return around->read_file(path, bytes_max);
                 }});
    if (loaded.help) {
        fmt::print("{}{}", usage, schema.help());
        return 0;
    }
    for (const auto& warning : loaded.warnings) {
        fmt::print(stderr, "cohort-cache: {}\n", warning);
    }
    for (const auto& problem : loaded.problems) {
        fmt::print(stderr, "cohort-cache: {}\n", problem);
    }
    if (!loaded.problems.empty()) {
        return 2;
    }
    auto shown = without_secrets(loaded.values);
    if (loaded.print_config) {
        fmt::print("{}", shown.print());
        return 0;
    }
    auto settings = make_cache_settings(loaded.values, *around);
    if (!settings) {
        fmt::print(stderr, "cohort-cache: {}\n", settings.error().text());
        return 2;
    }
    return serve(*around, std::move(*settings), shown);
}

}  // namespace cohort
