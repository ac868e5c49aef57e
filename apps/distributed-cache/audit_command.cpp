#include <distributed-cache/audit.hpp>
#include <distributed-cache/audit_command.hpp>
#include <distributed-cache/open_origin.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>

namespace cohort {
namespace {

constexpr std::size_t rows_at_once = 1000;
constexpr std::uint64_t complaints_max = 20;

result<audit_judge> print_audit(const std::string& address, bool quiet) {
    auto around = make_real_world();
    auto origin = open_origin(*around, {.address = address}, origin_use::serve);
    if (!origin) {
        return std::move(origin).error();
    }
    auto judge = audit_judge{};
    for (auto last = std::uint64_t{0};;) {
        auto rows = (*origin)->read_audit(last, rows_at_once);
        if (!rows) {
            return std::move(rows).error();
        }
        for (const auto& row : *rows) {
            if (!quiet) {
                fmt::print("{}\n", audit_line(row));
            }
            auto complaint = judge.take(row);
            if (complaint && judge.violations() <= complaints_max) {
                fmt::print(stderr, "audit: {}\n", *complaint);
            }
        }
        if (rows->size() < rows_at_once) {
            return judge;
        }
        last = rows->back().seq;
    }
}

}  // namespace

int audit_command(int argc, const char* const* argv) {
    auto origin = std::string{};
    auto quiet = false;
    auto app = CLI::App{"Prints and judges what a node started with --origin-audit wrote.",
                        "cohort-cache audit"};
    app.add_option("--origin", origin, "where the audit is: sqlite:PATH or postgresql://...")
        ->envname("COHORT_CACHE_ORIGIN")
        ->required();
    app.add_flag("--quiet", quiet, "judges only, and prints no rows");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        return app.exit(wrong) == 0 ? 0 : 2;
    }
    auto judged = print_audit(origin, quiet);
    if (!judged) {
        fmt::print(stderr, "audit: {}\n", judged.error().message());
        return 1;
    }
    fmt::print(stderr, "audit: {} rows of {} shards, {} of them prove two owners\n", judged->rows(),
               judged->shards(), judged->violations());
    return judged->violations() == 0 ? 0 : 1;
}

}  // namespace cohort
