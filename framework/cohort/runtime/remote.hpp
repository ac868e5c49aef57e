#pragma once

#include <cstdint>
#include <string_view>

#include <cohort/runtime/byte_buffer.hpp>
#include <cohort/runtime/handle.hpp>
#include <cohort/runtime/message.hpp>
#include <cohort/world/result.hpp>

namespace cohort {

struct codec_options;
struct pending_answer;

/// 128 random bits that name one incarnation of a node.
struct node_uid {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(node_uid, node_uid) noexcept = default;
    friend auto operator<=>(node_uid, node_uid) noexcept = default;
};

/// By which connection of two nodes messages of a type travel. Those of the control lane never wait
/// behind others, have a small queue of their own, and keep no order with the others. A message
/// says so itself:
///
///     static constexpr auto wire_lane = cohort::message_lane::control;
enum class message_lane : std::uint8_t { data, control };

/// How messages of one type travel between nodes. There is one object for each type whose protocol
/// can leave a node; purely local types have none.
struct wire_format {
    std::uint32_t id;  // message_id
    std::string_view name;
    message_lane lane;
    const message_type* tell;
    const message_type* ask;  // null when nothing is answered
    result<void> (*encode)(const void* content, byte_buffer& out, const codec_options& options);
    /// Makes a node in the pool of the calling thread.
    result<message*> (*decode)(std::string_view input, bool request, const codec_options& options);
    /// Of a `result<T>`, where `T` is what an ask of the message gives.
    result<void> (*encode_reply)(const void* answer, byte_buffer& out,
                                 const codec_options& options);
    result<void> (*decode_reply)(pending_answer& asker, std::string_view input,
                                 const codec_options& options);
};

/// Set where a protocol with the message passes a door (see <cohort/actor/ref_codec.hpp>).
template <class M>
inline constinit const wire_format* wire_slot = nullptr;

/// The right to answer a request of another node, in the shape of a handle: 8 bits
/// `core_elsewhere`, 8 bits the core that keeps it, 20 bits slot, 28 bits generation.
struct reply_token {
    static constexpr std::uint32_t slots = 1U << 20;
    static constexpr std::uint32_t generation_mask = (1U << 28) - 1;

    static constexpr handle of(std::uint32_t core, std::uint32_t slot,
                               std::uint32_t generation) noexcept {
        return {(std::uint64_t{core_elsewhere} << 56) | (std::uint64_t{core} << 48) |
                (std::uint64_t{slot} << 28) | (generation & generation_mask)};
    }
    static constexpr std::uint32_t core(handle token) noexcept {
        return static_cast<std::uint32_t>(token.value >> 48) & 0xffU;
    }
    static constexpr std::uint32_t slot(handle token) noexcept {
        return static_cast<std::uint32_t>(token.value >> 28) & (slots - 1);
    }
    static constexpr std::uint32_t generation(handle token) noexcept {
        return static_cast<std::uint32_t>(token.value) & generation_mask;
    }
};

/// One core's way to other nodes, installed by whoever knows the network. Refs, answers and death
/// watch call it when what they mean is not on this node.
///
/// Thread: its core's.
class remote_gateway {
public:
    virtual ~remote_gateway() = default;

    /// Never waits; what cannot be sent is counted and dropped.
    virtual void tell(const actor_address& to, const wire_format& format,
                      const void* content) noexcept = 0;
    /// Answers `asker` sooner or later, unless it gives up before; never inside the call when that
    /// succeeds.
    virtual void ask(const actor_address& to, const wire_format& format, const void* content,
                     pending_answer& asker, const deadline& until) noexcept = 0;
    /// The same for a message that is answered when the mailbox has taken it.
    virtual void send(const actor_address& to, const wire_format& format, const void* content,
                      pending_answer& asker) noexcept = 0;

    /// Sends the answer, a `result<T>`, of a request that came from another node.
    virtual void reply(handle token, const void* answer) noexcept = 0;
    virtual void fail_reply(handle token, const error& why) noexcept = 0;

    virtual void watch(handle watcher, const actor_address& target) noexcept = 0;
    virtual void unwatch(handle watcher, const actor_address& target) noexcept = 0;
    /// Tells a watcher on another node that an actor of this core has ended.
    virtual void terminated(const actor_address& watcher, handle who, std::uint8_t reason,
                            std::string_view why) noexcept = 0;

    /// For the codec of refs.
    [[nodiscard]] virtual node_uid self() const noexcept = 0;
    [[nodiscard]] virtual std::uint32_t cores() const noexcept = 0;
    /// The node behind a remote address; zero when it is gone.
    [[nodiscard]] virtual node_uid node_of(const actor_address& address) noexcept = 0;
    /// The address of an actor of another node; null when that node is not known.
    [[nodiscard]] virtual actor_address address_of(node_uid node, handle there) noexcept = 0;
};

}  // namespace cohort
