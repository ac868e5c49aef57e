#include <cohort/world/result.hpp>

#include <cstdio>

int main() {
    auto size = cohort::result<int>{1};
    if (!size || cohort::name(cohort::errc::timeout) != "timeout") {
        return 1;
    }
    std::printf("consumer: a cohort of %s works\n", *size == 1 ? "one" : "many");
    return 0;
}
