// The one row where Boost.Asio's own coroutine is the peer: receiving a message that is already
// queued, the receive itself being a coroutine that is awaited.

#include "../../measure.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <variant>

namespace cohort::bench {

namespace {

namespace asio = boost::asio;

struct put {
    std::uint64_t id;
    std::uint64_t value;
};
struct get {
    std::uint64_t id;
    std::uint64_t ticket;
};
struct answer {
    std::uint64_t id;
    std::uint64_t value;
};
struct finish {
    std::uint64_t sent;
};
using message = std::variant<put, get, answer, finish>;
static_assert(sizeof(message) == 24);

/// A ring of messages that the benchmark keeps full, so that no receive ever waits.
class full_mailbox {
public:
    full_mailbox() {
        for (std::uint64_t i = 0; i < messages_.size(); ++i) {
            messages_[i] = put{i, 1};
        }
    }

    asio::awaitable<message> receive() { co_return messages_[next_++ % messages_.size()]; }

private:
    std::array<message, 1024> messages_;
    std::uint64_t next_ = 0;
};

asio::awaitable<void> receive_all(full_mailbox& mailbox, std::uint64_t ops, std::uint64_t& sum) {
    for (std::uint64_t i = 0; i < ops; ++i) {
        const message received = co_await mailbox.receive();
        if (const auto* value = std::get_if<put>(&received)) {
            sum += value->value;
        }
    }
}

void receive(std::uint64_t ops) {
    asio::io_context context{1};
    full_mailbox mailbox;
    std::uint64_t sum = 0;
    asio::co_spawn(context, receive_all(mailbox, ops, sum), asio::detached);
    context.run();
    if (sum != ops) {
        std::fprintf(stderr, "the receiver lost messages\n");
        std::exit(1);
    }
}

}  // namespace

}  // namespace cohort::bench

int main(int argc, char** argv) {
    using namespace cohort::bench;
    const arguments asked = parse_arguments(argc, argv);
    if (asked.row != "receive" || asked.cores != 1) {
        std::fprintf(stderr, "only the row `receive`, on one core\n");
        return 2;
    }
    print("asio", asked.row, asked.cores, measure(100'000, receive));
    return 0;
}
