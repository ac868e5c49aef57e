#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cohort/actor/context.hpp>
#include <cohort/actor/system.hpp>
#include <cohort/remoting/detail/connection.hpp>
#include <cohort/remoting/detail/directory.hpp>

namespace cohort::detail {

class stranger;

/// Where a frame came from, on any core.
struct source {
    holder connection;
    std::uint32_t place = 0;  // of the peer
    std::uint32_t generation = 0;
};

/// A lane that a peer connected: its messages come here, and answers to them go back.
///
/// Thread: its core's.
class inbound final : public peer_connection {
public:
    inbound(remoting_state& node, std::unique_ptr<stream> socket);
    ~inbound() override;

    /// An answer, as the frames of it; the request was one of this connection.
    void answer(std::string_view frames);
    /// Ends the answer that was begun at `mark` in the outbox.
    void finish_answer(std::size_t mark);
    /// One core has dealt with everything that the connection before this one had brought.
    void barrier_passed() noexcept;

    [[nodiscard]] const peer& who() const noexcept { return who_; }

    static behavior<silent> serve(context<silent> self, remoting_state* node,
                                  std::unique_ptr<incoming_stream> accepted, stranger place,
                                  std::unique_ptr<inbound> it);

private:
    bool arrived(const frame& it) override;
    void read_some_more() override;
    [[nodiscard]] bool is_full() const noexcept override;

    [[nodiscard]] task<bool> shake_hands();
    [[nodiscard]] task<bool> read_hello();
    [[nodiscard]] rejection admit();
    static void pass_through(core& there, remoting_state& node, holder waiting);
    [[nodiscard]] task<void> wait_for_old(holder old);
    [[nodiscard]] task<void> wait_for_all();
    void lost();
    void route(const frame& it);

    std::unique_ptr<stream> fresh_;
    std::string host_;
    handshake_reader reader_;
    hello first_;
    peer who_;
    holder self_;
    holder replaced_;
    std::uint32_t barriers_ = 0;
    wake_signal barrier_;
    std::vector<byte_buffer> for_cores_;
    std::uint32_t serving_ = 0;
    bool stranger_ = false;
    bool admitted_ = false;
    bool begins_anew_ = false;  // one of the two had given the other up
};

}  // namespace cohort::detail
