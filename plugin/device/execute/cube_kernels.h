// The inner loops of the cube unit and of moves, one table per SIMD variant.
//
// Left operands, accumulators and feature maps are row-major with a padded row stride; right operands are
// column panels of `panel` columns: element (k, n) is at [n / panel][k][n % panel].
#pragma once
#include <cstddef>
#include <cstdint>

#include "isa.gen.h"

namespace ascend {

struct MatmulArgs {  // strides in elements
  const void* left;
  const void* right;
  void* acc;
  const void* bias;  // one row, or nullptr
  int64_t left_stride, panel_stride, acc_stride;
  int64_t m, n, k;
  bool accumulate;
};

// dst[r, c] = src[r, c]; strides in elements of either side.
struct CopyArgs {
  std::byte* dst;
  const std::byte* src;
  int64_t dst_row, dst_column, src_row, src_column;
  int64_t rows, columns;
};

using MatmulFn = void (*)(const MatmulArgs&);
using CopyFn = void (*)(const CopyArgs&);

struct CubeKernels {
  int64_t panel;
  MatmulFn (*matmul)(DType acc);          // f32, i32 or f64, operands of the same type
  CopyFn (*copy)(int64_t element_bytes);  // 1, 2, 4, 8, 16
  CopyFn (*widen)(DType from);            // to the host's type (device/execute/operands.h); dst_column is 1
  CopyFn (*pack)(DType from);  // the same into panels: dst_row is the panel stride, dst_column not used
};

const CubeKernels& cube_kernels();  // of the active variant

}  // namespace ascend
