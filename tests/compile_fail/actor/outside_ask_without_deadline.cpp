#include "vocabulary.hpp"

void refused(cohort::system& node, cohort::ref<shelf> target) { node.ask<get>(target, 5); }
