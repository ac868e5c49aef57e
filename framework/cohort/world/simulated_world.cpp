#include <cohort/world/simulated_world.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <utility>

namespace cohort {
namespace {

// xoshiro256** seeded by splitmix64. Source: Blackman and Vigna, 2018.
std::uint64_t split_mix(std::uint64_t& state) noexcept {
    state += 0x9e37'79b9'7f4a'7c15ULL;
    auto mixed = state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58'476d'1ce4'e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d0'49bb'1331'11ebULL;
    return mixed ^ (mixed >> 31);
}

}  // namespace

/// Completions travel through a list per reactor, so that they run on the core that waits for them.
class simulated_reactor final : public reactor {
public:
    explicit simulated_reactor(simulated_world& world)
        : world_{world}, alive_{std::make_shared<bool>(true)} {}
    ~simulated_reactor() override { *alive_ = false; }
    simulated_reactor(const simulated_reactor&) = delete;
    simulated_reactor& operator=(const simulated_reactor&) = delete;

    std::size_t poll() override {
        auto batch = std::exchange(ready_, {});
        for (auto& each : batch) {
            each();
        }
        return batch.size();
    }
    void wait(std::optional<time_point>) override {}
    void wake() noexcept override {}

    result<std::unique_ptr<listener>> listen(const endpoint& local) override;
    void connect(const endpoint& remote, std::unique_ptr<stream>& connected,
                 io_completion& done) override;
    void cancel_connect(io_completion& done) noexcept override {
        if (connecting_.erase(&done) != 0) {
            soon([&done] { done.complete(done, {errc::cancelled, 0}); });
        }
    }

    /// Runs `action` in this reactor's next `poll`.
    void soon(std::function<void()> action) { ready_.push_back(std::move(action)); }
    /// Runs `action` in this reactor's `poll` after a travel time, if the reactor still exists.
    void later(std::function<void()> action) {
        world_.at(world_.now() + world_.delay(),
                  [this, alive = alive_, action = std::move(action)] {
                      if (*alive) {
                          ready_.push_back(action);
                      }
                  });
    }
    [[nodiscard]] simulated_world& world() noexcept { return world_; }

private:
    simulated_world& world_;
    std::shared_ptr<bool> alive_;
    std::vector<std::function<void()>> ready_;
    // The number tells an attempt from a later one whose completion lies at the same place.
    struct attempt {
        std::uint64_t number;
        std::unique_ptr<stream>* connected;
    };
    std::map<io_completion*, attempt> connecting_;
    std::uint64_t attempts_ = 0;
};

namespace detail {

/// One direction of a connection.
struct simulated_pipe {
    std::deque<std::byte> arrived;
    std::size_t in_flight = 0;
    bool writer_closed = false;  // and everything sent has arrived
    bool reader_closed = false;
    std::function<void()> on_readable;
    std::function<void()> on_writable;
};

class simulated_stream final : public stream {
public:
    simulated_stream(simulated_reactor& home, std::shared_ptr<simulated_pipe> in,
                     std::shared_ptr<simulated_pipe> out, endpoint peer)
        : home_{home}, in_{std::move(in)}, out_{std::move(out)}, peer_{std::move(peer)} {
        in_->on_readable = [this] { try_read(); };
        out_->on_writable = [this] { try_write(); };
    }
    ~simulated_stream() override {
        end();
        COHORT_ASSERT(read_done_ == nullptr && write_done_ == nullptr,
                      "a stream outlives its operations");
    }
    simulated_stream(const simulated_stream&) = delete;
    simulated_stream& operator=(const simulated_stream&) = delete;

    std::optional<io_outcome> read_some(std::span<std::byte> buffer, io_completion& done) override {
        COHORT_ASSERT(read_done_ == nullptr, "a stream has one read at a time");
        if (closed_) {
            return io_outcome{errc::cancelled, 0};
        }
        read_done_ = &done;
        read_into_ = buffer;
        try_read();
        return std::nullopt;
    }

