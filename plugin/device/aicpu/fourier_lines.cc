#include "plugin/device/aicpu/fourier_lines.h"

#include "plugin/device/simd_variant.h"

namespace ascend {

namespace portable {
extern const aicpu::FourierKernels kFourierKernels;
}
#if JAX_ASCEND_X86_VARIANTS
namespace avx2 {
extern const aicpu::FourierKernels kFourierKernels;
}
namespace avx512 {
extern const aicpu::FourierKernels kFourierKernels;
}
#endif

namespace aicpu {

const FourierKernels& fourier_kernels() {
#if JAX_ASCEND_X86_VARIANTS
  switch (simd_variant()) {
    case SimdVariant::kAvx512:
      return avx512::kFourierKernels;
    case SimdVariant::kAvx2:
      return avx2::kFourierKernels;
    case SimdVariant::kPortable:
      break;
  }
#endif
  return portable::kFourierKernels;
}

}  // namespace aicpu
}  // namespace ascend
