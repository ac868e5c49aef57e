#pragma once

namespace cohort {

/// `cohort-cache audit --origin ADDRESS [--quiet]`: prints the audit as NDJSON and judges it.
///
/// Returns the exit status: 0 when no shard had two owners, 1 when one had or the audit cannot be
/// read, 2 for a wrong command line.
int audit_command(int argc, const char* const* argv);

}  // namespace cohort
