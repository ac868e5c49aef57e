#include "vocabulary.hpp"

void refused(cohort::ref<shelf> target) { static_cast<void>(target.ask<get>(5)); }
