// expect: reference or const member.*hold a plain value
#include <cohort/runtime/codec.hpp>

#include <string>

struct message {
    const std::string& text;
};

static_assert(cohort::check_serializable<message>());
