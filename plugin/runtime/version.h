// The package's version, and the version string that JAX's compilation cache keys on, which changes with the
// package and the instruction set.
#pragma once
#include <string>

#include "isa.gen.h"

namespace ascend {

// As pip knows it.
const char* package_version();

std::string platform_version_of(const Target& target);

}  // namespace ascend
