// expect: cannot serialize a union.*std::variant
#include <cohort/runtime/codec.hpp>

union number {
    int whole;
    float real;
};
struct message {
    number value{};
};

static_assert(cohort::check_serializable<message>());
