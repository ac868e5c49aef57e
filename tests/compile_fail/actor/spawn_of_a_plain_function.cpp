#include "vocabulary.hpp"

int plain(cohort::context<shelf>) { return 1; }

void refused(cohort::context<shelf> self) { static_cast<void>(self.spawn(plain)); }
