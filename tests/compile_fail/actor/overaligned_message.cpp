#include "vocabulary.hpp"

struct alignas(64) wide {
    int value = 0;
};

void refused(cohort::ref<cohort::protocol<wide>> target) { target.tell(wide{}); }
