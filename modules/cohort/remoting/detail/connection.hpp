#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <cohort/remoting/frame_reader.hpp>
#include <cohort/remoting/handshake.hpp>
#include <cohort/remoting/outbox.hpp>
#include <cohort/task/awaiters.hpp>
#include <cohort/task/task.hpp>
#include <cohort/task/wake_signal.hpp>

namespace cohort::detail {

struct remoting_state;

/// Writes all of `bytes`, which must live until then. False when the stream has ended.
[[nodiscard]] task<bool> write_all(stream* to, std::string_view bytes);

/// A connection behind its handshake: cuts what comes into frames, writes what its outbox holds,
/// and ends what makes no progress. Both sides of a lane derive from it.
///
/// Thread: its core's.
class peer_connection {
public:
    explicit peer_connection(remoting_state& node);
    peer_connection(const peer_connection&) = delete;
    peer_connection& operator=(const peer_connection&) = delete;
    virtual ~peer_connection();

    [[nodiscard]] bool connected() const noexcept { return socket_ != nullptr && !ended_; }
    /// Lets the two tasks end.
    void end(std::string_view why) noexcept;
    [[nodiscard]] std::string_view ended_because() const noexcept { return why_; }
    [[nodiscard]] outbox& out() noexcept { return out_; }
    /// Tells the other side where third nodes listen, refs to whose actors it was sent; each once.
    void introduce(const std::vector<actor_address>& mentioned);
    /// The same in front of the frame at `mark`; gives the frame's new mark.
    [[nodiscard]] std::size_t introduce_before(std::size_t mark,
                                               const std::vector<actor_address>& mentioned);
    [[nodiscard]] const outbox& out() const noexcept { return out_; }
    /// Says that the outbox has something: the writer runs behind everything that is ready now, so
    /// one write carries what this turn of the loop has to say.
    void flush() noexcept {
        if (writer_.awaited()) {
            writer_.notify();
        }
    }

protected:
    /// Says what it is for, before it begins.
    void assign(lane kind) noexcept;
    /// Takes a socket into use.
    void begin(std::unique_ptr<stream> socket, std::uint32_t version, std::string_view rest);
    /// Puts it away again; the two tasks have ended.
    void put_away() noexcept;

    [[nodiscard]] task<void> read();
    [[nodiscard]] task<void> write();

    /// A frame that is no ping, pong, chunk or credit. False ends the connection.
    virtual bool arrived(const frame& it) = 0;
    /// Everything that one read brought has been given to `arrived`.
    virtual void read_some_more() {}
    /// Whether silence of the other side means that something is wrong.
    [[nodiscard]] virtual bool expects_an_answer() const noexcept { return false; }
    /// Whether it takes no more frames for now, because its answers are not read.
    [[nodiscard]] virtual bool is_full() const noexcept { return false; }

    remoting_state& node_;
    core& home_;
    lane kind_ = lane::data;
    time_point heard_;    // when bytes came last
    time_point unasked_;  // when a tick last found that no answer was awaited

private:
    enum class step : std::uint8_t { read, yield, end };
    static constexpr int batch_frames = 16;
    step take_frames();
    bool take(const frame& it);
    bool take_chunk(const frame& it);
    void take_introduction(const frame& it);
    void grant_credit();
    void on_tick() noexcept;
    [[nodiscard]] duration stall_time() const noexcept;
    [[nodiscard]] duration ping_interval() const noexcept;

    std::unique_ptr<stream> socket_;
    outbox out_;
    frame_reader reader_;
    reassembly chunks_;
    budget_lease inbound_;
    wake_signal writer_;
    wake_signal room_;
    timer_of<peer_connection> tick_;
    time_point write_began_ = time_point::max();
    std::uint32_t ungranted_ = 0;
    std::uint64_t pings_ = 0;
    bool ended_ = false;
    const char* failure_ = nullptr;
    std::string why_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> introduced_;  // place and generation
};

/// A connection that was made and greeted.
struct greeting {
    std::unique_ptr<stream> socket;
    welcome answer;
    std::string rest;
};
/// Calls a node and waits for its welcome, which may be a rejection.
[[nodiscard]] task<result<greeting>> greet(remoting_state* node, endpoint address, hello first);

}  // namespace cohort::detail
