#include "options.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <netdb.h>
#include <string_view>

namespace cohort::bench {

namespace {

constexpr const char* usage = R"(usage: cohort-load [options] HOST:PORT...

Sends GETs to one or more servers and says how fast and how rightly they were answered.

  --connections N     keep N connections (64), dealt to the targets in turn
  --pipeline N        at most N requests in flight on a connection (1)
  --seconds S         measure for S seconds (2), after --warmup S (0.2); then wait at most
                      --drain S (2) for what is still unanswered
  --rate R            open loop: R arrivals a second (Poisson), latency from the intended time;
                      without it, closed loop: a new request for every answer
  --once N            N connections send one GET each, all at once, and that is all
  --spin              poll without sleeping (a core of its own)

  --path P            what to GET (/cache-data/{key}); {key} becomes the key
  --keys N            N keys, k0 to k<N-1> (1); --key NAME asks for one key by name
  --key-list FILE     the keys are the lines of this file
  --pattern P         uniform (default), zipf with --zipf-exponent X (0.99), or turn: one key
                      after the other, from the first again behind the last
  --seed N            other keys and other arrival times
  --resp              speak RESP2 (redis GET key) instead of HTTP/1.1

  --expect-key        a body must be the key, or begin with the key and a dot: finds answers that
                      came out of order
  --expect-bytes N    a body must have N bytes
  --json              print one JSON object instead of a table
  --series            also say, for each second, what was answered and its p99

Leaves with 1 when an answer was wrong or broken, or when there was none.
)";

[[noreturn]] void refuse(const std::string& sentence) {
    std::fprintf(stderr, "cohort-load: %s (--help lists the options)\n", sentence.c_str());
    std::exit(2);
}

double number(std::string_view name, std::string_view text, double least, double most) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !(value >= least) ||
        !(value <= most)) {
        char limits[80];
        std::snprintf(limits, sizeof limits, "%.9g to %.9g", least, most);
        refuse(std::string(name) + " takes a number from " + limits);
    }
    return value;
}

template <class Integer>
Integer whole(std::string_view name, std::string_view text, double least, double most) {
    return static_cast<Integer>(number(name, text, least, most));
}

sockaddr_in resolve(const std::string& target) {
    const auto colon = target.rfind(':');
    if (colon == target.npos) {
        refuse("a target is HOST:PORT, not " + target);
    }
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const std::string host = target.substr(0, colon);
    const std::string port = target.substr(colon + 1);
    if (const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); failed != 0) {
        refuse("cannot resolve " + target + ": " + ::gai_strerror(failed));
    }
    sockaddr_in address{};
    std::memcpy(&address, found->ai_addr, sizeof address);
    ::freeaddrinfo(found);
    return address;
}

std::vector<std::string> lines_of(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    if (lines.empty()) {
        refuse("there is no key in " + path);
    }
    return lines;
}

using setter = std::function<void(std::string_view name, std::string_view value)>;

std::map<std::string_view, setter> valued_options(options& to) {
    return {
        {"--connections",
         [&](auto name, auto text) { to.connections = whole<unsigned>(name, text, 1, 100'000); }},
        {"--pipeline",
         [&](auto name, auto text) { to.pipeline = whole<unsigned>(name, text, 1, 65'536); }},
        {"--seconds", [&](auto name, auto text) { to.seconds = number(name, text, 0.01, 86'400); }},
        {"--warmup", [&](auto name, auto text) { to.warmup = number(name, text, 0, 3'600); }},
        {"--drain", [&](auto name, auto text) { to.drain = number(name, text, 0, 3'600); }},
        {"--rate", [&](auto name, auto text) { to.rate = number(name, text, 0.1, 1e8); }},
        {"--once",
         [&](auto name, auto text) { to.once = whole<unsigned>(name, text, 1, 100'000); }},
        {"--path", [&](auto, auto text) { to.path = text; }},
        {"--key", [&](auto, auto text) { to.key = text; }},
        {"--keys",
         [&](auto name, auto text) { to.keys = whole<std::uint64_t>(name, text, 1, 1e9); }},
        {"--key-list", [&](auto, auto text) { to.names = lines_of(std::string(text)); }},
        {"--pattern",
         [&](auto, auto text) {
             if (text != "uniform" && text != "zipf" && text != "turn") {
                 refuse("--pattern is uniform, zipf or turn");
             }
             to.pattern = text == "zipf"   ? key_pattern::zipf
                          : text == "turn" ? key_pattern::turn
                                           : key_pattern::uniform;
         }},
        {"--zipf-exponent",
         [&](auto name, auto text) { to.zipf_exponent = number(name, text, 0.01, 0.9999); }},
        {"--seed",
         [&](auto name, auto text) { to.seed = whole<std::uint64_t>(name, text, 0, 1e15); }},
        {"--expect-bytes",
         [&](auto name, auto text) { to.expect_bytes = whole<long long>(name, text, 0, 6e7); }},
    };
}

std::map<std::string_view, bool*> switches(options& to) {
    return {
        {"--spin", &to.spin}, {"--resp", &to.resp},     {"--expect-key", &to.expect_key},
        {"--json", &to.json}, {"--series", &to.series},
    };
}

void complete(options& to) {
    if (to.targets.empty()) {
        refuse("no target given");
    }
    if (!to.names.empty()) {
        to.keys = to.names.size();
    }
    if (!to.key.empty()) {
        to.names = {to.key};
        to.keys = 1;
    }
    if (to.keys == 1) {
        to.pattern = key_pattern::fixed;
    }
    if (!to.resp && to.expect_key && to.path.find("{key}") == to.path.npos) {
        refuse("--expect-key needs {key} in the path");
    }
    if (to.once > 0) {
        to.connections = to.once;
        to.pipeline = 1;
        to.rate = 0;
        to.warmup = 0;
    }
}

}  // namespace

options parse_options(int argc, char** argv) {
    options parsed;
    const auto with_value = valued_options(parsed);
    const auto without = switches(parsed);
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--help") {
            std::fputs(usage, stdout);
            std::exit(0);
        } else if (const auto toggled = without.find(argument); toggled != without.end()) {
            *toggled->second = true;
        } else if (const auto found = with_value.find(argument); found != with_value.end()) {
            if (++i == argc) {
                refuse(argument + " needs a value");
            }
            found->second(argument, argv[i]);
        } else if (argument.starts_with("-")) {
            refuse("no such option: " + argument);
        } else {
            parsed.targets.push_back(resolve(argument));
            if (parsed.host_header.empty()) {
                parsed.host_header = argument;
            }
        }
    }
    complete(parsed);
    return parsed;
}

}  // namespace cohort::bench
