// The version string that JAX's compilation cache keys on: it changes with the package, the instruction set
// and the compiler's sources.
#pragma once
#include <string>

#include "isa.gen.h"

namespace ascend {

std::string platform_version_of(const Target& target);

}  // namespace ascend
