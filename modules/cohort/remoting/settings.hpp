#pragma once

#include <cohort/remoting/remoting.hpp>
#include <cohort/runtime/config.hpp>
#include <cohort/world/world.hpp>

namespace cohort {

/// Declares remoting's options: `remoting.listen`, `remoting.advertised`, `remoting.cluster`, the
/// three files of `tls_files`, `remoting.insecure` and the limits.
void add_remoting_options(config_schema& schema);

/// Turns checked single values into options and checks them together. Reads the certificates when
/// they are given.
///
/// Errors: `errc::invalid` with a sentence that names the option; those of reading the files.
[[nodiscard]] result<remoting_options> make_remoting_options(const config& values, world& from);

}  // namespace cohort
