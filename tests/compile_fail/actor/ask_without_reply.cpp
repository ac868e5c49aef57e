#include "vocabulary.hpp"

void refused(cohort::ref<shelf> target) {
    static_cast<void>(target.ask<drop>(std::chrono::seconds{1}));
}
