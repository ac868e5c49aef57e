// cohort-sim: runs seeds of a workload on simulated nodes, or replays one schedule.

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "sums.hpp"
#include "workloads.hpp"

namespace cohort::sim {
namespace {

struct settings {
    std::string workload = "kv";
    std::string bug = "none";
    std::uint64_t from = 1;
    std::uint64_t seeds = 0;
    std::uint64_t seed = 0;
    std::string schedule;
    std::string state;
    std::string commit = "unknown";
    std::string corpus;
    std::uint64_t twice_every = 100;
    std::uint32_t nodes_max = 0;
    std::uint64_t length_s = 0;
    bool keep_going = false;
    bool hashes = false;
    bool as_found = false;
};

// A broken invariant ends the program, and should say in which seed.
volatile std::uint64_t running_seed = 0;

void name_the_seed(int) {
    auto text = std::array<char, 96>{};
    auto end = fmt::format_to_n(text.data(), text.size(), "FAILED: seed {} ended the program\n",
                                static_cast<std::uint64_t>(running_seed));
    static_cast<void>(!::write(1, text.data(), end.size));
    std::_Exit(1);
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double wall_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

void print_failure(const settings& given, const schedule& found, const std::string& why) {
    fmt::print("FAILED: {}\n  ./dev sim --workload {}{} --seed {} --schedule '{}'\n", why,
               given.workload, (given.bug == "none" ? "" : " --bug " + given.bug), found.seed,
               found.text());
    std::fflush(stdout);
}

class campaign {
public:
    campaign(settings given, const named_workload& what, schedule_runner run)
        : given_{std::move(given)}, run_{std::move(run)}, limits_{what.limits}, must_{what.must} {
        limits_.nodes_max = given_.nodes_max != 0 ? given_.nodes_max : limits_.nodes_max;
        limits_.nodes_min = std::min(limits_.nodes_min, limits_.nodes_max);
        if (given_.length_s != 0) {
            limits_.length = std::chrono::seconds{given_.length_s};
        }
    }

    int run() {
        if (given_.hashes) {
            return print_hashes();
        }
        if (!given_.corpus.empty() && !replay_corpus()) {
            return 1;
        }
        if (!given_.schedule.empty()) {
            auto read = schedule::parse(given_.schedule);
            if (!read) {
                fmt::print(stderr, "{}\n", read.error().message());
                return 2;
            }
            return replay(*read);
        }
        return given_.seeds != 0 ? run_seeds() : replay(make_schedule(given_.seed, limits_));
    }

private:
    int replay(const schedule& what) {
        auto report = run_(what);
        fmt::print("seed {}: hash {:016x}, {} events, {:.1f} simulated seconds\n", what.seed,
                   report.trace_hash, report.events,
                   std::chrono::duration<double>(report.simulated).count());
        for (const auto& [name, count] : report.sometimes) {
            fmt::print("  {} {}\n", name, count);
        }
        if (report.failure) {
            print_failure(given_, what, *report.failure);
        }
        return report.failure ? 1 : 0;
    }

    // What another build of the same commit has to print too.
    int print_hashes() {
        for (std::uint64_t i = 0; i < given_.seeds; ++i) {
            running_seed = given_.from + i;
            auto report = run_(make_schedule(given_.from + i, limits_));
            fmt::print("{} {} {:016x} {}\n", given_.workload, given_.from + i, report.trace_hash,
                       report.events);
        }
        return 0;
    }

    // The schedules that failed once, in the file of this workload.
    bool replay_corpus() {
        auto file =
            std::ifstream{std::filesystem::path{given_.corpus} / (given_.workload + ".txt")};
        auto line = std::string{};
        auto count = 0;
        while (std::getline(file, line)) {
            auto read = schedule::parse(line);
            auto report = read ? run_(*read) : run_report{};
            if (!read || report.failure) {
                fmt::print("corpus, line {}: {}\n", count + 1,
                           read ? *report.failure : read.error().message());
                return false;
            }
            ++count;
        }
        fmt::print("corpus: {} schedules are well\n", count);
        return true;
    }

    bool load() {
        total_.workload = given_.workload + (given_.bug == "none" ? "" : "+" + given_.bug);
        total_.commit = given_.commit;
        auto file = std::ifstream{given_.state};
        if (given_.state.empty() || !file) {
            return true;
        }
        auto text = std::stringstream{};
        text << file.rdbuf();
        auto read = sums::parse(text.str());
        if (!read) {
            fmt::print(stderr, "{}: {}\n", given_.state, read.error().message());
            return false;
        }
        if (read->commit != total_.commit || read->workload != total_.workload) {
            fmt::print("{} holds sums of {} at {}: beginning anew\n", given_.state, read->workload,
                       read->commit);
            return true;
        }
        total_ = std::move(*read);
        return true;
    }

    void save() {
        if (given_.state.empty()) {
            return;
        }
        auto beside = given_.state + ".new";
        {
            auto file = std::ofstream{beside};
            file << total_.json();
        }
        std::filesystem::rename(beside, given_.state);
    }

    void progress(std::uint64_t done) {
        auto elapsed = std::max(1e-9, wall_seconds() - began_);
        fmt::print(
            "{} of {} seeds, {:.0f} a second; in all {} seeds, {:.0f} simulated seconds, "
            "{:.0f} node-hours and {:.0f} cluster-hours a CPU-hour, {} failures\n",
            done, given_.seeds, static_cast<double>(done) / elapsed, total_.seeds,
            total_.simulated_seconds, total_.node_seconds / std::max(1e-9, total_.cpu_seconds),
            total_.simulated_seconds / std::max(1e-9, total_.cpu_seconds), total_.failures);
        std::fflush(stdout);
    }

    // Whether the seed is well.
    bool run_seed(std::uint64_t seed) {
        running_seed = seed;
        auto what = make_schedule(seed, limits_);
        auto before = cpu_seconds();
        auto report = run_(what);
        if (!report.failure && given_.twice_every != 0 && seed % given_.twice_every == 0) {
            ++total_.reruns;
            if (run_(what).trace_hash != report.trace_hash) {
                report.failure = "a second run of the same seed went another way";
            }
        }
        total_.cpu_seconds += cpu_seconds() - before;
        total_.add(seed, report);
        if (!report.failure) {
            return true;
        }
        fmt::print("seed {}: {}{}\n", seed, *report.failure, given_.as_found ? "" : "; shrinking");
        std::fflush(stdout);
        if (given_.as_found) {
            return false;
        }
        auto least =
            shrink(what, [&](const schedule& less) { return run_(less).failure.has_value(); });
        auto again = run_(least).failure;
        print_failure(given_, least, again.value_or(*report.failure));
        return false;
    }

    int run_seeds() {
        if (!load()) {
            return 2;
        }
        began_ = wall_seconds();
        auto told = began_;
        bool well = true;
        for (std::uint64_t i = 0; i < given_.seeds && (well || given_.keep_going); ++i) {
            if (!total_.has(given_.from + i)) {
                well &= run_seed(given_.from + i);
            }
            if (wall_seconds() - told >= 5) {
                told = wall_seconds();
                save();
                progress(i + 1);
            }
        }
        save();
        progress(given_.seeds);
        well &= total_.failures == 0;
        return summary() && well ? 0 : 1;
    }

    bool summary() {
        for (const auto* each : {&total_.faults, &total_.sometimes}) {
            auto line = std::string{};
            for (const auto& [name, count] : *each) {
                line += fmt::format("{}{} {}", line.empty() ? "" : ", ", name, count);
            }
            fmt::print("{}: {}\n", each == &total_.faults ? "faults" : "sometimes", line);
        }
        bool seen = true;
        for (const auto& name : must_) {
            if (total_.seeds >= 1000 && given_.bug == "none" && total_.sometimes[name] == 0) {
                fmt::print("FAILED: no run has seen '{}'\n", name);
                seen = false;
            }
        }
        return seen;
    }

    settings given_;
    schedule_runner run_;
    schedule_limits limits_;
    std::vector<std::string> must_;
    sums total_;
    double began_ = 0;
};

int run_program(int argc, char** argv) {
    std::signal(SIGABRT, name_the_seed);
    std::signal(SIGSEGV, name_the_seed);
    auto given = settings{};
    auto app = CLI::App{"Runs seeds of a workload on simulated nodes, or replays one schedule"};
    app.add_option("--workload", given.workload, "what to run")->capture_default_str();
    app.add_option("--bug", given.bug, "a bug to plant into it")->capture_default_str();
    app.add_option("--seeds", given.seeds, "how many seeds to run");
    app.add_option("--from", given.from, "the first of them")->capture_default_str();
    app.add_option("--seed", given.seed, "one seed to run");
    app.add_option("--schedule", given.schedule, "one schedule to replay");
    app.add_option("--state", given.state, "a file that keeps the sums, for going on later");
    app.add_option("--commit", given.commit, "the commit that the sums belong to");
    app.add_option("--corpus", given.corpus, "schedules that are replayed first");
    app.add_option("--twice-every", given.twice_every, "runs each so many seeds twice, 0: none")
        ->capture_default_str();
    app.add_option("--nodes-max", given.nodes_max, "at most so many nodes");
    app.add_option("--length", given.length_s, "seconds of faults in a run");
    app.add_flag("--hashes", given.hashes, "only prints each seed's trace hash and events");
    app.add_flag("--keep-going", given.keep_going, "does not end at the first failure");
    app.add_flag("--as-found", given.as_found, "does not look for less of a schedule that fails");
    CLI11_PARSE(app, argc, argv);
    for (const auto& each : all_workloads()) {
        if (each.name != given.workload) {
            continue;
        }
        auto run = each.runner(given.bug);
        if (!run) {
            fmt::print(stderr, "{} has no bug '{}'\n", given.workload, given.bug);
            return 2;
        }
        return campaign{given, each, *run}.run();
    }
    fmt::print(stderr, "there is no workload '{}'\n", given.workload);
    return 2;
}

}  // namespace
}  // namespace cohort::sim

int main(int argc, char** argv) { return cohort::sim::run_program(argc, argv); }
