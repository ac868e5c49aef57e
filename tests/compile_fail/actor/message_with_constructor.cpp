#include "vocabulary.hpp"

struct closed {
    explicit closed(int) {}
};
using refused = cohort::protocol<closed>;
auto size = sizeof(refused);
