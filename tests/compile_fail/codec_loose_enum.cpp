// expect: without a fixed underlying type.*enum class
#include <cohort/runtime/codec.hpp>

enum mode { fast, safe };
struct message {
    mode chosen = fast;
};

static_assert(cohort::check_serializable<message>());
