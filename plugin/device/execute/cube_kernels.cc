#include "plugin/device/execute/cube_kernels.h"

#include "plugin/device/simd_variant.h"

namespace ascend {

namespace portable {
extern const CubeKernels kCubeKernels;
}
#if JAX_ASCEND_X86_VARIANTS
namespace avx2 {
extern const CubeKernels kCubeKernels;
}
namespace avx512 {
extern const CubeKernels kCubeKernels, kPairCubeKernels, kTileCubeKernels;
}
#endif

const CubeKernels& cube_kernels() {
#if JAX_ASCEND_X86_VARIANTS
  switch (simd_variant()) {
    case SimdVariant::kAvx512:
      switch (bf16_products()) {
        case Bf16Products::kTiles:
          return avx512::kTileCubeKernels;
        case Bf16Products::kPairs:
          return avx512::kPairCubeKernels;
        case Bf16Products::kWidened:
          return avx512::kCubeKernels;
      }
      break;
    case SimdVariant::kAvx2:
      return avx2::kCubeKernels;
    case SimdVariant::kPortable:
      break;
  }
#endif
  return portable::kCubeKernels;
}

}  // namespace ascend
