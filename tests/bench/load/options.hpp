#pragma once

#include "keys.hpp"

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <vector>

namespace cohort::bench {

/// What to ask for, of whom, how fast and for how long.
struct options {
    std::vector<sockaddr_in> targets;
    std::string host_header;
    bool resp = false;

    std::string path = "/cache-data/{key}";
    std::string key;
    std::uint64_t keys = 1;
    std::vector<std::string> names;  // of the keys, where they are not k0, k1 and so on
    key_pattern pattern = key_pattern::uniform;
    double zipf_exponent = 0.99;
    std::uint64_t seed = 1;

    unsigned connections = 64;
    unsigned pipeline = 1;
    double rate = 0;
    double seconds = 2;
    double warmup = 0.2;
    double drain = 2;
    unsigned once = 0;
    bool spin = false;

    bool expect_key = false;
    long long expect_bytes = -1;

    bool json = false;
    bool series = false;
};

/// Reads the command line. Ends the process with a sentence when it is wrong.
options parse_options(int argc, char** argv);

}  // namespace cohort::bench
