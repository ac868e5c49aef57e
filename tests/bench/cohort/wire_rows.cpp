// The wire rows: actors of two processes, with everything on that a user gets.
//
//     cohort-bench-wire serve HOST PORT [--certs FOLDER]
//     cohort-bench-wire rpc HOST PORT IN_FLIGHT SECONDS [--certs FOLDER]
//     cohort-bench-wire tell HOST PORT SECONDS [--certs FOLDER]
//     cohort-bench-wire beside_bulk HOST PORT SECONDS [--bulk]
//
// The folder is one that `./dev certs server client` made. What is not loopback is insecure.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

#include <cohort/cohort.hpp>
#include <cohort/remoting/remoting.hpp>

namespace cohort {
namespace {

using namespace std::chrono_literals;

// 100 bytes with its length and number.
struct parcel {
    std::uint64_t number = 0;
    std::string text;
};
struct echo {
    using reply = parcel;
    parcel content;
};
struct count {
    parcel content;
};
struct counted {
    using reply = std::uint64_t;
};
struct bulk {
    using reply = std::uint64_t;
    std::string content;
};
using service = protocol<echo, count, counted, bulk>;

parcel parcel_of(std::uint64_t number) { return {number, std::string(88, 'x')}; }

behavior<service> serve(context<service> self) {
    auto seen = std::uint64_t{0};
    for (;;) {
        auto message = co_await self.receive();
        if (auto request = message.get_if<echo>()) {
            request.reply(std::move(request->content));
        } else if (message.get_if<count>()) {
            ++seen;
        } else if (auto question = message.get_if<counted>()) {
            question.reply(seen);
        } else if (auto large = message.get_if<bulk>()) {
            large.reply(large->content.size());
        }
    }
}

struct nothing {};
using unit = protocol<nothing>;
using runner = protocol<terminated>;
using clock_type = std::chrono::steady_clock;

struct measurement {
    clock_type::time_point end;
    clock_type::time_point start;
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::vector<double> times_us;
};

double cpu_seconds() {
    auto used = rusage{};
    ::getrusage(RUSAGE_SELF, &used);
    auto of = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return of(used.ru_utime) + of(used.ru_stime);
}

void report(const char* row, measurement& all) {
    auto& times = all.times_us;
    std::sort(times.begin(), times.end());
    auto at = [&](std::size_t per_mille) {
        return times.empty() ? 0 : times[(times.size() - 1) * per_mille / 1000];
    };
    auto seconds = std::chrono::duration<double>(clock_type::now() - all.start).count();
    std::printf(
        "{\"row\": \"%s\", \"done\": %llu, \"failed\": %llu, \"per_second\": %.0f, "
        "\"cpu_us\": %.4f, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f}\n",
        row, static_cast<unsigned long long>(all.done), static_cast<unsigned long long>(all.failed),
        static_cast<double>(all.done) / seconds,
        cpu_seconds() * 1e6 / static_cast<double>(std::max<std::uint64_t>(all.done, 1)), at(500),
        at(900), at(990));
}

double microseconds_since(clock_type::time_point start) {
    return std::chrono::duration<double, std::micro>(clock_type::now() - start).count();
}

// One of those in flight: asks, waits for the answer, asks again.
task<void> ask_on(ref<service> target, measurement* all, std::uint64_t number) {
    for (std::uint64_t round = 0;; ++round) {
        auto sampled = round % 16 == 0;
        auto began = sampled ? clock_type::now() : clock_type::time_point{};
        auto answer = co_await target.ask<echo>(5s, parcel_of(number));
        answer && answer->number == number ? ++all->done : ++all->failed;
        if (sampled) {
            all->times_us.push_back(microseconds_since(began));
            if (clock_type::now() >= all->end) {
                co_return;
            }
        }
    }
}

behavior<unit> asker(context<unit>, ref<service> target, measurement* all, std::uint64_t number) {
    co_await ask_on(target, all, number);
}

// What was sent is counted at the other side: so much is under way at most, twice.
constexpr std::uint64_t window = 8192;

task<void> tell_on(ref<service> target, measurement* all) {
    auto sent = std::uint64_t{0};
    auto before = co_await target.ask<counted>(5s);
    while (clock_type::now() < all->end) {
        auto behind = target.ask<counted>(5s);
        for (std::uint64_t index = 0; index < window; ++index) {
            target.tell(count{parcel_of(sent++)});
        }
        auto answer = co_await behind;
        if (!answer) {
            std::fprintf(stderr, "tell: %s\n", answer.error().message().c_str());
            break;
        }
    }
    auto last = co_await target.ask<counted>(5s);
    all->done = before && last ? *last - *before : 0;
    all->failed = sent - all->done;
}

task<void> ping_on(ref<service> target, measurement* all) {
    while (clock_type::now() < all->end) {
        auto began = clock_type::now();
        auto answer = co_await target.ask<echo>(5s, parcel_of(1));
        answer ? ++all->done : ++all->failed;
        all->times_us.push_back(microseconds_since(began));
        co_await sleep_for{1ms};
    }
}

task<void> bulk_on(ref<service> target, measurement* all) {
    auto content = std::string((std::size_t{4} << 20) - 4096, 'b');
    while (clock_type::now() < all->end) {
        auto next = clock_type::now() + 100ms;
        auto answer = co_await target.ask<bulk>(5s, content);
        if (!answer) {
            ++all->failed;
            std::fprintf(stderr, "bulk: %s\n", answer.error().message().c_str());
        }
        auto left = next - clock_type::now();
        co_await sleep_for{std::max<duration>(left, 0ms)};
    }
}

struct plan {
    std::string mode;
    endpoint where;
    std::size_t in_flight = 0;
    double seconds = 1;
    bool with_bulk = false;
    std::string certs;
};

behavior<runner> run(context<runner> self, remoting* network, system* node, plan what) {
    auto found = co_await network->find<service>(what.where, "service", 5s);
    if (!found) {
        std::fprintf(stderr, "%s\n", found.error().message().c_str());
        std::exit(1);
    }
    auto all = measurement{};
    all.start = clock_type::now();
    all.end = all.start + std::chrono::duration_cast<clock_type::duration>(
                              std::chrono::duration<double>{what.seconds});
    if (what.mode == "rpc") {
        for (std::size_t number = 0; number < what.in_flight; ++number) {
            auto one = self.spawn(asker, *found, &all, number);
            self.watch(one);
        }
        for (std::size_t ended = 0; ended < what.in_flight; ++ended) {
            static_cast<void>(co_await self.receive());
        }
    } else if (what.mode == "tell") {
        co_await tell_on(*found, &all);
    } else if (what.with_bulk) {
        // To another actor: what goes to the same one keeps its order.
        auto store = co_await network->find<service>(what.where, "store", 5s);
        if (!store) {
            std::fprintf(stderr, "%s\n", store.error().message().c_str());
            std::exit(1);
        }
        co_await when_all(ping_on(*found, &all), bulk_on(*store, &all));
    } else {
        co_await ping_on(*found, &all);
    }
    report(what.mode.c_str(), all);
    node->shutdown();
}

int use() {
    std::fprintf(stderr,
                 "cohort-bench-wire serve HOST PORT | rpc HOST PORT IN_FLIGHT SECONDS | "
                 "tell HOST PORT SECONDS | beside_bulk HOST PORT SECONDS [--bulk], each "
                 "with [--certs FOLDER]\n");
    return 2;
}

}  // namespace
}  // namespace cohort

