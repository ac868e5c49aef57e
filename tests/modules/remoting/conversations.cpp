// Records what two nodes say to each other, byte by byte, in a relay between them. What it is good
// for: the seeds of the fuzz targets are such conversations, and every kind of frame occurs in one.
//
//     COHORT_RECORD=tests/fuzz/corpus test_remoting --gtest_filter=conversations*

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include <cohort/remoting/detail/connection.hpp>
#include <cohort/task/combinators.hpp>
#include <fuzz/service.hpp>

namespace cohort::conversation {
namespace {

using silent = detail::silent;
constexpr std::size_t head_bytes = 12;

/// One connection through a relay, and which node made it.
struct recorded {
    std::string caller;
    std::string up;
    std::string down;
};
using record = std::vector<std::unique_ptr<recorded>>;

task<void> pass_on(stream* from, stream* to, std::string* into) {
    auto bytes = std::array<std::byte, 4096>{};
    for (;;) {
        auto outcome = co_await read_some(*from, bytes);
        if (outcome.code != errc::ok) {
            break;
        }
        auto piece = std::string_view{reinterpret_cast<const char*>(bytes.data()), outcome.bytes};
        into->append(piece);
        bool written = co_await detail::write_all(to, piece);
        if (!written) {
            break;
        }
    }
    from->close();
    to->close();
}

behavior<silent> relay(context<silent>, std::unique_ptr<stream> from, endpoint where,
                       recorded* into) {
    auto to = co_await connect(where);
    if (to) {
        co_await when_all(pass_on(from.get(), to->get(), &into->up),
                          pass_on(to->get(), from.get(), &into->down));
    }
}

behavior<silent> relay_all(context<silent> self, std::unique_ptr<cohort::listener> at,
                           endpoint where, record* into) {
    for (;;) {
        auto fresh = co_await accept(*at);
        if (!fresh) {
            co_return;
        }
        auto from = (*fresh)->attach(self.core().reactor());
        EXPECT_TRUE(from);
        auto& made = into->emplace_back(std::make_unique<recorded>());
        made->caller = (*from)->peer().host;
        self.spawn(relay, std::move(*from), where, made.get());
    }
}

void boot_relay(simulated_node& node, const endpoint& where, record* into) {
    auto& system = node.system();
    ASSERT_TRUE(system.start());
    auto at = std::unique_ptr<cohort::listener>{};
    system.on_core(
        0, [&](core& here) { at = std::move(*here.reactor().listen({node.host(), port})); });
    static_cast<void>(system.spawn_on(0, relay_all, std::move(at), where, into));
}

/// Two nodes with a relay in front of each: 10.0.0.3 leads to 10.0.0.1, 10.0.0.4 to 10.0.0.2.
record hold_conversation() {
    auto out = record{};
    auto sim = simulation{{.seed = 1}};
    auto add = [&sim](endpoint advertised, endpoint where) -> simulated_node& {
        return sim.add({.runtime = {.cores = 2}, .boot = [advertised, where](simulated_node& node) {
                            boot(node, advertised, where);
                        }});
    };
    auto& left = add({"10.0.0.3", port}, {"10.0.0.4", port});
    auto& right = add({"10.0.0.4", port}, {"10.0.0.3", port});
    for (const auto* target : {"10.0.0.1", "10.0.0.2"}) {
        sim.add({.boot = [&out, target](simulated_node& node) {
            boot_relay(node, {target, port}, &out);
        }});
    }
    // The fuzzed peer takes its name: refs in what was recorded are its own.
    EXPECT_EQ(static_cast<station*>(right.state.get())->network->uid(), right_uid);
    sim.run_for(3s);
    EXPECT_TRUE(sim.stop(right));
    sim.run_for(1s);
    EXPECT_TRUE(sim.stop(left));
    return out;
}

/// What follows the handshake, cut into the bodies of frames.
std::vector<std::string> frames_of(std::string_view bytes) {
    auto size = std::uint32_t{};
    std::memcpy(&size, bytes.data() + 8, sizeof size);
    bytes.remove_prefix(head_bytes + size);
    auto out = std::vector<std::string>{};
    while (bytes.size() >= sizeof size) {
        std::memcpy(&size, bytes.data(), sizeof size);
        out.emplace_back(bytes.substr(sizeof size, size));
        bytes.remove_prefix(std::min(bytes.size(), sizeof size + size));
    }
    return out;
}

std::string_view handshake_of(std::string_view bytes) {
    auto size = std::uint32_t{};
    std::memcpy(&size, bytes.data() + 8, sizeof size);
    return bytes.substr(0, head_bytes + size);
}

hello hello_of(const recorded& it) {
    auto reader = handshake_reader{};
    auto first = hello{};
    auto bytes = handshake_of(it.up);
    std::memcpy(reader.prepare().data(), bytes.data(), bytes.size());
    reader.commit(bytes.size());
    EXPECT_EQ(reader.next(first), handshake_reader::state::complete);
    return first;
}

std::string with_length(std::string_view body) {
    auto size = static_cast<std::uint32_t>(body.size());
    auto out = std::string(sizeof size, '\0');
    std::memcpy(out.data(), &size, sizeof size);
    return out.append(body);
}

/// Long chunks make a seed slow to mutate and teach nothing: a chunked message of two short ones
/// takes their place.
std::vector<std::string> shortened(const std::vector<std::string>& frames) {
    constexpr std::size_t long_bytes = 1024;
    auto out = std::vector<std::string>{};
    for (const auto& body : frames) {
        auto it = frame{};
        EXPECT_EQ(parse_frame(body, it), nullptr);
        if (body.size() < long_bytes) {
            out.push_back(body);
        } else if (it.payload.size() == it.total || out.empty()) {
            continue;
        } else if (it.payload.size() == chunk_bytes_max) {
            auto whole = std::string_view{out.front()};
            for (auto piece : {whole.substr(0, 5), whole.substr(5)}) {
                auto bytes = byte_buffer{};
                write_frame({.kind = frame_kind::chunk,
                             .stream = it.stream,
                             .total = static_cast<std::uint32_t>(whole.size()),
                             .payload = piece},
                            bytes);
                out.emplace_back(bytes.view().substr(sizeof(std::uint32_t)));
            }
        }
    }
    return out;
}

void save(const std::string& target, const std::string& name, std::string_view content) {
    const auto* folder = std::getenv("COHORT_RECORD");
    if (folder == nullptr) {
        return;
    }
    auto path = std::filesystem::path{folder} / target / ("recorded_" + name);
    auto file = std::ofstream{path, std::ios::binary};
    file << content;
    EXPECT_TRUE(file.good()) << path;
}

/// Seeds of `fuzz_frame`, and of `fuzz_peer` where the bytes went to the node that it attacks.
void save_frames(const recorded& it, const std::string& name, lane on, bool up) {
    auto frames = shortened(frames_of(up ? it.up : it.down));
    if (frames.empty()) {
        return;
    }
    auto stream = std::string{};
    auto script = std::string(1, static_cast<char>((up ? 0 : 1) | (on == lane::data ? 0 : 2)));
    for (const auto& body : frames) {
        stream += with_length(body);
        script += with_length(body).substr(0, 2) + body;
    }
    save("fuzz_frame", name, stream);
    if (up == (it.caller == "10.0.0.2")) {
        save("fuzz_peer", name, script);
    }
}

TEST(conversations, of_two_nodes_have_every_kind_of_frame) {
    auto whole = hold_conversation();
    auto kinds = std::set<frame_kind>{};
    auto lanes = std::set<lane>{};
    for (const auto& each : whole) {
        if (each->down.empty()) {
            continue;  // to a node that had ended
        }
        auto first = hello_of(*each);
        auto on = first.lane;
        lanes.insert(on);
        for (const auto* bytes : {&each->up, &each->down}) {
            for (const auto& body : frames_of(*bytes)) {
                auto it = frame{};
                ASSERT_EQ(parse_frame(body, it), nullptr);
                kinds.insert(it.kind);
                auto again = byte_buffer{};
                write_frame(it, again);
                EXPECT_EQ(again.view(), with_length(body));
            }
        }
        auto name = std::string{on == lane::contact ? "contact"
                                : on == lane::data  ? "data"
                                                    : "control"};
        save("fuzz_handshake", "hello_" + name, handshake_of(each->up));
        save("fuzz_handshake", "welcome_" + name, handshake_of(each->down));
        if (on != lane::contact) {
            name +=
                (each->caller == "10.0.0.1" ? "_left_" : "_right_") + std::to_string(first.core);
            save_frames(*each, name + "_up", on, true);
            save_frames(*each, name + "_down", on, false);
        }
    }
    EXPECT_EQ(lanes.size(), 3U);
    // Nodes are introduced to each other where there are three.
    EXPECT_EQ(kinds.size(), static_cast<std::size_t>(frame_kind_last) - 1);
    EXPECT_FALSE(kinds.contains(frame_kind::introduce));
}

}  // namespace
}  // namespace cohort::conversation
