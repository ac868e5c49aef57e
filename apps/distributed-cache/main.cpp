#include <distributed-cache/import_command.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view{argv[1]} == "import") {
        return cohort::import_command(argc - 1, argv + 1);
    }
    fmt::print(stderr,
               "usage: cohort-cache import --origin sqlite:PATH [--format ndjson|dumpavail] "
               "[--skip-bad] FILE|-\n");
    return 2;
}
