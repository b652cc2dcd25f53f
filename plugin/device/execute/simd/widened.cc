// Products of bf16 and of bytes by those of f32 and i32: some rows and some of k of the left operand are
// widened at a time, and a panel of the right one with them.
#include "plugin/device/execute/simd/matmul.h"

namespace ascend::SIMD_VARIANT {
namespace {

// Element i of a unit: four bytes of a panel, elements of k that lie together.
struct Bf16 {
  using Element = uint16_t;
  using To = float;
  static constexpr DType kTo = DType::kf32;
  static float at(uint32_t unit, int i) { return __builtin_bit_cast(float, (unit >> (16 * i)) << 16); }
};
template <class T>
struct Byte {
  using Element = uint8_t;
  using To = int32_t;
  static constexpr DType kTo = DType::ki32;
  static int32_t at(uint32_t unit, int i) { return static_cast<T>(unit >> (8 * i)); }
};

template <class Left, class Right>
void matmul_widened(const MatmulArgs& a) {
  using To = typename Right::To;
  constexpr int64_t kGroup = sizeof(uint32_t) / sizeof(typename Right::Element);
  constexpr int64_t kRows = 128, kDepth = 256,
                    kStride = kDepth + 16;  // not a power of two: see host_row_stride
  static_assert((kRows * kStride + kDepth * kPanel) * sizeof(To) <= kMatmulScratch);
  auto* left = reinterpret_cast<To*>(a.scratch);
  To* right = left + kRows * kStride;
  const MatmulFn multiply = find_matmul(Right::kTo, Right::kTo);
  for (int64_t k = 0; k < a.k || k == 0; k += kDepth) {
    MatmulArgs part = a;
    part.left = left, part.left_stride = kStride;
    part.right = right;
    part.k = a.k - k < kDepth ? a.k - k : kDepth;
    part.accumulate = a.accumulate || k > 0;
    for (int64_t m = 0; m < a.m; m += kRows) {
      part.m = a.m - m < kRows ? a.m - m : kRows;
      auto* from = static_cast<const typename Left::Element*>(a.left) + m * a.left_stride + k;
      for (int64_t r = 0; r < part.m; ++r) {
        for (int64_t i = 0; i < part.k; ++i) left[r * kStride + i] = Left::at(from[r * a.left_stride + i], 0);
      }
      for (int64_t n = 0; n < a.n; n += kPanel) {
        part.n = a.n - n < kPanel ? a.n - n : kPanel;
        auto* units =
            static_cast<const uint32_t*>(a.right) + (n / kPanel * a.panel_stride + k * kPanel) / kGroup;
        for (int64_t i = 0; i < part.k; i += kGroup, units += kPanel) {
          for (int64_t c = 0; c < kPanel; ++c) {
#pragma GCC unroll 4
            for (int g = 0; g < kGroup; ++g) right[(i + g) * kPanel + c] = Right::at(units[c], g);
          }
        }
        part.acc = static_cast<To*>(a.acc) + m * a.acc_stride + n;
        part.bias = a.bias ? static_cast<const To*>(a.bias) + n : nullptr;
        multiply(part);
      }
    }
  }
}

}  // namespace

MatmulFn find_widened(DType left, DType right) {
  using Signed = Byte<int8_t>;
  using Unsigned = Byte<uint8_t>;
  if (left == DType::kbf16 && right == DType::kbf16) return &matmul_widened<Bf16, Bf16>;
  if (left == DType::ki8 && right == DType::ki8) return &matmul_widened<Signed, Signed>;
  if (left == DType::ki8 && right == DType::ku8) return &matmul_widened<Signed, Unsigned>;
  if (left == DType::ku8 && right == DType::ki8) return &matmul_widened<Unsigned, Signed>;
  if (left == DType::ku8 && right == DType::ku8) return &matmul_widened<Unsigned, Unsigned>;
  return nullptr;
}

}  // namespace ascend::SIMD_VARIANT
