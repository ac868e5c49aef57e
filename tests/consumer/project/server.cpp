#include <cohort/management/management.hpp>

#include <cstdio>
#include <string>

namespace {

cohort::task<cohort::response> greet(cohort::request incoming) {
    co_return cohort::ok("hello " + std::string{incoming.path("name")} + "\n");
}

}  // namespace

int main() {
    auto node = cohort::system{};
    auto& admin = node.use(cohort::management{});
    auto& http = node.use(cohort::http_server{});
    http.route(cohort::GET, "/greetings/{name}", greet);
    if (auto started = node.start(); !started) {
        std::fprintf(stderr, "%s\n", started.error().message().c_str());
        return 1;
    }
    bool two_ports = http.local().port != 0 && admin.local().port != 0;
    bool ready = node.ready();
    node.shutdown();
    auto status = node.join();
    std::printf("%s, %s, stopped with %d\n", two_ports ? "two ports" : "ports are missing",
                ready ? "ready" : "not ready", status);
    return status;
}
