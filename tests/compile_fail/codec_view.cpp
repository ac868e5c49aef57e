// expect: cannot serialize a view.*must own
#include <cohort/runtime/codec.hpp>

#include <string_view>

struct message {
    std::string_view text;
};

static_assert(cohort::check_serializable<message>());
