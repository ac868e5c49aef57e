#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <cohort/runtime/byte_buffer.hpp>
#include <cohort/runtime/remote.hpp>
#include <cohort/world/network.hpp>

namespace cohort {

/// What a connection is for.
enum class lane : std::uint8_t {
    contact,  ///< only to learn who listens at an address
    control,  ///< signs of life, and messages that say so; never behind data
    data,     ///< messages of one core of the caller
};

/// Why a node does not take a connection.
enum class rejection : std::uint8_t {
    none,
    version,     ///< no version of the protocol is spoken by both
    cluster,     ///< another cluster's name
    itself,      ///< the node called itself
    other_node,  ///< the node that was called is not at this address; another one answers
    forgotten,   ///< this node gave the caller up, and with it what the caller knows of it
    stale,       ///< a newer connection for the same lane exists
    busy,        ///< too many connections
    leaving,     ///< the node is stopping
};

/// The rejection as a sentence's end: "the node refused: ...".
[[nodiscard]] std::string_view name(rejection why) noexcept;

inline constexpr std::uint16_t wire_version_min = 1;
inline constexpr std::uint16_t wire_version_max = 1;

/// The first thing the caller says. Fields may be appended.
struct hello {
    std::uint16_t version_min = wire_version_min;
    std::uint16_t version_max = wire_version_max;
    cohort::lane lane = lane::contact;
    std::uint8_t core = 0;  // whose messages come, on a data lane
    node_uid caller;
    node_uid callee;  // whom the caller expects; zero on a contact
    std::uint64_t nonce = 0;
    std::uint64_t attempt = 0;  // rises with every connection of the same lane and core
    // Which acquaintance is meant: each side draws a number when it gets to know the other, and a
    // side that gave the other up draws a new one. Zero is unknown.
    std::uint64_t caller_session = 0;
    std::uint64_t callee_session = 0;
    std::uint32_t frame_bytes_max = 0;
    std::uint32_t message_bytes_max = 0;
    std::string cluster;
    std::string host;  // where the caller listens itself
    std::uint16_t port = 0;
};

/// The answer.
struct welcome {
    rejection why = rejection::none;
    std::uint16_t version = 0;
    node_uid callee;
    std::uint64_t nonce = 0;  // the caller's
    std::uint64_t callee_session = 0;
    std::uint32_t frame_bytes_max = 0;
    std::uint32_t message_bytes_max = 0;
    std::uint64_t names = 0;  // the handle of the actor that knows what is exposed
    std::string host;
    std::uint16_t port = 0;
};

/// Appends the message with its magic and length. Names and hosts that are too long are a mistake
/// of the configuration, which is checked: asserted.
void write_handshake(const hello& message, byte_buffer& out);
void write_handshake(const welcome& message, byte_buffer& out);

/// Reads one handshake message of at most 4 KiB out of a stream of untrusted bytes.
class handshake_reader {
public:
    static constexpr std::size_t bytes_max = 4096;
    static constexpr std::size_t text_max = 255;

    /// Where the next bytes go.
    [[nodiscard]] std::span<std::byte> prepare() noexcept;
    void commit(std::size_t size) noexcept { size_ += size; }

    enum class state : std::uint8_t { need_more, complete, broken };
    [[nodiscard]] state next(hello& message) noexcept;
    [[nodiscard]] state next(welcome& message) noexcept;
    /// What is wrong, after `broken`.
    [[nodiscard]] std::string_view failure() const noexcept { return failure_; }
    /// What came behind the message.
    [[nodiscard]] std::string_view rest() const noexcept;

private:
    template <class Message>
    state read(Message& message, std::string_view magic) noexcept;
    state broken(std::string_view why) noexcept;

    std::array<char, bytes_max> bytes_;
    std::size_t size_ = 0;
    std::size_t end_ = 0;
    std::string_view failure_;
};

/// What the called side compares a hello with.
struct handshake_rules {
    node_uid self;
    std::string_view cluster;
};

/// The part of the answer that needs no memory of the caller: version, cluster, whom it wants.
[[nodiscard]] rejection judge(const hello& message, const handshake_rules& rules) noexcept;
/// The version both speak; only after `judge` found one.
[[nodiscard]] std::uint16_t common_version(const hello& message) noexcept;

}  // namespace cohort
