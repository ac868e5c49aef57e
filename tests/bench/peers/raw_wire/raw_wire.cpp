// What messages between two processes cost with nothing in the way: blocking sockets, frames of a
// length and 100 bytes, whole batches in one write. No codec, no actors, no limits: a yardstick for
// the wire rows.
//
//     raw_wire serve PORT
//     raw_wire rpc HOST PORT IN_FLIGHT SECONDS    echoes, each answered by one frame
//     raw_wire tell HOST PORT SECONDS             frames that are only counted
//
// With `--certs FOLDER` behind them, one that `./dev certs server client` made, under TLS 1.3: what
// OpenSSL leaves of the same rates. Nobody's certificate is looked at.

#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::uint32_t payload_bytes = 100;
constexpr std::size_t read_bytes = 256 * 1024;
constexpr std::size_t batch = 64;
enum kind : char { echo = 'e', count = 'c', query = 'q' };

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

[[noreturn]] void fail_tls(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, ERR_reason_error_string(ERR_peek_error()));
    std::exit(1);
}

SSL_CTX* tls_context(const std::string& certs, bool serves) {
    auto* context = SSL_CTX_new(TLS_method());
    const auto name = certs + (serves ? "/server" : "/client");
    if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_use_certificate_file(context, (name + ".pem").c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, (name + "-key.pem").c_str(), SSL_FILETYPE_PEM) != 1) {
        fail_tls("certificate");
    }
    SSL_CTX_set_num_tickets(context, 0);
    return context;
}

// A connected socket, with TLS over it where there is a context.
class wire {
public:
    wire(int socket, SSL_CTX* context, bool serves) : socket_{socket} {
        const int on = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (context != nullptr) {
            tls_.reset(SSL_new(context));
            SSL_set_fd(tls_.get(), socket);
            if ((serves ? SSL_accept(tls_.get()) : SSL_connect(tls_.get())) != 1) {
                fail_tls("handshake");
            }
        }
    }
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;
    ~wire() {
        tls_.reset();
        ::close(socket_);
    }

    void send_all(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto sent = tls_ ? SSL_write(tls_.get(), bytes.data(), bytes_of(bytes.size()))
                                   : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) {
                fail("send");
            }
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    std::ptrdiff_t receive(char* to, std::size_t size) {
        return tls_ ? SSL_read(tls_.get(), to, bytes_of(size)) : ::recv(socket_, to, size, 0);
    }

private:
    static int bytes_of(std::size_t size) { return static_cast<int>(size); }
    struct freed {
        void operator()(SSL* tls) const { SSL_free(tls); }
    };

    int socket_;
    std::unique_ptr<SSL, freed> tls_;
};

int connected(const char* host, const char* port) {
    auto address = sockaddr_in{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    inet_pton(AF_INET, host, &address.sin_addr);
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        fail("connect");
    }
    return socket;
}

void append_frame(std::string& to, kind what, std::uint64_t value) {
    const auto before = to.size();
    to.resize(before + 4 + payload_bytes, 'x');
    auto* frame = to.data() + before;
    std::memcpy(frame, &payload_bytes, 4);
    frame[4] = what;
    std::memcpy(frame + 5, &value, sizeof value);
}

// Calls `take(frame)` for each whole frame that one read brings; false at the end.
class frames {
public:
    explicit frames(wire& from) : from_{from}, buffer_(read_bytes) {}

    template <class Take>
    bool read(Take take) {
        const auto got = from_.receive(buffer_.data() + end_, buffer_.size() - end_);
        if (got <= 0) {
            return false;
        }
        end_ += static_cast<std::size_t>(got);
        std::size_t at = 0;
        while (end_ - at >= 4 + payload_bytes) {
            take(std::string_view{buffer_.data() + at + 4, payload_bytes});
            at += 4 + payload_bytes;
        }
        std::memmove(buffer_.data(), buffer_.data() + at, end_ - at);
        end_ -= at;
        return true;
    }

private:
    wire& from_;
    std::vector<char> buffer_;
    std::size_t end_ = 0;
};

void serve_one(int socket, SSL_CTX* context) {
    auto peer = wire{socket, context, true};
    auto input = frames{peer};
    auto output = std::string{};
    std::uint64_t counted = 0;
    while (input.read([&](std::string_view frame) {
        if (frame[0] == echo) {
            output.append(reinterpret_cast<const char*>(&payload_bytes), 4).append(frame);
        } else if (frame[0] == query) {
            append_frame(output, query, counted);
        } else {
            ++counted;
        }
    })) {
        if (!output.empty()) {
            peer.send_all(output);
            output.clear();
        }
    }
}

