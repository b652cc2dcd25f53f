#include "plugin/device/together/combine.h"

#include "plugin/device/simd_variant.h"

namespace ascend {

namespace portable {
CombineFn find_combination(Reduction reduction, DType dtype);
}
#if JAX_ASCEND_X86_VARIANTS
namespace avx2 {
CombineFn find_combination(Reduction reduction, DType dtype);
}
namespace avx512 {
CombineFn find_combination(Reduction reduction, DType dtype);
}
#endif

CombineFn find_combination(Reduction reduction, DType dtype) {
#if JAX_ASCEND_X86_VARIANTS
  switch (simd_variant()) {
    case SimdVariant::kAvx512:
      return avx512::find_combination(reduction, dtype);
    case SimdVariant::kAvx2:
      return avx2::find_combination(reduction, dtype);
    case SimdVariant::kPortable:
      break;
  }
#endif
  return portable::find_combination(reduction, dtype);
}

}  // namespace ascend
