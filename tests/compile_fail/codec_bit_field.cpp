// expect: bit-field
#include <cohort/runtime/codec.hpp>

struct message {
    unsigned urgent : 1;
    unsigned last : 1;
    unsigned kind : 3;
    unsigned hops : 2;
    unsigned spare : 1;
};

static_assert(cohort::check_serializable<message>());