    std::optional<io_outcome> write_some(std::span<const std::span<const std::byte>> buffers,
                                         io_completion& done) override {
        COHORT_ASSERT(write_done_ == nullptr, "a stream has one write at a time");
        if (closed_) {
            return io_outcome{errc::cancelled, 0};
        }
        if (out_->reader_closed || writing_ended_) {
            return io_outcome{errc::end_of_stream, 0};
        }
        write_from_.clear();
        for (auto buffer : buffers) {
            write_from_.insert(write_from_.end(), buffer.begin(), buffer.end());
        }
        if (auto sent = send(); sent != 0) {
            return io_outcome{errc::ok, sent};
        }
        write_done_ = &done;
        return std::nullopt;
    }

    void cancel() noexcept override {
        if (auto* done = std::exchange(read_done_, nullptr)) {
            home_.soon([done] { done->complete(*done, {errc::cancelled, 0}); });
        }
        if (auto* done = std::exchange(write_done_, nullptr)) {
            home_.soon([done] { done->complete(*done, {errc::cancelled, 0}); });
        }
    }

    void end_writing() noexcept override {
        COHORT_ASSERT(write_done_ == nullptr, "writing ends when nothing is being written");
        if (std::exchange(writing_ended_, true)) {
            return;
        }
        home_.world().at(last_arrival_, [out = out_] {
            out->writer_closed = true;
            if (out->on_readable) {
                out->on_readable();
            }
        });
    }

    void close() noexcept override {
        end();
        cancel();
    }

    endpoint peer() const override { return peer_; }

private:
    void end() noexcept {
        if (std::exchange(closed_, true)) {
            return;
        }
        in_->on_readable = nullptr;
        out_->on_writable = nullptr;
        auto& world = home_.world();
        world.at(last_arrival_, [out = out_] {
            out->writer_closed = true;
            if (out->on_readable) {
                out->on_readable();
            }
        });
        world.at(world.now() + world.delay(), [in = in_] {
            in->reader_closed = true;
            if (in->on_writable) {
                in->on_writable();
            }
        });
    }

    std::size_t send() {
        auto& world = home_.world();
        auto room = world.options().stream_buffer -
                    std::min(world.options().stream_buffer, out_->arrived.size() + out_->in_flight);
        auto count = std::min(room, write_from_.size());
        if (count == 0) {
            return 0;
        }
        // One write in four is cut somewhere, as on a real socket.
        if (world.random() % 4 == 0) {
            count = 1 + world.random() % count;
        }
        auto data = std::vector<std::byte>(
            write_from_.begin(), write_from_.begin() + static_cast<std::ptrdiff_t>(count));
        out_->in_flight += count;
        last_arrival_ = std::max(last_arrival_, world.now() + world.delay());
        world.at(last_arrival_, [out = out_, data = std::move(data)] {
            out->in_flight -= data.size();
            if (!out->reader_closed) {
                out->arrived.insert(out->arrived.end(), data.begin(), data.end());
            }
            if (out->on_readable) {
                out->on_readable();
            }
        });
        return count;
    }

    void try_read() {
        if (read_done_ == nullptr || (in_->arrived.empty() && !in_->writer_closed)) {
            return;
        }
        auto outcome = io_outcome{errc::end_of_stream, 0};
        if (!in_->arrived.empty()) {
            auto count = std::min(in_->arrived.size(), read_into_.size());
            // Short reads happen.
            if (home_.world().random() % 4 == 0) {
                count = 1 + home_.world().random() % count;
            }
            std::copy_n(in_->arrived.begin(), count, read_into_.begin());
            in_->arrived.erase(in_->arrived.begin(),
                               in_->arrived.begin() + static_cast<std::ptrdiff_t>(count));
            outcome = {errc::ok, count};
            if (in_->on_writable) {
                in_->on_writable();
            }
        }
        auto* done = std::exchange(read_done_, nullptr);
        home_.soon([done, outcome] { done->complete(*done, outcome); });
    }

    void try_write() {
        if (write_done_ == nullptr) {
            return;
        }
        auto outcome = io_outcome{errc::end_of_stream, 0};
        if (!out_->reader_closed) {
            auto sent = send();
            if (sent == 0) {
                return;
            }
            outcome = {errc::ok, sent};
        }
        auto* done = std::exchange(write_done_, nullptr);
        home_.soon([done, outcome] { done->complete(*done, outcome); });
    }

