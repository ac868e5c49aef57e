// expect: bit-field
#include <cohort/runtime/codec.hpp>

struct message {
    unsigned kind : 3;
};

static_assert(cohort::check_serializable<message>());
