#pragma once

#include "options.hpp"
#include "stats.hpp"

namespace cohort::bench {

/// Prints one JSON object in one line.
void print_json(const options& asked, const stats& counted);

/// Prints a table for people.
void print_table(const options& asked, const stats& counted);

}  // namespace cohort::bench
