// Who knows which instructions: each family gives the function for a key, or nullptr if the key is not its
// own.
#pragma once
#include "plugin/device/execute/vector.h"

namespace ascend::SIMD_VARIANT {

VectorFn find_arithmetic(const VectorKey& key);
VectorFn find_bits(const VectorKey& key);
VectorFn find_unary(const VectorKey& key);
VectorFn find_function(const VectorKey& key);
VectorFn find_compare(const VectorKey& key);
VectorFn find_convert(const VectorKey& key);
VectorFn find_row_reduction(const VectorKey& key);
VectorFn find_column_reduction(const VectorKey& key);
VectorFn find_running(const VectorKey& key);
VectorFn find_move(const VectorKey& key);
VectorFn find_precision(const VectorKey& key);

}  // namespace ascend::SIMD_VARIANT
