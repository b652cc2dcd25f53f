#include "plugin/device/execute/simd/families.h"

namespace ascend::SIMD_VARIANT {

VectorBody find_vector(const VectorKey& key) {
  static constexpr VectorBody (*kFamilies[])(const VectorKey&) = {
      &find_arithmetic, &find_bits,    &find_unary,         &find_function,
      &find_compare,    &find_convert, &find_row_reduction, &find_column_reduction,
      &find_running,    &find_move,    &find_precision,     &find_sorting,
  };
  for (auto* find : kFamilies)
    if (VectorBody f = find(key)) return f;
  return nullptr;
}

}  // namespace ascend::SIMD_VARIANT
