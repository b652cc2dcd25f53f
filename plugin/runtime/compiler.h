// The calls into Python: compiling a portable artifact to a Program's bytes, targets by name, profiles, and
// functions that programs call.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "plugin/device/host_functions.h"

namespace ascend {

// All take the GIL, and throw Error with the code and message of the Python exception.

// `target` is the target's text (plugin/isa/target.h).
std::string compile_in_python(std::string_view artifact, std::string_view options, std::string_view target);

// The text of the target that a name or a TOML file gives; "" is the configured one.
std::string target_in_python(std::string_view name);

// A step of a trace of jax.profiler: "start", "stop", or "collect", which returns an XSpace.
std::string profiler_in_python(const char* step);

// The functions with these numbers, which JAX's lowering has given them in this process; null if there are
// none.
std::shared_ptr<const HostFunctions> functions_in_python(std::span<const int64_t> numbers);

// Raises SystemExit in all threads that compile, and refuses further compilations if there is one; returns
// how many there are. The caller holds the GIL, and has to release it for them to end.
size_t end_compilations();

// Raises SystemExit in all threads that are in a function of the host. The caller holds the GIL.
void end_host_calls();

}  // namespace ascend
