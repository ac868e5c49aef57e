#pragma once

namespace cohort {

/// `cohort-cache [options]`: serves until SIGTERM or SIGINT.
///
/// Returns the exit status: 0 after an orderly stop, 1 when the node could not start or failed, 2
/// for a wrong command line or configuration.
int serve_command(int argc, const char* const* argv);

}  // namespace cohort
