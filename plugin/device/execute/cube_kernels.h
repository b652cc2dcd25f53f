// The inner loops of the cube unit and of moves, one table per SIMD variant.
//
// Left operands, accumulators and feature maps are row-major with a padded row stride; right operands are
// column panels of `panel` columns: element (k, n) is at [n / panel][k / g][n % panel][k % g], where g, the
// rows that lie together, is 2 for bf16 and 4 for bytes, what the products of CPUs read, and else 1.
#pragma once
#include <cstddef>
#include <cstdint>

#include "isa.gen.h"

namespace ascend {

constexpr int64_t panel_group(DType host) {
  return host == DType::kbf16 ? 2 : host == DType::ki8 || host == DType::ku8 ? 4 : 1;
}

struct MatmulArgs {  // strides in elements
  const void* left;
  const void* right;
  void* acc;
  const void* bias;  // one row, or nullptr
  int64_t left_stride, panel_stride, acc_stride;
  int64_t m, n, k;
  bool accumulate;
  std::byte* scratch;  // kMatmulScratch bytes
};
inline constexpr int64_t kMatmulScratch = 256 << 10;

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
  // Of types as the host keeps them; bf16 is summed in f32, bytes in i32, others in their own.
  MatmulFn (*matmul)(DType left, DType right);
  CopyFn (*copy)(int64_t element_bytes);  // 1, 2, 4, 8, 16
  CopyFn (*widen)(DType from);            // to the host's type (device/execute/operands.h); dst_column is 1
  CopyFn (*pack)(DType from);  // the same into panels: dst_row is the panel stride, dst_column not used

  // Where the CPU has a faster one, else nullptr: a product of bf16 which takes subnormal numbers as zero and
  // gives none, and what tells that there are none. The latter gives the least exponent field among the
  // elements that are not zero (255: there are none).
  MatmulFn matmul_normal = nullptr;
  int (*least_exponent)(const uint16_t* first, int64_t rows, int64_t columns, int64_t stride) = nullptr;
};

const CubeKernels& cube_kernels();  // of the active variant

}  // namespace ascend
