#pragma once

namespace cohort {

/// `cohort-cache import --origin ADDRESS [--format ndjson|dumpavail] [--skip-bad] FILE|-`.
///
/// Returns the exit status: 0 when every record was taken, 1 when records were refused or the input
/// or the origin failed, 2 for a wrong command line, 130 after an interrupt.
int import_command(int argc, const char* const* argv);

}  // namespace cohort
