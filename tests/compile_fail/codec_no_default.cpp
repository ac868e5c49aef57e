// expect: cannot be made from.*default value
#include <cohort/runtime/codec.hpp>

struct strict {
    explicit strict(int) {}
};
struct message {
    strict value;
};

static_assert(cohort::check_serializable<message>());
