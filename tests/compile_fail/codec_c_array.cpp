// expect: cannot serialize a C array.*std::array
#include <cohort/runtime/codec.hpp>

struct message {
    int id = 0;
    char name[16] = {};
};

static_assert(cohort::check_serializable<message>());
