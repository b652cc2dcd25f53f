// The version string that JAX's compilation cache keys on: it changes with the package and the instruction
// set.
#pragma once
#include <cstdio>
#include <string>

#include "isa.gen.h"

namespace ascend {

inline std::string platform_version_of(const Target& target) {
  char isa[24];
  std::snprintf(isa, sizeof isa, "%016llx", static_cast<unsigned long long>(kIsaHash));
  return "jax-ascend " JAX_ASCEND_VERSION ", emulated " + target.name + ", isa " + isa;
}

}  // namespace ascend
