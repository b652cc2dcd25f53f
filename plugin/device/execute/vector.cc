// Chooses the SIMD variant for this CPU, once, and finds instruction bodies in it.
#include "plugin/device/execute/vector.h"

#include "plugin/device/execute/convert_small.h"
#include "plugin/device/execute/vector_variants.h"
#include "plugin/device/simd_variant.h"

namespace ascend {

namespace portable {
VectorBody find_vector(const VectorKey& key);
int64_t run_chain(Stage* stages, int64_t count, int64_t n);
}  // namespace portable
#if JAX_ASCEND_X86_VARIANTS
namespace avx2 {
VectorBody find_vector(const VectorKey& key);
int64_t run_chain(Stage* stages, int64_t count, int64_t n);
}  // namespace avx2
namespace avx512 {
VectorBody find_vector(const VectorKey& key);
int64_t run_chain(Stage* stages, int64_t count, int64_t n);
}  // namespace avx512
#endif

const std::vector<VectorVariant>& vector_variants() {
  static const std::vector<VectorVariant> variants = [] {
    std::vector<VectorVariant> found;
    for (std::string_view name : simd_variants()) {
#if JAX_ASCEND_X86_VARIANTS
      if (name == "avx512") found.push_back({name, &avx512::find_vector, &avx512::run_chain});
      if (name == "avx2") found.push_back({name, &avx2::find_vector, &avx2::run_chain});
#endif
      if (name == "portable") found.push_back({name, &portable::find_vector, &portable::run_chain});
    }
    return found;
  }();
  return variants;
}

VectorBody find_vector(const VectorKey& key) {
  for (const VectorVariant& v : vector_variants())
    if (v.name == simd_variant_name())
      if (const VectorBody body = v.find(key)) return body;
  return find_small_conversion(key);
}

ChainFn find_chain() {
  for (const VectorVariant& v : vector_variants())
    if (v.name == simd_variant_name()) return v.run_chain;
  return nullptr;
}

bool is_elementwise(Opcode opcode) {
  std::string_view group = kInstructions[static_cast<int>(opcode)].group;
  return group == "elementwise" || group == "broadcast";
}

}  // namespace ascend
