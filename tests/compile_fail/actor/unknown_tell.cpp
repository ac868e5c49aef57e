#include "vocabulary.hpp"

void refused(cohort::ref<shelf> target) { target.tell(stranger{}); }
