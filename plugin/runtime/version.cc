#include "plugin/runtime/version.h"

#include <cstdio>

#include "build.gen.h"  // here alone: it changes with every change of the compiler
#include "isa.gen.h"

namespace ascend {

const char* package_version() { return JAX_ASCEND_VERSION; }

std::string platform_version_of(const Target& target, std::string_view text) {
  uint64_t figures = 0xcbf29ce484222325u;  // FNV-1a
  for (unsigned char c : text) figures = (figures ^ c) * 0x100000001b3u;
  char hashes[64];
  std::snprintf(hashes, sizeof hashes, "%016llx, isa %016llx", static_cast<unsigned long long>(figures),
                static_cast<unsigned long long>(kIsaHash));
  return "jax-ascend " JAX_ASCEND_VERSION ", emulated " + target.name + " " + hashes + ", compiler " +
         kCompilerHash;
}

}  // namespace ascend
