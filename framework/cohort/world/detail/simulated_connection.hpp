#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include <cohort/world/detail/simulated_reactor.hpp>
#include <cohort/world/simulated_world.hpp>

namespace cohort::detail {

class simulated_stream;

/// One direction of a connection, written by one end and read by the other.
struct simulated_pipe {
    enum class mark : std::uint8_t { data, fin, reset };
    struct piece {
        time_point when;
        std::size_t bytes;
        mark what;
        time_point sent;
    };

    std::vector<std::byte> bytes;  // from `head` on: what has arrived, then what is on its way
    std::size_t head = 0;
    std::size_t arrived = 0;
    std::deque<piece> flying;
    time_point last_arrival{};
    time_point held_since{};
    bool expected = false;  // an event will look at the first piece
    bool held = false;      // it cannot get through
    bool fin_sent = false;
    bool fin_arrived = false;
    bool ack_expected = false;  // an event will tell the writer that there is room
    std::size_t unacked = 0;    // read, and the writer cannot know
    std::uint64_t drawn = 0;

    [[nodiscard]] std::size_t stored() const noexcept { return bytes.size() - head; }
    void drop_flying() {
        flying.clear();
        bytes.resize(head + arrived);
    }
};

/// A connection between two nodes: what the kernels of both machines know of it. End 0 connected,
/// end 1 accepted; pipe `i` is written by end `i`.
struct simulated_connection : std::enable_shared_from_this<simulated_connection> {
    // `gone`: closed, what arrives is answered with a reset. `lost`: the machine knows nothing of
    // it.
    enum class standing : std::uint8_t { open, gone, lost };
    struct end {
        std::uint32_t node = 0;
        std::uint16_t port = 0;
        standing state = standing::open;
        errc failed = errc::ok;  // what reads and writes give, once what arrived has been read
        simulated_stream* stream = nullptr;
    };

    simulated_connection(simulated_network& network, std::uint64_t with_number)
        : net{network}, number{with_number} {}

    /// Takes what there is room for, at most one piece; returns its length, 0 when there is no
    /// room.
    std::size_t send(std::size_t side, std::span<const std::span<const std::byte>> buffers);
    void mark(std::size_t side, simulated_pipe::mark what);
    /// Reads at most a span's length of what has arrived.
    std::size_t receive(std::size_t side, std::span<std::byte> into);
    void close(std::size_t side);
    /// The end's program died in a stop in the middle of what it did: what it would have sent after
    /// that was never sent.
    void unsend(std::size_t side);
    /// The end's machine lost power.
    void lose(std::size_t side) noexcept { ends[side].state = standing::lost; }
    /// Both ends fail at once, and a part of what is on its way is lost.
    void tear();
    void fail(std::size_t side, errc why);
    /// What is on its way to the other end of `side` may get through again.
    void retry(std::size_t side);
    /// The end of `side` hears again how much the other has read.
    void hear(std::size_t side);
    [[nodiscard]] bool over() const noexcept {
        return ends[0].state != standing::open && ends[1].state != standing::open &&
               pipes[0].flying.empty() && pipes[1].flying.empty();
    }

    /// A draw that belongs to what `side` writes or reads.
    [[nodiscard]] std::uint64_t draw(std::size_t side) noexcept;
    /// True time as the code at an end sees it.
    [[nodiscard]] time_point here(std::size_t side) const noexcept;

    simulated_network& net;
    std::uint64_t number;
    std::array<end, 2> ends;
    std::array<simulated_pipe, 2> pipes;

private:
    void expect(std::size_t side);
    void arrive(std::size_t side);
    void hold(std::size_t side);
    void take(std::size_t side, simulated_pipe::piece piece);
    void damage(std::size_t side, std::size_t count);
    [[nodiscard]] bool healthy(std::size_t side) const noexcept {
        return ends[side].state == standing::open && ends[side].failed == errc::ok;
    }
    [[nodiscard]] bool passes(std::size_t side) const noexcept {
        return net.passes(ends[side].node, ends[1 - side].node);
    }
};

class simulated_stream final : public stream {
public:
    simulated_stream(simulated_reactor& home, std::shared_ptr<simulated_connection> whole,
                     std::size_t side);
    ~simulated_stream() override;
    simulated_stream(const simulated_stream&) = delete;
    simulated_stream& operator=(const simulated_stream&) = delete;

    std::optional<io_outcome> read_some(std::span<std::byte> buffer, io_completion& done) override;
    std::optional<io_outcome> write_some(std::span<const std::span<const std::byte>> buffers,
                                         io_completion& done) override;
    void cancel() noexcept override;
    void end_writing() noexcept override;
    void close() noexcept override;
    endpoint peer() const override;

    /// Something changed for the reader, or for the writer.
    void try_read();
    void try_write();
    [[nodiscard]] bool waits_to_write() const noexcept { return write_done_ != nullptr; }

private:
    void end() noexcept;
    [[nodiscard]] std::optional<io_outcome> read_now(std::span<std::byte> into);
    void finish(io_completion*& pending, io_outcome outcome);

    simulated_reactor& home_;
    std::shared_ptr<simulated_connection> whole_;
    std::size_t side_;
    std::span<std::byte> read_into_;
    std::array<std::span<const std::byte>, 8> write_from_;
    std::size_t write_buffers_ = 0;
    io_completion* read_done_ = nullptr;
    io_completion* write_done_ = nullptr;
    bool closed_ = false;
    bool writing_ended_ = false;
};

/// A connection that no reactor has taken yet. Dropped, it closes.
class simulated_incoming final : public incoming_stream {
public:
    explicit simulated_incoming(std::shared_ptr<simulated_connection> whole)
        : whole_{std::move(whole)} {}
    ~simulated_incoming() override;
    simulated_incoming(const simulated_incoming&) = delete;
    simulated_incoming& operator=(const simulated_incoming&) = delete;

    result<std::unique_ptr<stream>> attach(reactor& here) override;

private:
    std::shared_ptr<simulated_connection> whole_;
};

}  // namespace cohort::detail
