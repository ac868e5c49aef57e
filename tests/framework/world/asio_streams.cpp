// Streams of the real world, over loopback.

#include <array>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <cohort/world/world.hpp>

namespace cohort {
namespace {

struct operation : io_completion {
    operation() {
        complete = [](io_completion& base, io_outcome outcome) noexcept {
            auto& self = static_cast<operation&>(base);
            self.outcome = outcome;
            ++self.times;
        };
    }
    io_outcome outcome;
    int times = 0;
};

/// Two ends of a connection on one reactor.
class loopback : public testing::Test {
protected:
    loopback() {
        auto listener = reactor_->listen({"127.0.0.1", 0});
        EXPECT_TRUE(listener);
        auto arrived = std::unique_ptr<incoming_stream>{};
        auto accepted = operation{};
        auto connected = operation{};
        (*listener)->accept(arrived, accepted);
        reactor_->connect((*listener)->local(), client_, connected);
        wait_for(accepted);
        wait_for(connected);
        auto attached = arrived->attach(*reactor_);
        EXPECT_TRUE(attached);
        server_ = std::move(*attached);
    }

    void wait_for(operation& one) {
        while (one.times == 0) {
            reactor_->wait(world_->now() + std::chrono::seconds{10});
        }
        EXPECT_EQ(one.times, 1);
    }
    io_outcome read(stream& from, std::span<std::byte> room) {
        auto one = operation{};
        if (auto known = from.read_some(room, one)) {
            return *known;
        }
        wait_for(one);
        return one.outcome;
    }
    static std::array<std::span<const std::byte>, 1> pieces(std::string_view text) {
        return {std::as_bytes(std::span{text})};
    }
    void write(stream& to, std::string_view text) {
        auto one = operation{};
        auto known = to.write_some(pieces(text), one);
        ASSERT_TRUE(known);
        ASSERT_EQ(known->bytes, text.size());
    }
    std::string text(io_outcome outcome) const {
        return {reinterpret_cast<const char*>(room_.data()), outcome.bytes};
    }

    std::unique_ptr<world> world_ = make_real_world();
    std::unique_ptr<reactor> reactor_ = world_->make_reactor();
    std::unique_ptr<stream> client_;
    std::unique_ptr<stream> server_;
    std::array<std::byte, 64> room_;
};

TEST_F(loopback, gives_what_arrived_before_and_after_the_read_began) {
    write(*client_, "before");
    EXPECT_EQ(text(read(*server_, room_)), "before");
    auto one = operation{};
    ASSERT_FALSE(server_->read_some(room_, one));
    reactor_->poll();
    EXPECT_EQ(one.times, 0);
    write(*client_, "after");
    wait_for(one);
    EXPECT_EQ(text(one.outcome), "after");
    EXPECT_EQ(server_->peer().host, "127.0.0.1");
}

TEST_F(loopback, reads_on_when_there_was_more_than_room) {
    auto sent = std::string(200, 'x');
    write(*client_, sent);
    auto received = std::size_t{0};
    while (received < sent.size()) {
        auto outcome = read(*server_, room_);
        ASSERT_EQ(outcome.code, errc::ok);
        received += outcome.bytes;
    }
    EXPECT_EQ(received, sent.size());
}

TEST_F(loopback, gives_the_end_of_the_stream_behind_the_last_bytes) {
    write(*client_, "last");
    client_->end_writing();
    EXPECT_EQ(text(read(*server_, room_)), "last");
    EXPECT_EQ(read(*server_, room_).code, errc::end_of_stream);
    EXPECT_EQ(read(*server_, room_).code, errc::end_of_stream);
    write(*server_, "answer");
    EXPECT_EQ(text(read(*client_, room_)), "answer");
}

TEST_F(loopback, ends_what_is_pending_when_it_is_cancelled_and_goes_on) {
    auto one = operation{};
    ASSERT_FALSE(server_->read_some(room_, one));
    server_->cancel();
    EXPECT_EQ(one.times, 0);
    wait_for(one);
    EXPECT_EQ(one.outcome.code, errc::cancelled);
    write(*client_, "again");
    EXPECT_EQ(text(read(*server_, room_)), "again");
}

TEST_F(loopback, may_be_destroyed_while_a_read_is_pending) {
    auto one = operation{};
    ASSERT_FALSE(server_->read_some(room_, one));
    server_.reset();
    wait_for(one);
    EXPECT_EQ(one.outcome.code, errc::cancelled);
    EXPECT_EQ(read(*client_, room_).code, errc::end_of_stream);
}

TEST_F(loopback, goes_on_writing_when_the_reader_has_made_room) {
    auto block = std::string(1 << 16, 'x');
    auto sent = std::size_t{0};
    auto one = operation{};
    for (;;) {
        auto known = client_->write_some(pieces(block), one);
        if (!known) {
            break;
        }
        ASSERT_EQ(known->code, errc::ok);
        sent += known->bytes;
    }
    auto received = std::size_t{0};
    auto large = std::vector<std::byte>(1 << 16);
    while (received < sent + one.outcome.bytes) {
        auto outcome = read(*server_, large);
        ASSERT_EQ(outcome.code, errc::ok);
        received += outcome.bytes;
    }
    EXPECT_EQ(one.times, 1);
    EXPECT_EQ(one.outcome.code, errc::ok);
}

TEST_F(loopback, reports_a_peer_that_is_gone) {
    client_.reset();
    EXPECT_EQ(read(*server_, room_).code, errc::end_of_stream);
    auto one = operation{};
    auto code = errc::ok;
    for (int tries = 0; tries < 100 && code == errc::ok; ++tries) {
        auto known = server_->write_some(pieces("nobody"), one);
        ASSERT_TRUE(known);
        code = known->code;
        reactor_->poll();
    }
    EXPECT_EQ(code, errc::end_of_stream);
}

TEST_F(loopback, lets_other_operations_through_while_streams_are_busy) {
    auto listener = reactor_->listen({"127.0.0.1", 0});
    ASSERT_TRUE(listener);
    auto arrived = std::unique_ptr<incoming_stream>{};
    auto accepted = operation{};
    (*listener)->accept(arrived, accepted);
    auto other = std::unique_ptr<stream>{};
    auto connected = operation{};
    reactor_->connect((*listener)->local(), other, connected);
    while (accepted.times == 0 || connected.times == 0) {
        write(*client_, "busy");
        EXPECT_EQ(text(read(*server_, room_)), "busy");
    }
    EXPECT_EQ(accepted.outcome.code, errc::ok);
}

}  // namespace
}  // namespace cohort
