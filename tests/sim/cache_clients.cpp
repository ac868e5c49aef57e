#include "cache_clients.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

#include <cohort/task/combinators.hpp>

#include "cache_station.hpp"

namespace cohort::sim {
namespace {

constexpr duration inside_patience = 1500ms;

struct nothing {};
using silent = protocol<nothing>;
using workload_type = cache_workload;

std::string text_of(const workload_type::request& what, const std::string& key,
                    const std::string& content) {
    constexpr auto verbs = std::array<std::string_view, 3>{"GET", "PUT", "DELETE"};
    auto out = std::string{verbs[static_cast<std::size_t>(what.what)]};
    out += " /cache-data/" + key + " HTTP/1.1\r\nHost: cache\r\n";
    if (what.what != workload_type::verb::put) {
        return out + "\r\n";
    }
    return out + "Content-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content;
}

/// A connection of a client.
class client_stream {
public:
    explicit client_stream(std::unique_ptr<stream> open) : open_{std::move(open)} {}

    task<bool> send(std::string text) {
        auto rest = std::as_bytes(std::span{text});
        while (!rest.empty()) {
            auto piece = std::array{rest};
            auto written = co_await write_some(*open_, piece);
            if (written.code != errc::ok) {
                co_return false;
            }
            rest = rest.subspan(written.bytes);
        }
        co_return true;
    }

    task<std::optional<workload_type::answer>> receive() {
        auto end = std::string::npos;
        while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
            auto more = co_await read();
            if (!more) {
                co_return std::nullopt;
            }
        }
        auto head = received_.substr(0, end + 2);
        received_.erase(0, end + 4);
        auto out = workload_type::answer{.status = std::atoi(head.substr(9, 3).c_str()),
                                         .epoch = field(head, "Cohort-Epoch"),
                                         .maybe = field(head, "Executed") == "maybe",
                                         .tag = field(head, "ETag")};
        auto length = std::strtoul(field(head, "Content-Length").c_str(), nullptr, 10);
        while (received_.size() < length) {
            auto more = co_await read();
            if (!more) {
                co_return std::nullopt;
            }
        }
        out.body = received_.substr(0, length);
        received_.erase(0, length);
        co_return out;
    }

private:
    static std::string field(const std::string& head, std::string_view name) {
        auto at = head.find("\r\n" + std::string{name} + ": ");
        if (at == std::string::npos) {
            return {};
        }
        at += name.size() + 4;
        return head.substr(at, head.find("\r\n", at) - at);
    }
    task<bool> read() {
        auto got = co_await read_some(*open_, std::span{buffer_});
        if (got.code != errc::ok) {
            co_return false;
        }
        received_.append(reinterpret_cast<const char*>(buffer_.data()), got.bytes);
        co_return true;
    }

    std::unique_ptr<stream> open_;
    std::array<std::byte, 2048> buffer_{};
    std::string received_;
};

task<result<std::unique_ptr<stream>>> open(endpoint where) {
    auto made = co_await connect(where);
    co_return made;
}

/// The requests of a script that are on their way.
class conversation {
public:
    conversation(workload_type& whole, std::uint32_t node) : whole_{whole}, node_{node} {}
    conversation(const conversation&) = delete;
    conversation& operator=(const conversation&) = delete;
    ~conversation() { whole_.gone(node_, open_.size()); }

    [[nodiscard]] std::string begin(const workload_type::request& what) {
        auto value = what.what == workload_type::verb::put ? whole_.next_value(0) : 0;
        open_.push_back(whole_.begin_at(node_, what, value));
        return text_of(what, whole_.key_name(what.key), whole_.content_of(value));
    }
    void end(const workload_type::answer& given) {
        whole_.answered(open_.front(), given);
        open_.erase(open_.begin());
        whole_.gone(node_, 1);
    }

private:
    workload_type& whole_;
    std::uint32_t node_;
    std::vector<workload_type::open_request> open_;
};

struct programs {
    static task<bool> exchange(client_stream* with, conversation* talk,
                               std::vector<workload_type::request> all, std::vector<int>* out) {
        auto text = std::string{};
        for (const auto& each : all) {
            text += talk->begin(each);
        }
        auto sent = co_await with->send(std::move(text));
        for (auto left = all.size(); sent && left > 0; --left) {
            auto given = co_await with->receive();
            if (!given) {
                co_return false;
            }
            talk->end(*given);
            out->push_back(given->status);
        }
        co_return sent;
    }

