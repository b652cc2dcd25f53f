#include "plugin/runtime/version.h"

#include <cstdio>

#include "build.gen.h"  // here alone: it changes with every change of the compiler
#include "isa.gen.h"

namespace ascend {

std::string platform_version_of(const Target& target) {
  char isa[24];
  std::snprintf(isa, sizeof isa, "%016llx", static_cast<unsigned long long>(kIsaHash));
  return "jax-ascend " JAX_ASCEND_VERSION ", emulated " + target.name + ", isa " + isa + ", compiler " +
         kCompilerHash;
}

}  // namespace ascend
