#include <distributed-cache/settings.hpp>

#include <cohort/cluster/settings.hpp>
#include <cohort/remoting/settings.hpp>

#include <fmt/format.h>

#include <algorithm>

#include <cstdint>
#include <tuple>
#include <utility>

namespace cohort {
namespace {

using port_key = config_key<std::uint16_t>;
using text_key = config_key<std::string>;
using time_key = config_key<duration>;
using size_key = config_key<byte_size>;

const auto http_host = text_key{
    .name = "http.host", .fallback = "0.0.0.0", .help = "address that the HTTP server listens on"};
const auto http_port = port_key{.name = "http.port",
                                .fallback = 9000,
                                .help = "port of the HTTP server; 0 takes a free one",
                                .flag = "port"};
const auto http_deadline =
    time_key{.name = "http.deadline",
             .fallback = std::chrono::seconds{2},
             .help = "a request that is not answered after this long gets 504",
             .min = std::chrono::milliseconds{1},
             .max = std::chrono::minutes{10}};
const auto admin_host =
    text_key{.name = "admin.host", .fallback = "127.0.0.1", .help = "address of the admin routes"};
const auto admin_port = port_key{.name = "admin.port",
                                 .fallback = 9001,
                                 .help = "port of the admin routes; 0 takes a free one",
                                 .flag = "admin-port"};

const auto node_name = text_key{.name = "node.name",
                                .fallback = "local",
                                .help = "name of this node, as it appears in Cache-Status",
                                .environment = {"POD_NAME"}};
const auto remoting_domain =
    text_key{.name = "remoting.domain",
             .fallback = "",
             .help = "domain behind the node's name in the address that other nodes use",
             .environment = {"AKKA_REMOTING_BIND_DOMAIN"}};
const auto remoting_port = port_key{.name = "remoting.port",
                                    .fallback = 2551,
                                    .help = "port for other nodes, where remoting.listen says none",
                                    .min = 1,
                                    .environment = {"AKKA_REMOTING_BIND_PORT"}};
const auto cores = config_key<unsigned>{.name = "runtime.cores",
                                        .fallback = 0,
                                        .help = "cores that the node uses; 0 takes all it may use",
                                        .max = 255,
                                        .flag = "cores"};
const auto stop_grace =
    time_key{.name = "runtime.stop_grace",
             .fallback = std::chrono::seconds{10},
             .help = "how long the end of an orderly stop waits for what ends slowly",
             .max = std::chrono::minutes{10}};

const auto shutdown_grace =
    time_key{.name = "runtime.shutdown_grace",
             .fallback = std::chrono::seconds{55},
             .help = "how long an orderly stop may take in all, with runtime.drain_delay",
             .max = std::chrono::hours{1}};
const auto drain_delay =
    time_key{.name = "runtime.drain_delay",
             .fallback = duration{},
             .help = "how long requests are served on after SIGTERM, while /health says 503",
             .max = std::chrono::minutes{10}};

const auto idle_time = time_key{.name = "cache.idle_time",
                                .fallback = std::chrono::seconds{120},
                                .help = "a key that nobody asks for leaves memory after this long",
                                .min = std::chrono::milliseconds{1}};
const auto absent_time = time_key{.name = "cache.absent_time",
                                  .fallback = std::chrono::seconds{1},
                                  .help = "how long it is remembered that a key does not exist"};
const auto keys_max =
    config_key<std::uint32_t>{.name = "cache.keys_max",
                              .fallback = 1'000'000,
                              .help = "keys in memory; the least recently used leave",
                              .min = 1,
                              .max = 8'000'000};
const auto memory_max = size_key{.name = "cache.memory_max",
                                 .fallback = {std::int64_t{1} << 30},
                                 .help = "content in memory; the least recently used leaves",
                                 .min = byte_size{0}};
const auto content_max = size_key{.name = "cache.content_max",
                                  .fallback = {std::int64_t{1} << 20},
                                  .help = "the longest content of a key",
                                  .min = byte_size{1},
                                  .max = byte_size{content_bytes_ceiling}};
const auto origin_address = text_key{.name = "cache.origin",
                                     .fallback = "sqlite:cache.db",
                                     .help =
                                         "the database behind the cache: sqlite:PATH or "
                                         "postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
                                     .flag = "origin"};
const auto origin_busy = time_key{.name = "origin.busy_timeout",
                                  .fallback = std::chrono::seconds{1},
                                  .help = "how long a call waits for another process's lock",
                                  .max = std::chrono::minutes{1}};
const auto origin_waiting =
    config_key<std::uint32_t>{.name = "origin.waiting_max",
                              .fallback = 4096,
                              .help = "calls that wait for the database at once",
                              .min = 1,
                              .max = 1'000'000};

const auto origin_connections =
    config_key<std::uint32_t>{.name = "origin.connections",
                              .fallback = 4,
                              .help = "connections to PostgreSQL; a key always uses the same",
                              .min = 1,
                              .max = 256,
                              .flag = "origin-connections"};
const auto origin_connect_time = time_key{.name = "origin.connect_time",
                                          .fallback = std::chrono::seconds{10},
                                          .help = "how long a start waits for PostgreSQL to answer",
                                          .max = std::chrono::minutes{10}};
const auto origin_audit = config_key<bool>{.name = "origin.audit",
                                           .fallback = false,
                                           .help = "keeps a row of every write, for tests; slow",
                                           .flag = "origin-audit"};

const auto level = config_key<log_level>{.name = "log.level",
                                         .fallback = log_level::info,
                                         .help = "the least of what is logged",
                                         .choices = {{"trace", log_level::trace},
                                                     {"debug", log_level::debug},
                                                     {"info", log_level::info},
                                                     {"warning", log_level::warning},
                                                     {"error", log_level::error},
                                                     {"off", log_level::off}}};
const auto format =
    config_key<log_format>{.name = "log.format",
                           .fallback = log_format::logfmt,
                           .help = "how a line of the log is written",
                           .choices = {{"logfmt", log_format::logfmt}, {"json", log_format::json}}};

result<void> check_node(const std::string& name, const cache_settings& settings) {
    auto plain = [](char letter) {
        return letter > ' ' && letter < 127 && letter != ';' && letter != '"';
    };
    if (name.empty() || name.size() > 253 || !std::all_of(name.begin(), name.end(), plain)) {
        return error{errc::invalid, "node.name: 1 to 253 visible characters without ; and \""};
    }
    auto http = settings.http.port;
    auto admin = settings.admin.port;
    auto other_nodes = settings.remoting.listen.port;
    // 0 takes a free one.
    auto same = [](std::uint16_t left, std::uint16_t right) { return left == right && left != 0; };
    if (same(http, admin) || same(http, other_nodes) || same(admin, other_nodes)) {
        return error{errc::invalid, "http.port, admin.port and remoting.port must be three ports"};
    }
    return {};
}

/// The modules' options, with the names that Akka's cluster image is configured with.
void add_module_options(config_schema& schema) {
    auto modules = config_schema{};
    add_remoting_options(modules);
    add_cluster_options(modules);
    for (auto option : modules.options()) {
        if (option.name == "cluster.name") {
            option.environment = {"AKKA_ACTOR_SYSTEM_NAME"};
            option.fallback = std::string{"cohort-cache"};
        } else if (option.name == "cluster.seed_nodes") {
            option.environment = {"AKKA_SEED_NODES"};
            option.help += "; without any the node is alone";
        } else if (option.name == "remoting.cluster") {
            option.fallback = std::string{};
            option.help = "the cluster that certificates name, where it is not cluster.name";
        } else if (option.name == "remoting.listen" || option.name == "remoting.advertised") {
            option.fallback = std::string{};
        }
        schema.add(std::move(option));
    }
}

/// What a pod is told by its name and its domain: listen everywhere, be reached as NAME.DOMAIN.
config with_addresses(config values, const std::string& cluster_name) {
    auto fill = [&values](std::string_view name, std::string value) {
        if (values.origin(name) == "default") {
            values.set(name, std::move(value), "code");
        }
    };
    auto domain = values.get(remoting_domain);
    auto port = values.get(remoting_port);
    fill("remoting.cluster", cluster_name);
    fill("remoting.listen", endpoint{domain.empty() ? "127.0.0.1" : "0.0.0.0", port}.text());
    if (!domain.empty()) {
        fill("remoting.advertised", endpoint{values.get(node_name) + "." + domain, port}.text());
    }
    return values;
}

}  // namespace

config_schema cache_schema() {
    auto schema = config_schema{};
    auto add = [&schema](const auto&... keys) { (schema.add(keys), ...); };
    add(http_host, http_port, http_deadline, admin_host, admin_port);
    add(node_name, remoting_domain, remoting_port);
    add_module_options(schema);
    add(cores, stop_grace, shutdown_grace, drain_delay);
    add(idle_time, absent_time, keys_max, memory_max, content_max);
    add(origin_address, origin_busy, origin_waiting, origin_connections, origin_connect_time,
        origin_audit);
    add(level, format);
    return schema;
}

config without_secrets(config values) {
    auto source = values.origin(origin_address.name);
    auto shown = shown_origin(values.get(origin_address));
    values.set(origin_address.name, shown ? *shown : "****", std::move(source));
    return values;
}

result<cache_settings> make_cache_settings(const config& values, world& around) {
    auto settings = cache_settings{};
    settings.http = {values.get(http_host), values.get(http_port)};
    settings.admin = {values.get(admin_host), values.get(admin_port)};
    auto cluster = make_cluster_options(values);
    if (!cluster) {
        return std::move(cluster).error();
    }
    settings.cluster = std::move(*cluster);
    auto remoting = make_remoting_options(with_addresses(values, settings.cluster.name), around);
    if (!remoting) {
        return std::move(remoting).error();
    }
    settings.remoting = std::move(*remoting);
    if (settings.remoting.advertised.host.empty()) {
        settings.remoting.advertised = settings.remoting.listen;
    }
    auto name = values.get(node_name);
    if (auto checked = check_node(name, settings); !checked) {
        return checked.error();
    }
    settings.items.node_name = name;
    settings.runtime.node_name = name;
    settings.runtime.cores = values.get(cores);
    settings.runtime.stop_grace = values.get(stop_grace);
    settings.runtime.shutdown_grace = values.get(shutdown_grace);
    settings.runtime.drain_delay = values.get(drain_delay);
    if (settings.runtime.stop_grace + settings.runtime.drain_delay >=
        settings.runtime.shutdown_grace) {
        return error{errc::invalid,
                     "runtime.shutdown_grace is longer than runtime.drain_delay and "
                     "runtime.stop_grace together"};
    }
    settings.items.keys_max = values.get(keys_max);
    settings.items.content_bytes_max = static_cast<std::size_t>(values.get(memory_max).bytes);
    settings.items.times = {values.get(idle_time), values.get(absent_time)};
    auto& database = settings.origin.database;
    database.address = values.get(origin_address);
    if (auto shown = shown_origin(database.address); !shown) {
        return error{errc::invalid, fmt::format("cache.origin: {}", shown.error().text())};
    }
    database.busy_timeout =
        std::chrono::duration_cast<std::chrono::milliseconds>(values.get(origin_busy));
    database.content_bytes_max = static_cast<std::size_t>(values.get(content_max).bytes);
    database.connections = values.get(origin_connections);
    database.connect_time = values.get(origin_connect_time);
    database.audit = values.get(origin_audit);
    settings.origin.waiting_max = values.get(origin_waiting);
    settings.request_deadline = values.get(http_deadline);
    settings.log.level = values.get(level);
    settings.log.format = values.get(format);
    return settings;
}

}  // namespace cohort