    simulated_reactor& home_;
    std::shared_ptr<simulated_pipe> in_;
    std::shared_ptr<simulated_pipe> out_;
    endpoint peer_;
    std::span<std::byte> read_into_;
    std::vector<std::byte> write_from_;
    io_completion* read_done_ = nullptr;
    io_completion* write_done_ = nullptr;
    time_point last_arrival_{};
    bool closed_ = false;
    bool writing_ended_ = false;
};

/// A connection that no reactor has taken yet. Dropped, it closes both directions.
class simulated_incoming final : public incoming_stream {
public:
    simulated_incoming(std::shared_ptr<simulated_pipe> in, std::shared_ptr<simulated_pipe> out,
                       endpoint peer)
        : in_{std::move(in)}, out_{std::move(out)}, peer_{std::move(peer)} {}
    ~simulated_incoming() override {
        if (in_) {
            in_->reader_closed = true;
            out_->writer_closed = true;
            if (out_->on_readable) {
                out_->on_readable();
            }
        }
    }
    simulated_incoming(const simulated_incoming&) = delete;
    simulated_incoming& operator=(const simulated_incoming&) = delete;

    result<std::unique_ptr<stream>> attach(reactor& here) override {
        return std::unique_ptr<stream>{std::make_unique<simulated_stream>(
            static_cast<simulated_reactor&>(here), std::exchange(in_, nullptr),
            std::exchange(out_, nullptr), peer_)};
    }

private:
    std::shared_ptr<simulated_pipe> in_;
    std::shared_ptr<simulated_pipe> out_;
    endpoint peer_;
};

class simulated_listener final : public listener {
public:
    simulated_listener(simulated_reactor& home, endpoint local)
        : home_{home}, local_{std::move(local)} {
        home_.world().listeners_[local_.port] = this;
    }
    ~simulated_listener() override { close(); }
    simulated_listener(const simulated_listener&) = delete;
    simulated_listener& operator=(const simulated_listener&) = delete;

    void accept(std::unique_ptr<incoming_stream>& accepted, io_completion& done) override {
        if (closed_) {
            home_.soon([&done] { done.complete(done, {errc::cancelled, 0}); });
            return;
        }
        slot_ = &accepted;
        done_ = &done;
        hand_out();
    }

    void close() noexcept override {
        if (std::exchange(closed_, true)) {
            return;
        }
        home_.world().listeners_.erase(local_.port);
        waiting_.clear();
        if (auto* done = std::exchange(done_, nullptr)) {
            home_.soon([done] { done->complete(*done, {errc::cancelled, 0}); });
        }
    }

    endpoint local() const override { return local_; }

    void arrive(std::unique_ptr<incoming_stream> connection) {
        waiting_.push_back(std::move(connection));
        hand_out();
    }

private:
    void hand_out() {
        if (done_ != nullptr && !waiting_.empty()) {
            *slot_ = std::move(waiting_.front());
            waiting_.pop_front();
            auto* done = std::exchange(done_, nullptr);
            home_.soon([done] { done->complete(*done, {errc::ok, 0}); });
        }
    }

    simulated_reactor& home_;
    endpoint local_;
    std::deque<std::unique_ptr<incoming_stream>> waiting_;
    std::unique_ptr<incoming_stream>* slot_ = nullptr;
    io_completion* done_ = nullptr;
    bool closed_ = false;
};

/// Runs blocking work inline, after a travel time, in the order of submission.
class simulated_worker final : public worker {
public:
    explicit simulated_worker(simulated_world& world) : world_{world} {}

