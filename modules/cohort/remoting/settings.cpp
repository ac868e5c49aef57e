#include <cohort/remoting/settings.hpp>

namespace cohort {
namespace {

const config_key<std::string> cluster{.name = "remoting.cluster",
                                      .fallback = "cohort",
                                      .help = "nodes of another cluster are refused"};
const config_key<std::string> listen{.name = "remoting.listen",
                                     .fallback = "127.0.0.1:0",
                                     .help = "host:port where other nodes connect"};
const config_key<std::string> advertised{
    .name = "remoting.advertised",
    .help = "host:port where other nodes reach this one, when that is not where it listens"};
const config_key<std::string> certificate{.name = "remoting.certificate",
                                          .help = "PEM file with this node's certificate"};
const config_key<std::string> key{.name = "remoting.key",
                                  .help = "PEM file with the certificate's key"};
const config_key<std::string> authority{.name = "remoting.authority",
                                        .help = "PEM file with the authorities that are believed"};
const config_key<duration> certificate_check{
    .name = "remoting.certificate_check",
    .fallback = std::chrono::minutes{1},
    .help = "how often the three files are looked at, to renew them without a restart; 0 is never"};
const config_key<bool> insecure{
    .name = "remoting.insecure",
    .help = "listen beyond loopback without certificates: anybody can send anything"};
const config_key<byte_size> frame_max{.name = "remoting.frame_max",
                                      .fallback = {1 << 20},
                                      .help = "bytes of one frame",
                                      .min = byte_size{64 << 10},
                                      .max = byte_size{16 << 20}};
const config_key<byte_size> message_max{.name = "remoting.message_max",
                                        .fallback = {4 << 20},
                                        .help = "bytes of one message",
                                        .min = byte_size{64 << 10},
                                        .max = byte_size{1 << 30}};
const config_key<byte_size> peer_memory{.name = "remoting.peer_memory",
                                        .fallback = {4 << 20},
                                        .help = "bytes queued for a peer by each core",
                                        .min = byte_size{64 << 10},
                                        .max = byte_size{std::int64_t{1} << 40}};
const config_key<byte_size> node_memory{
    .name = "remoting.node_memory",
    .fallback = {256 << 20},
    .help = "bytes queued for all peers, and as much incomplete",
    .min = byte_size{1 << 20},
    .max = byte_size{std::int64_t{1} << 40}};
const config_key<duration> gone_after{
    .name = "remoting.gone_after",
    .fallback = std::chrono::seconds{10},
    .help = "a peer without a sign of life for so long is gone for good",
    .min = duration{std::chrono::milliseconds{100}}};
const config_key<std::uint32_t> half_open{.name = "remoting.half_open",
                                          .fallback = 128,
                                          .help = "connections that have not said who they are",
                                          .min = 1};

result<endpoint> read_endpoint(const config& values, const config_key<std::string>& from) {
    auto text = values.get(from);
    auto read = endpoint::parse(text);
    if (!read) {
        return error{errc::invalid, from.name + ": \"" + text +
                                        "\" is no host:port: " + std::string{read.error().text()}};
    }
    return read;
}

}  // namespace

void add_remoting_options(config_schema& schema) {
    auto add = [&schema](const auto&... keys) { (schema.add(keys), ...); };
    add(cluster, listen, advertised, certificate, key, authority);
    add(certificate_check, insecure);
    add(frame_max, message_max, peer_memory, node_memory, gone_after, half_open);
}

result<remoting_options> make_remoting_options(const config& values, world& from) {
    auto options = remoting_options{};
    options.cluster = values.get(cluster);
    auto at = read_endpoint(values, listen);
    if (!at) {
        return std::move(at).error();
    }
    options.listen = std::move(*at);
    if (!values.get(advertised).empty()) {
        auto reached = read_endpoint(values, advertised);
        if (!reached) {
            return std::move(reached).error();
        }
        options.advertised = std::move(*reached);
    }
    auto files = tls_files{values.get(certificate), values.get(key), values.get(authority)};
    auto given =
        int{!files.certificate.empty()} + int{!files.key.empty()} + int{!files.authority.empty()};
    if (given != 0 && given != 3) {
        return error{errc::invalid,
                     "remoting.certificate, remoting.key and remoting.authority go together"};
    }
    if (given == 3) {
        auto loaded = tls_credentials::load(from, std::move(files));
        if (!loaded) {
            return std::move(loaded).error();
        }
        options.credentials = std::move(*loaded);
    }
    options.credentials_interval = values.get(certificate_check);
    options.insecure = values.get(insecure);
    options.frame_bytes_max = static_cast<std::uint32_t>(values.get(frame_max).bytes);
    options.message_bytes_max = static_cast<std::uint32_t>(values.get(message_max).bytes);
    options.peer_bytes_max = static_cast<std::size_t>(values.get(peer_memory).bytes);
    options.node_bytes_max = static_cast<std::size_t>(values.get(node_memory).bytes);
    options.gone_after = values.get(gone_after);
    options.half_open_max = values.get(half_open);
    if (options.message_bytes_max < options.frame_bytes_max) {
        return error{errc::invalid,
                     "remoting.message_max is at least as large as remoting.frame_max"};
    }
    return options;
}

}  // namespace cohort
