// Chooses the SIMD variant for this CPU, once, and finds instruction bodies in it.
#include "plugin/device/execute/vector.h"

#include "plugin/device/execute/convert_small.h"
#include "plugin/device/execute/vector_variants.h"
#include "plugin/device/simd_variant.h"

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
    for (std::string_view name : simd_variants()) {
#if defined(__x86_64__)
      if (name == "avx512") found.push_back({name, &avx512::find_vector});
      if (name == "avx2") found.push_back({name, &avx2::find_vector});
#endif
      if (name == "portable") found.push_back({name, &portable::find_vector});
    }
    return found;
  }();
  return variants;
}

VectorFn find_vector(const VectorKey& key) {
  for (const VectorVariant& v : vector_variants())
    if (v.name == simd_variant_name())
      if (VectorFn f = v.find(key)) return f;
  return find_small_conversion(key);
}

bool is_elementwise(Opcode opcode) {
  std::string_view group = kInstructions[static_cast<int>(opcode)].group;
  return group == "elementwise" || group == "broadcast";
}

}  // namespace ascend
