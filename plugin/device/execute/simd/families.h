// Who knows which instructions: each family gives the function for a key, or nullptr if the key is not its
// own.
#pragma once
#include "plugin/device/execute/vector.h"

namespace ascend::SIMD_VARIANT {

VectorBody find_arithmetic(const VectorKey& key);
VectorBody find_bits(const VectorKey& key);
VectorBody find_unary(const VectorKey& key);
VectorBody find_function(const VectorKey& key);
VectorBody find_compare(const VectorKey& key);
VectorBody find_convert(const VectorKey& key);
VectorBody find_row_reduction(const VectorKey& key);
VectorBody find_column_reduction(const VectorKey& key);
VectorBody find_running(const VectorKey& key);
VectorBody find_move(const VectorKey& key);
VectorBody find_precision(const VectorKey& key);
VectorBody find_sorting(const VectorKey& key);

}  // namespace ascend::SIMD_VARIANT
