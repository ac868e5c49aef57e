// expect: plain aggregate, or specialise cohort::codec
#include <cohort/runtime/codec.hpp>

class money {
public:
    int cents() const { return cents_; }

private:
    int cents_ = 0;
};
struct message {
    money total;
};

static_assert(cohort::check_serializable<message>());
