#include "vocabulary.hpp"

cohort::behavior<shelf> refused() { co_return; }