int main(int argc, char** argv) {
    using namespace cohort;
    auto words = std::vector<std::string>{};
    auto what = plan{};
    for (int index = 1; index < argc; ++index) {
        auto word = std::string{argv[index]};
        if (word == "--bulk") {
            what.with_bulk = true;
        } else if (word == "--certs" && index + 1 < argc) {
            what.certs = argv[++index];
        } else {
            words.push_back(word);
        }
    }
    if (words.size() < 3) {
        return use();
    }
    what.mode = words[0];
    what.where = {words[1], static_cast<std::uint16_t>(std::atoi(words[2].c_str()))};
    auto serves = what.mode == "serve";
    if (what.mode == "rpc" && words.size() == 5) {
        what.in_flight = static_cast<std::size_t>(std::atoi(words[3].c_str()));
        what.seconds = std::atof(words[4].c_str());
    } else if ((what.mode == "tell" || what.mode == "beside_bulk") && words.size() == 4) {
        what.seconds = std::atof(words[3].c_str());
    } else if (!serves || words.size() != 3) {
        return use();
    }
    auto node = cohort::system{{.cores = 1}};
    auto options = remoting_options{.insecure = true};
    options.listen =
        serves ? what.where : endpoint{what.where.host == "127.0.0.1" ? "127.0.0.1" : "0.0.0.0", 0};
    if (!what.certs.empty()) {
        auto name = what.certs + (serves ? "/server" : "/client");
        auto loaded = tls_credentials::load(
            node.world(), {name + ".pem", name + "-key.pem", what.certs + "/authority.pem"});
        if (!loaded) {
            std::fprintf(stderr, "%s\n", loaded.error().message().c_str());
            return 1;
        }
        options.credentials = *loaded;
        options.insecure = false;
    }
    auto& network = node.use(remoting{options});
    if (serves) {
        network.expose("service", node.spawn_on_with(0, {.mailbox_limit = 60000}, cohort::serve));
        network.expose("store", node.spawn(cohort::serve));
        return node.run();
    }
    if (auto started = node.start(); !started) {
        std::fprintf(stderr, "%s\n", started.error().message().c_str());
        return 1;
    }
    static_cast<void>(node.spawn(cohort::run, &network, &node, what));
    return node.join();
}