void serve(const char* port, SSL_CTX* context) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto address = sockaddr_in{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener, 64) != 0) {
        fail("listen");
    }
    for (;;) {
        const int socket = ::accept(listener, nullptr, nullptr);
        std::thread{serve_one, socket, context}.detach();
    }
}

double seconds_since(clock_type::time_point start) {
    return std::chrono::duration<double>(clock_type::now() - start).count();
}

double cpu_seconds() {
    auto used = rusage{};
    ::getrusage(RUSAGE_SELF, &used);
    auto of = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return of(used.ru_utime) + of(used.ru_stime);
}

void report(const char* row, std::uint64_t done, double seconds, double p50, double p99) {
    std::printf(
        "{\"row\": \"%s\", \"done\": %llu, \"per_second\": %.0f, \"cpu_us\": %.4f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
        row, static_cast<unsigned long long>(done), static_cast<double>(done) / seconds,
        cpu_seconds() * 1e6 / static_cast<double>(done), p50, p99);
}

void rpc(wire& server, std::size_t in_flight, double seconds) {
    auto input = frames{server};
    auto output = std::string{};
    auto sent = std::vector<clock_type::time_point>(in_flight, clock_type::now());
    auto times = std::vector<double>{};
    for (std::size_t slot = 0; slot < in_flight; ++slot) {
        append_frame(output, echo, slot);
    }
    const auto start = clock_type::now();
    std::uint64_t done = 0;
    while (seconds_since(start) < seconds) {
        server.send_all(output);
        output.clear();
        auto now = clock_type::time_point{};
        input.read([&](std::string_view frame) {
            if (output.empty()) {
                now = clock_type::now();
            }
            std::uint64_t slot = 0;
            std::memcpy(&slot, frame.data() + 1, sizeof slot);
            if (done++ % 16 == 0) {
                times.push_back(
                    std::chrono::duration<double, std::micro>(now - sent[slot]).count());
            }
            sent[slot] = now;
            append_frame(output, echo, slot);
        });
    }
    const auto spent = seconds_since(start);
    std::sort(times.begin(), times.end());
    report("rpc", done, spent, times[times.size() / 2], times[times.size() * 99 / 100]);
}

void tell(wire& server, double seconds) {
    auto output = std::string{};
    for (std::size_t index = 0; index < batch; ++index) {
        append_frame(output, count, index);
    }
    const auto start = clock_type::now();
    std::uint64_t sent = 0;
    while (seconds_since(start) < seconds) {
        server.send_all(output);
        sent += batch;
    }
    auto last = std::string{};
    append_frame(last, query, 0);
    server.send_all(last);
    std::uint64_t counted = 0;
    auto input = frames{server};
    input.read(
        [&](std::string_view frame) { std::memcpy(&counted, frame.data() + 1, sizeof counted); });
    if (counted != sent) {
        std::fprintf(stderr, "sent %llu, counted %llu\n", static_cast<unsigned long long>(sent),
                     static_cast<unsigned long long>(counted));
        std::exit(1);
    }
    report("tell", counted, seconds_since(start), 0, 0);
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    const auto mode = std::string_view{argc > 1 ? argv[1] : ""};
    SSL_CTX* context = nullptr;
    if (argc > 3 && std::string_view{argv[argc - 2]} == "--certs") {
        context = tls_context(argv[argc - 1], mode == "serve");
        argc -= 2;
    }
    if (mode == "serve" && argc == 3) {
        serve(argv[2], context);
    } else if (mode == "rpc" && argc == 6) {
        auto server = wire{connected(argv[2], argv[3]), context, false};
        rpc(server, static_cast<std::size_t>(std::atoi(argv[4])), std::atof(argv[5]));
    } else if (mode == "tell" && argc == 5) {
        auto server = wire{connected(argv[2], argv[3]), context, false};
        tell(server, std::atof(argv[4]));
    } else {
        std::fprintf(stderr,
                     "raw_wire serve PORT | rpc HOST PORT IN_FLIGHT SECONDS | "
                     "tell HOST PORT SECONDS, with [--certs FOLDER]\n");
        return 2;
    }
    return 0;
}
