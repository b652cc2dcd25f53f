// Chooses the SIMD variant for this CPU, once, and finds instruction bodies in it.
#include "plugin/device/execute/vector.h"

#include <string_view>
#include <vector>

namespace ascend {

namespace portable {
VectorFn find_vector(const VectorKey& key);
}
#if defined(__x86_64__)
namespace avx2 {
VectorFn find_vector(const VectorKey& key);
}
namespace avx512 {
VectorFn find_vector(const VectorKey& key);
}
#endif

const std::vector<VectorVariant>& vector_variants() {
  static const std::vector<VectorVariant> variants = [] {
    std::vector<VectorVariant> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bf16"))
      found.push_back({"avx512", &avx512::find_vector});
    if (avx2) found.push_back({"avx2", &avx2::find_vector});
#endif
    found.push_back({"portable", &portable::find_vector});
    return found;
  }();
  return variants;
}

VectorFn find_vector(const VectorKey& key) { return vector_variants().front().find(key); }

bool is_elementwise(Opcode opcode) {
  std::string_view group = kInstructions[static_cast<int>(opcode)].group;
  return group == "elementwise" || group == "broadcast";
}

}  // namespace ascend
