// The way into Python: compiling a portable artifact to a Program's bytes.
#pragma once
#include <string>
#include <string_view>

namespace ascend {

// Takes the GIL. Throws Error with the code and message of the Python exception.
std::string compile_in_python(std::string_view artifact, std::string_view options, std::string_view target);

// Raises SystemExit in all threads that compile, and refuses further compilations if there is one; returns
// how many there are. The caller holds the GIL, and has to release it for them to end.
size_t end_compilations();

}  // namespace ascend
