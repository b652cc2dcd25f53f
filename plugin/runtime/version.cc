#include "plugin/runtime/version.h"

#include <cstdio>

namespace ascend {

const char* package_version() { return JAX_ASCEND_VERSION; }

std::string platform_version_of(const Target& target) {
  char isa[24];
  std::snprintf(isa, sizeof isa, "%016llx", static_cast<unsigned long long>(kIsaHash));
  return "jax-ascend " JAX_ASCEND_VERSION ", emulated " + target.name + ", isa " + isa;
}

}  // namespace ascend
