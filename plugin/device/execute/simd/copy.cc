// Copies between GM and on-chip memories, and into what the cube unit reads.
#include "plugin/device/execute/simd/copy.h"

namespace ascend::SIMD_VARIANT {
namespace {

struct Wide {  // complex128
  uint64_t parts[2];
};

}  // namespace

CopyFn find_copy(int64_t element_bytes) {
  switch (element_bytes) {
    case 1:
      return &copy_strided<Same<uint8_t>>;
    case 2:
      return &copy_strided<Same<uint16_t>>;
    case 4:
      return &copy_strided<Same<int32_t>>;
    case 8:
      return &copy_strided<Same<uint64_t>>;
    case 16:
      return &copy_strided<Same<Wide>>;
    default:
      return nullptr;
  }
}

CopyFn find_widen(DType from) {
  return by_type(from, []<class C>() -> CopyFn { return &copy_strided<C>; });
}

}  // namespace ascend::SIMD_VARIANT
