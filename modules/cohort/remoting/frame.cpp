#include <cohort/remoting/frame.hpp>

namespace cohort {
namespace {

bool it_is_no_port(std::uint32_t number) noexcept { return number == 0 || number > 65'535; }

}  // namespace

const char* parse_frame(std::string_view body, frame& out) noexcept {
    if (body.empty()) {
        return "a frame is empty";
    }
    out.kind = static_cast<frame_kind>(body.front());
    if (out.kind < frame_kind::tell || out.kind > frame_kind_last) {
        return "a frame has an unknown kind";
    }
    body.remove_prefix(1);
    bool complete = frame_fields(out, [&](auto& field) {
        if (body.size() < sizeof field) {
            return false;
        }
        std::memcpy(&field, body.data(), sizeof field);
        body.remove_prefix(sizeof field);
        return true;
    });
    if (!complete) {
        return "a frame is shorter than its kind";
    }
    out.payload = body;
    switch (out.kind) {
        case frame_kind::failure:
            if (out.code == errc::ok || out.code > errc_last || out.ran > executed::yes) {
                return "a failure has an impossible code";
            }
            return nullptr;
        case frame_kind::chunk:
            return body.empty() || body.size() > out.total ? "a chunk has an impossible size"
                                                           : nullptr;
        case frame_kind::introduce:
            return body.size() > 255 || it_is_no_port(out.total)
                       ? "a node is introduced with an impossible address"
                       : nullptr;
        case frame_kind::terminated:
            return out.reason > 2 ? "an actor ended for an impossible reason" : nullptr;
        case frame_kind::tell:
        case frame_kind::request:
        case frame_kind::send:
        case frame_kind::reply:
            return nullptr;
        default:
            // A newer node may append fields, which the handshake's version announces.
            return nullptr;
    }
}

}  // namespace cohort
