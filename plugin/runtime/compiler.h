// The calls into Python: compiling a portable artifact to a Program's bytes, and targets by name.
#pragma once
#include <string>
#include <string_view>

namespace ascend {

// Both take the GIL, and throw Error with the code and message of the Python exception.

// `target` is the target's text (plugin/isa/target.h).
std::string compile_in_python(std::string_view artifact, std::string_view options, std::string_view target);

// The text of the target that a name or a TOML file gives; "" is the configured one.
std::string target_in_python(std::string_view name);

// Raises SystemExit in all threads that compile, and refuses further compilations if there is one; returns
// how many there are. The caller holds the GIL, and has to release it for them to end.
size_t end_compilations();

}  // namespace ascend
