#include "generator.hpp"

#include "../measure.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace cohort::bench {

namespace {

constexpr std::uint64_t connect_ns_max = 5'000'000'000;
constexpr std::uint64_t retry_after_ns = 10'000'000;

std::uint64_t now_ns() { return static_cast<std::uint64_t>(wall_now_ns()); }

std::uint64_t to_ns(double seconds) { return static_cast<std::uint64_t>(seconds * 1e9); }

void allow_files(std::uint64_t wanted) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

generator::generator(const options& asked)
    : asked_(asked), poller_(::epoll_create1(EPOLL_CLOEXEC)), random_(asked.seed),
      keys_(asked.pattern, asked.keys, asked.zipf_exponent) {
    if (asked_.resp) {
        before_key_ = "*2\r\n$3\r\nGET\r\n$";
        after_key_ = "\r\n";
    } else {
        const auto hole = asked_.path.find("{key}");
        keyed_ = hole != std::string::npos;
        before_key_ = "GET " + asked_.path.substr(0, hole);
        after_key_ = (keyed_ ? asked_.path.substr(hole + 5) : "") +
                     " HTTP/1.1\r\nHost: " + asked_.host_header + "\r\n\r\n";
    }
    allow_files(asked_.connections + 64);
    for (unsigned i = 0; i < asked_.connections; ++i) {
        links_.push_back(std::make_unique<connection>(asked_.targets[i % asked_.targets.size()],
                                                      asked_.pipeline));
    }
    // A sleeping generator must wake at the intended time, not up to 50 us later.
    ::prctl(PR_SET_TIMERSLACK, 1UL);
}

generator::~generator() { ::close(poller_); }

stats generator::run() {
    if (!connect_all()) {
        return counted_;
    }
    const std::uint64_t begin = now_ns();
    const double cpu_before = cpu_now_ns();
    window_begin_ns_ = begin + to_ns(asked_.warmup);
    window_end_ns_ = window_begin_ns_ + to_ns(asked_.seconds);
    if (asked_.series) {
        counted_.series.resize(static_cast<std::size_t>(asked_.seconds + 0.999));
    }
    const std::uint64_t give_up = window_end_ns_ + to_ns(asked_.drain);
    next_arrival_ns_ = begin;
    started_ = true;
    for (std::uint64_t tag = 0; tag < links_.size(); ++tag) {
        start(*links_[tag], tag);
    }
    std::uint64_t now = now_ns();
    while (now < give_up && (accepts_requests(now) || !everything_answered())) {
        std::uint64_t wake_at = accepts_requests(now) ? window_end_ns_ : give_up;
        if (asked_.rate > 0 && now < window_end_ns_) {
            generate_arrivals(now);
            wake_at = std::min(wake_at, next_arrival_ns_);
        }
        assign_arrivals();
        reconnect_due(now);
        poll(now, wake_at);
        now = now_ns();
    }
    count_unfinished(now);
    counted_.wall_seconds = static_cast<double>(now - begin) / 1e9;
    counted_.cpu_seconds = (cpu_now_ns() - cpu_before) / 1e9;
    return std::move(counted_);
}

bool generator::accepts_requests(std::uint64_t now) const {
    if (asked_.once > 0) {
        return false;
    }
    return now < window_end_ns_;
}

bool generator::everything_answered() const { return in_flight_ == 0 && backlog_.empty(); }

/// Opens all connections before the first request, so that none of them starts late.
bool generator::connect_all() {
    const std::uint64_t give_up = now_ns() + connect_ns_max;
    for (std::uint64_t tag = 0; tag < links_.size(); ++tag) {
        if (!links_[tag]->connect(poller_, tag)) {
            ++counted_.connect_errors;
        }
    }
    while (std::any_of(links_.begin(), links_.end(), [](const auto& link) {
        return link->state() == connection::phase::connecting;
    })) {
        const std::uint64_t now = now_ns();
        if (now >= give_up) {
            break;
        }
        poll(now, give_up);
    }
    std::uint64_t open = 0;
    for (const auto& link : links_) {
        open += link->state() == connection::phase::open ? 1 : 0;
    }
    if (open < links_.size()) {
        std::fprintf(stderr, "cohort-load: %llu of %zu connections could not be opened\n",
                     static_cast<unsigned long long>(links_.size() - open), links_.size());
    }
    return open == links_.size();
}

/// Gives a connection that has just opened its first work.
void generator::start(connection& link, std::uint64_t tag) {
    if (asked_.rate > 0) {
        list(tag);
        return;
    }
    const std::uint64_t now = now_ns();
    if (asked_.once > 0) {
        send_one(link, now);
    } else {
        refill(link, now);
    }
    flush(link, tag);
}

void generator::drop(connection& link) {
    const bool connecting = link.state() == connection::phase::connecting;
    const unsigned lost = link.close();
    in_flight_ -= lost;
    counted_.lost += lost;
    if (lost > 0) {
        if (auto* second = second_at(now_ns())) {
            second->failed += lost;
        }
    }
    if (connecting) {
        ++counted_.connect_errors;
    }
    if (!started_) {
        return;
    }
    ++closed_links_;
    link.retry_ns = connecting ? now_ns() + retry_after_ns : 0;
}

void generator::reconnect_due(std::uint64_t now) {
    if (closed_links_ == 0 || !accepts_requests(now)) {
        return;
    }
    for (std::uint64_t tag = 0; tag < links_.size(); ++tag) {
        connection& link = *links_[tag];
        if (link.state() != connection::phase::closed || link.retry_ns > now) {
            continue;
        }
        if (link.connect(poller_, tag)) {
            --closed_links_;
        } else {
            ++counted_.connect_errors;
            link.retry_ns = now + retry_after_ns;
        }
    }
}

void generator::poll(std::uint64_t now, std::uint64_t wake_at) {
    epoll_event events[256];
    timespec wait{};
    if (!asked_.spin && wake_at > now) {
        // Connections that wait for their next try are looked at every 10 ms.
        const std::uint64_t left =
            closed_links_ > 0 ? std::min(wake_at - now, retry_after_ns) : wake_at - now;
        wait.tv_sec = static_cast<time_t>(left / 1'000'000'000);
        wait.tv_nsec = static_cast<long>(left % 1'000'000'000);
    }
    const int ready = asked_.spin ? ::epoll_wait(poller_, events, 256, 0)
                                  : ::epoll_pwait2(poller_, events, 256, &wait, nullptr);
    if (ready < 0 && errno != EINTR) {
        std::fprintf(stderr, "cohort-load: cannot poll: %s\n", std::strerror(errno));
        std::exit(1);
    }
    for (int i = 0; i < ready; ++i) {
        on_event(events[i].data.u64, events[i].events);
    }
}

void generator::on_event(std::uint64_t tag, std::uint32_t events) {
    connection& link = *links_[tag];
    if (link.state() == connection::phase::connecting) {
        if (!link.finish_connect()) {
            drop(link);
            return;
        }
        // Stops watching for writability.
        flush(link, tag);
        if (started_ && link.state() == connection::phase::open) {
            ++counted_.reconnects;
            start(link, tag);
        }
        return;
    }
    if (link.state() == connection::phase::open && (events & EPOLLOUT) != 0) {
        flush(link, tag);
    }
    if (link.state() == connection::phase::open &&
        (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        read_answers(link, tag);
    }
}

void generator::read_answers(connection& link, std::uint64_t tag) {
    const bool alive = link.receive();
    const std::uint64_t now = now_ns();
    bool over = !alive;
    while (!link.input().empty()) {
        response answer;
        const auto parsed =
            asked_.resp ? parse_resp(link.input(), answer) : parse_http(link.input(), answer);
        if (parsed == parse_state::incomplete) {
            break;
        }
        if (parsed == parse_state::broken || link.in_flight() == 0) {
            ++counted_.broken;
            over = true;
            break;
        }
        --in_flight_;
        count(link.pop(), answer, now);
        link.consume(answer.bytes);
        over = over || answer.close;
    }
    if (over) {
        drop(link);
        return;
    }
    if (asked_.rate > 0) {
        list(tag);
    } else if (accepts_requests(now)) {
        refill(link, now);
        flush(link, tag);
    }
}

std::string generator::name_of(std::uint64_t key) const {
    return asked_.names.empty() ? key_name(key) : asked_.names[key];
}

bool generator::matches(const pending& request, const response& answer) const {
    if (asked_.expect_bytes >= 0 &&
        answer.body.size() != static_cast<std::size_t>(asked_.expect_bytes)) {
        return false;
    }
    if (!asked_.expect_key) {
        return true;
    }
    const std::string key = name_of(request.key);
    return answer.body.starts_with(key) &&
           (answer.body.size() == key.size() || answer.body[key.size()] == '.');
}

void generator::count(const pending& request, const response& answer, std::uint64_t now) {
    ++counted_.answered;
    ++counted_.statuses[static_cast<std::size_t>(answer.status)];
    bool ok = answer.status == 200;
    if (ok && !matches(request, answer)) {
        ++counted_.mismatched;
        ok = false;
    }
    if (asked_.once > 0) {
        counted_.bodies.insert(std::hash<std::string_view>{}(answer.body));
    }
    if (now >= window_begin_ns_ && now < window_end_ns_) {
        ++counted_.answered_in_window;
        counted_.ok_in_window += ok ? 1 : 0;
    }
    const std::uint64_t latency = now - request.intended_ns;
    if (request.intended_ns >= window_begin_ns_ && request.intended_ns < window_end_ns_) {
        (ok ? counted_.latency_ok : counted_.latency_other).record(latency);
    }
    if (auto* second = second_at(now)) {
        ok ? ++second->ok : ++second->failed;
        second->latency.record(latency);
    }
}

second_of_load* generator::second_at(std::uint64_t time) {
    if (!asked_.series || time < window_begin_ns_ || time >= window_end_ns_) {
        return nullptr;
    }
    return &counted_.series[(time - window_begin_ns_) / 1'000'000'000];
}

void generator::generate_arrivals(std::uint64_t now) {
    while (next_arrival_ns_ <= now && next_arrival_ns_ < window_end_ns_) {
        backlog_.push_back(next_arrival_ns_);
        next_arrival_ns_ += to_ns(random_.exponential(asked_.rate));
    }
}

/// Gives waiting arrivals to the connections that have been free the longest, one request each.
void generator::assign_arrivals() {
    while (!backlog_.empty() && !ready_.empty()) {
        const std::uint64_t tag = ready_.front();
        ready_.pop_front();
        connection& link = *links_[tag];
        link.listed = false;
        if (link.state() != connection::phase::open || !link.has_room()) {
            continue;
        }
        send_one(link, backlog_.front());
        backlog_.pop_front();
        if (!link.dirty) {
            link.dirty = true;
            dirty_.push_back(tag);
        }
        list(tag);
    }
    for (const std::uint64_t tag : dirty_) {
        links_[tag]->dirty = false;
        if (links_[tag]->state() == connection::phase::open) {
            flush(*links_[tag], tag);
        }
    }
    dirty_.clear();
}

void generator::list(std::uint64_t tag) {
    connection& link = *links_[tag];
    if (!link.listed && link.has_room()) {
        link.listed = true;
        ready_.push_back(tag);
    }
}

void generator::refill(connection& link, std::uint64_t now) {
    while (link.has_room()) {
        send_one(link, now);
    }
}

void generator::send_one(connection& link, std::uint64_t intended) {
    const std::uint64_t number = keys_.next(random_);
    request_ = before_key_;
    if (keyed_) {
        const std::string key = name_of(number);
        if (asked_.resp) {
            request_ += std::to_string(key.size()) + "\r\n";
        }
        request_ += key;
    }
    request_ += after_key_;
    link.push(request_, {intended, number});
    ++counted_.sent;
    ++in_flight_;
}

void generator::flush(connection& link, std::uint64_t tag) {
    if (!link.flush(poller_, tag)) {
        drop(link);
    }
}

/// What was never answered counts with the time it has waited so far, so that a server cannot look
/// fast by not answering.
void generator::count_unfinished(std::uint64_t now) {
    counted_.unfinished = in_flight_ + backlog_.size();
    const auto record = [&](std::uint64_t intended) {
        if (intended >= window_begin_ns_ && intended < window_end_ns_) {
            counted_.latency_other.record(now - intended);
        }
    };
    for (const std::uint64_t intended : backlog_) {
        record(intended);
    }
    for (const auto& link : links_) {
        while (link->in_flight() > 0) {
            record(link->pop().intended_ns);
        }
    }
}

}  // namespace cohort::bench
