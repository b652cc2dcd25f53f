// The matmul microkernel: a block of MR rows by one panel of columns stays in registers over the whole of k.
#pragma once
#include "plugin/device/execute/cube_kernels.h"

namespace ascend::SIMD_VARIANT {

#if defined(__AVX512F__)
inline constexpr int kRegisterBytes = 64, kAccumulators = 24;
#elif defined(__AVX2__)
inline constexpr int kRegisterBytes = 32, kAccumulators = 12;
#elif defined(__aarch64__)
inline constexpr int kRegisterBytes = 16, kAccumulators = 24;
#else
inline constexpr int kRegisterBytes = 16, kAccumulators = 12;
#endif
// Two registers of f32 per row: then 12 (24) accumulators are 6 (12) rows, and a broadcast serves two
// multiplications.
inline constexpr int kPanel = kRegisterBytes == 64 ? 32 : 16;

MatmulFn find_matmul(DType left, DType right);
MatmulFn find_widened(DType left, DType right);  // of bf16 and bytes, by products of f32 and i32
CopyFn find_copy(int64_t element_bytes);
CopyFn find_widen(DType from);
CopyFn find_pack(DType from);
int least_exponent(const uint16_t* first, int64_t rows, int64_t columns, int64_t stride);

#if defined(__AVX512BF16__)
void matmul_bf16_pairs(const MatmulArgs& a);
#endif

}  // namespace ascend::SIMD_VARIANT
