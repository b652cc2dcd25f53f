// The package's version, and the version string that JAX's compilation cache keys on, which changes with the
// package, the instruction set, the compiler's sources and every figure of the target.
#pragma once
#include <string>
#include <string_view>

#include "isa.gen.h"

namespace ascend {

// As pip knows it.
const char* package_version();

// `text` is the target as parse_target reads it.
std::string platform_version_of(const Target& target, std::string_view text);

}  // namespace ascend