    static task<void> talk(workload_type* whole, const cache_clients::script* what,
                           std::vector<int>* out) {
        auto opened = co_await with_timeout(1s, open(whole->address(what->node, http_port)));
        if (!opened || !*opened) {
            whole->count("not_connected");
            co_return;
        }
        auto with = client_stream{std::move(**opened)};
        auto talking = conversation{*whole, what->node};
        auto at = what->requests.begin();
        while (at != what->requests.end()) {
            auto end = what->pipelined ? what->requests.end() : at + 1;
            auto part = std::vector<workload_type::request>(at, end);
            auto done = co_await with_timeout(what->patience,
                                              exchange(&with, &talking, std::move(part), out));
            if (!done || !*done) {
                whole->count(done ? "connection_lost" : "out_of_patience");
                co_return;
            }
            at = end;
            co_await sleep_for{what->between};
        }
    }

    static behavior<silent> run(context<silent>, workload_type* whole, cache_clients::script what) {
        auto out = std::vector<int>{};
        co_await talk(whole, &what, &out);
        if (what.done) {
            what.done(out);
        }
    }

    static behavior<silent> insist(context<silent> self, workload_type* whole, std::uint32_t node,
                                   std::uint64_t key) {
        auto what = cache_clients::script{
            .node = node, .requests = {{workload_type::verb::get, key}}, .patience = 5s};
        for (bool answered = false; !answered;) {
            auto out = std::vector<int>{};
            co_await talk(whole, &what, &out);
            answered = !out.empty() && (out.back() == 200 || out.back() == 404);
            if (!answered && whole->excused(key)) {
                whole->count("excused");
                break;
            }
            if (!answered) {
                co_await self.sleep(100ms);
            }
        }
        whole->lives(node, key);
    }

    // Three, each sent before the one before it is answered.
    static behavior<silent> write(context<silent>, workload_type* whole, cache_items* items,
                                  std::uint64_t key) {
        auto name = whole->key_name(key);
        auto sender = whole->next_sender();
        auto until = deadline{this_core().now() + inside_patience, 0};
        auto asked = std::vector<workload_type::open_request>{};
        auto next = [&] {
            asked.push_back(
                whole->begin({workload_type::verb::put, key}, whole->next_value(sender)));
            return put_item{bytes{whole->content_of(asked.back().value)}};
        };
        auto tell = [&](std::size_t which, const result<written_item>& stored) {
            whole->told(asked[which], stored ? executed::yes : stored.error().executed());
        };
        auto first = items->ask(name, until, next());
        auto second = items->ask(name, until, next());
        auto third = items->ask(name, until, next());
        auto first_stored = co_await first;
        tell(0, first_stored);
        auto second_stored = co_await second;
        tell(1, second_stored);
        auto third_stored = co_await third;
        tell(2, third_stored);
    }
};

}  // namespace

void cache_clients::start(cache_workload& whole, script what) {
    static_cast<void>(whole.clients().system().spawn(&programs::run, &whole, std::move(what)));
}

void cache_clients::insist(cache_workload& whole, std::uint32_t node, std::uint64_t key) {
    static_cast<void>(whole.clients().system().spawn(&programs::insist, &whole, node, key));
}

void cache_clients::write_inside(cache_workload& whole, std::uint32_t node, std::uint64_t key) {
    auto& here = *whole.at(node);
    auto& system = here.node->system();
    static_cast<void>(system.spawn_on(static_cast<std::uint32_t>(key % system.cores()),
                                      &programs::write, &whole, &here.app->items(), key));
}

}  // namespace cohort::sim
