// expect: type with a base class.*make the base a member
#include <cohort/runtime/codec.hpp>

struct header {
    int sequence = 0;
};
struct message : header {
    int value = 0;
};

static_assert(cohort::check_serializable<message>());