    void submit(work_item& item) override {
        last_ = std::max(last_, world_.now() + world_.delay());
        world_.at(last_, [&item] { item.run(item); });
    }

private:
    simulated_world& world_;
    time_point last_{};
};

}  // namespace detail

result<std::unique_ptr<listener>> simulated_reactor::listen(const endpoint& local) {
    auto address = local;
    if (address.port == 0) {
        address.port = world_.next_port_++;
    }
    if (world_.listeners_.contains(address.port)) {
        return error{errc::network,
                     "cannot listen on " + address.text() + ": Address already in use"};
    }
    return std::unique_ptr<listener>{std::make_unique<detail::simulated_listener>(*this, address)};
}

void simulated_reactor::connect(const endpoint& remote, std::unique_ptr<stream>& connected,
                                io_completion& done) {
    connecting_[&done] = {++attempts_, &connected};
    later([this, remote, &done, number = attempts_] {
        auto found = connecting_.find(&done);
        if (found == connecting_.end() || found->second.number != number) {
            return;  // cancelled
        }
        auto* into = found->second.connected;
        connecting_.erase(found);
        auto target = world_.listeners_.find(remote.port);
        if (target == world_.listeners_.end()) {
            done.complete(done, {errc::network, 0});
            return;
        }
        auto there = std::make_shared<detail::simulated_pipe>();
        auto back = std::make_shared<detail::simulated_pipe>();
        auto own = endpoint{"127.0.0.1", world_.next_port_++};
        *into = std::make_unique<detail::simulated_stream>(*this, back, there, remote);
        target->second->arrive(std::make_unique<detail::simulated_incoming>(there, back, own));
        done.complete(done, {errc::ok, 0});
    });
}

simulated_world::simulated_world(simulation_options options) : options_{options} {
    auto state = options_.seed;
    for (auto& word : random_state_) {
        word = split_mix(state);
    }
}

simulated_world::~simulated_world() = default;

wall_time simulated_world::wall_now() const noexcept {
    // A fixed date keeps logs and Date headers the same in every run.
    return wall_time{std::chrono::seconds{1'700'000'000}} +
           (now_ - time_point{std::chrono::seconds{1'000'000}});
}

std::uint64_t simulated_world::random() {
    auto& s = random_state_;
    auto value = std::rotl(s[1] * 5, 7) * 9;
    auto shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = std::rotl(s[3], 45);
    return value;
}

std::unique_ptr<reactor> simulated_world::make_reactor() {
    return std::make_unique<simulated_reactor>(*this);
}

std::unique_ptr<worker> simulated_world::start_worker(std::string) {
    return std::make_unique<detail::simulated_worker>(*this);
}

result<std::unique_ptr<joining_thread>> simulated_world::start_thread(std::string,
                                                                      std::function<void()>) {
    return error{errc::unsupported,
                 "a simulated world starts no threads: it drives the cores itself"};
}

void simulated_world::pause(duration) {
    COHORT_ASSERT(false, "a simulated world does not block; await a sleep instead");
}

result<std::string> simulated_world::read_file(const std::string& path, std::size_t bytes_max) {
    auto found = files.find(path);
    if (found == files.end()) {
        return error{errc::not_found, "cannot read " + path + ": No such file or directory"};
    }
    if (found->second.size() > bytes_max) {
        return error{errc::too_large,
                     path + " is longer than " + std::to_string(bytes_max) + " bytes"};
    }
    return found->second;
}

void simulated_world::at(time_point when, std::function<void()> action) {
    events_.push({std::max(when, now_), sequence_++, std::move(action)});
}

duration simulated_world::delay() {
    auto span = static_cast<std::uint64_t>((options_.delay_max - options_.delay_min).count()) + 1;
    return options_.delay_min + duration{static_cast<duration::rep>(random() % span)};
}

void simulated_world::advance(duration length) {
    auto target = now_ + length;
    while (!events_.empty() && events_.top().when <= target) {
        now_ = events_.top().when;
        run_due();
    }
    now_ = target;
}

bool simulated_world::run_due() {
    bool any = false;
    while (!events_.empty() && events_.top().when <= now_) {
        auto action = std::move(const_cast<event&>(events_.top()).action);
        events_.pop();
        action();
        any = true;
    }
    return any;
}

std::optional<time_point> simulated_world::next_event() const {
    return events_.empty() ? std::nullopt : std::optional{events_.top().when};
}

}  // namespace cohort
