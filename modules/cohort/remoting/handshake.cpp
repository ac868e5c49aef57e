#include <cohort/remoting/handshake.hpp>

#include <algorithm>
#include <cstring>

#include <cohort/runtime/codec.hpp>
#include <cohort/world/mutant.hpp>

namespace cohort {
namespace {

constexpr std::string_view hello_magic = "COHORT>1";
constexpr std::string_view welcome_magic = "COHORT<1";
constexpr std::size_t head_bytes = 8 + sizeof(std::uint32_t);
constexpr auto limits =
    codec_limits{.message_bytes_max = handshake_reader::bytes_max - head_bytes, .elements_max = 0};

bool sound(const hello& message) noexcept {
    return message.lane <= lane::data && message.version_min <= message.version_max &&
           message.caller != node_uid{} && message.cluster.size() <= handshake_reader::text_max &&
           message.host.size() <= handshake_reader::text_max;
}

bool sound(const welcome& message) noexcept {
    return message.why <= rejection::leaving && message.host.size() <= handshake_reader::text_max &&
           (message.why != rejection::none || message.callee != node_uid{});
}

template <class Message>
void write(const Message& message, std::string_view magic, byte_buffer& out) {
    COHORT_ASSERT(sound(message), "N-1: a handshake that is written can be read");
    out.append(magic);
    auto mark = out.size();
    static_cast<void>(out.extend(sizeof(std::uint32_t)));
    auto written = encode(message, out, {.limits = limits});
    COHORT_ASSERT(written.has_value(), "N-1: a handshake that is written can be read");
    auto size = static_cast<std::uint32_t>(out.size() - mark - sizeof(std::uint32_t));
    std::memcpy(out.data() + mark, &size, sizeof size);
}

}  // namespace

std::string_view name(rejection why) noexcept {
    switch (why) {
        case rejection::none:
            return "nothing is wrong";
        case rejection::version:
            return "no version of the protocol is spoken by both";
        case rejection::cluster:
            return "it belongs to another cluster";
        case rejection::itself:
            return "a node does not call itself";
        case rejection::other_node:
            return "another node is at this address";
        case rejection::forgotten:
            return "it had given this node up";
        case rejection::stale:
            return "a newer connection exists";
        case rejection::busy:
            return "it has too many connections";
        case rejection::leaving:
            return "it is stopping";
    }
    return "unknown";
}

void write_handshake(const hello& message, byte_buffer& out) { write(message, hello_magic, out); }
void write_handshake(const welcome& message, byte_buffer& out) {
    write(message, welcome_magic, out);
}

std::span<std::byte> handshake_reader::prepare() noexcept {
    COHORT_ASSERT(size_ < bytes_max, "N-2: a full handshake has been judged");
    return std::as_writable_bytes(std::span{bytes_}.subspan(size_));
}

handshake_reader::state handshake_reader::broken(std::string_view why) noexcept {
    failure_ = why;
    return state::broken;
}

template <class Message>
handshake_reader::state handshake_reader::read(Message& message, std::string_view magic) noexcept {
    auto input = std::string_view{bytes_.data(), size_};
    auto compared = std::min(input.size(), magic.size());
    if (input.substr(0, compared) != magic.substr(0, compared)) {
        return broken("these are not the first bytes of a node");
    }
    if (input.size() < head_bytes) {
        return state::need_more;
    }
    auto size = std::uint32_t{};
    std::memcpy(&size, input.data() + magic.size(), sizeof size);
    if (size > bytes_max - head_bytes) {
        return broken("the handshake is too long");
    }
    if (input.size() < head_bytes + size) {
        return state::need_more;
    }
    end_ = head_bytes + size;
    if (!decode_into(message, input.substr(head_bytes, size), {.limits = limits}) ||
        !sound(message)) {
        return broken("the handshake is malformed");
    }
    return state::complete;
}

handshake_reader::state handshake_reader::next(hello& message) noexcept {
    return read(message, hello_magic);
}
handshake_reader::state handshake_reader::next(welcome& message) noexcept {
    return read(message, welcome_magic);
}

std::string_view handshake_reader::rest() const noexcept {
    return {bytes_.data() + end_, size_ - end_};
}

rejection judge(const hello& message, const handshake_rules& rules) noexcept {
    if (message.version_max < wire_version_min || message.version_min > wire_version_max) {
        return rejection::version;
    }
    if (message.cluster != rules.cluster) {
        return rejection::cluster;
    }
    if (message.caller == rules.self) {
        return rejection::itself;
    }
    if (message.lane != lane::contact && message.callee != rules.self &&
        !COHORT_MUTANT(old_incarnation_kept)) {
        return rejection::other_node;
    }
    return rejection::none;
}

std::uint16_t common_version(const hello& message) noexcept {
    return std::min(message.version_max, wire_version_max);
}

}  // namespace cohort
