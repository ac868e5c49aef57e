// expect: cannot serialize a pointer.*hold the value itself
#include <cohort/actor/ref_codec.hpp>

// A ref that is encoded leaves the node, so its protocol has to be able to.
struct local_only {
    int* here;
};
struct introduction {
    cohort::ref<cohort::protocol<local_only>> who;
};

void send(const introduction& value, cohort::byte_buffer& out) {
    static_cast<void>(cohort::encode(value, out));
}
