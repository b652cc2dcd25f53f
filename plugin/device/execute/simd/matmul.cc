#pragma GCC optimize("fp-contract=fast")  // one rounding per multiply-add, as the cube unit has
#include "plugin/device/execute/simd/matmul.h"

namespace ascend::SIMD_VARIANT {
namespace {

template <class T>
struct Lanes {
  typedef T type __attribute__((vector_size(kRegisterBytes)));
  typedef T loose __attribute__((vector_size(kRegisterBytes), aligned(sizeof(T)), may_alias));
};

template <class T>
constexpr int kLanes = kRegisterBytes / static_cast<int>(sizeof(T));

// What blocks ask the second-level cache for while they compute: the next rows of the left operand, and the
// next panel, a part in each block. nullptr: nothing. Operands out of DRAM are multiplied 1.2 times as fast
// with it.
template <class T>
struct Ahead {
  static constexpr int kLine = 64 / sizeof(T), kPanelLines = 4;  // of a panel, per line of a row
  const T *left = nullptr, *right = nullptr;
};

// acc[0..R, 0..C registers] (+)= left[0..R, 0..k] x panel[0..k]
//
// The sum over this k starts from zero and is added to what there is at the end: the error grows with the k
// of one call plus the number of calls, not with their product, and each accumulator is read and written
// once.
template <class T, int R, int C>
void block(const MatmulArgs& a, const T* left, const T* right, T* acc, const T* bias, Ahead<T>& ahead) {
  using V = typename Lanes<T>::type;
  using Loose = typename Lanes<T>::loose;
  constexpr int N = kLanes<T>;
  constexpr int kLine = Ahead<T>::kLine;
  V sum[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) sum[r][c] = V{};
  }
  const T* row[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) row[r] = left + r * a.left_stride;
  const auto step = [&](int64_t k) __attribute__((always_inline)) {
    V b[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) b[c] = *reinterpret_cast<const Loose*>(right + c * N);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const V x = row[r][k] - V{};  // a broadcast: nothing is left of the subtraction
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sum[r][c] += x * b[c];
    }
    right += kPanel;
  };
  int64_t k = 0;
  for (const T *next = ahead.left, *panel = ahead.right; k + kLine <= a.k; k += kLine) {
    if (next) {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) __builtin_prefetch(next + r * a.left_stride + k, 0, 2);
    }
    if (panel) {
#pragma GCC unroll 8
      for (int i = 0; i < Ahead<T>::kPanelLines; ++i, panel += kLine) __builtin_prefetch(panel, 0, 2);
      ahead.right = panel;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLine; ++i) step(k + i);
  }
  for (; k < a.k; ++k) step(k);
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      auto* to = reinterpret_cast<Loose*>(acc + r * a.acc_stride + c * N);
      if (a.accumulate) {
        sum[r][c] += *to;
      } else if (bias) {
        sum[r][c] += *reinterpret_cast<const Loose*>(bias + c * N);
      }
      *to = sum[r][c];
    }
  }
}

template <class T, int R, int C>
void rest(const MatmulArgs& a, int64_t rows, const T* left, const T* right, T* acc, const T* bias,
          Ahead<T>& ahead) {
  if constexpr (R > 0) {
    if (rows == R) return block<T, R, C>(a, left, right, acc, bias, ahead);
    rest<T, R - 1, C>(a, rows, left, right, acc, bias, ahead);
  }
}

// All rows of the left operand by the first C registers of the panel at column n.
template <class T, int C>
void multiply_panel(const MatmulArgs& a, int64_t n) {
  constexpr int R = kAccumulators * kLanes<T> / kPanel;
  const T* left = static_cast<const T*>(a.left);
  const T* right = static_cast<const T*>(a.right) + n / kPanel * a.panel_stride;
  T* acc = static_cast<T*>(a.acc) + n;
  const T* bias = a.bias ? static_cast<const T*>(a.bias) + n : nullptr;
  Ahead<T> ahead;
  if (n + kPanel < a.n) ahead.right = right + a.panel_stride;
  int64_t m = 0;
  for (; m + R <= a.m; m += R) {
    const T* rows = left + m * a.left_stride;
    ahead.left = n == 0 && m + R < a.m ? rows + R * a.left_stride : nullptr;
    block<T, R, C>(a, rows, right, acc + m * a.acc_stride, bias, ahead);
  }
  ahead.left = nullptr;
  rest<T, R - 1, C>(a, a.m - m, left + m * a.left_stride, right, acc + m * a.acc_stride, bias, ahead);
}

template <class T>
void matmul(const MatmulArgs& a) {
  constexpr int C = kPanel / kLanes<T>;
  constexpr int64_t kDepth = 512;  // of k in a sum: kernels take 256 at a time, hand-written ones any number
  MatmulArgs part = a;
  for (int64_t k = 0; k < a.k || k == 0; k += kDepth) {
    part.k = a.k - k < kDepth ? a.k - k : kDepth;
    for (int64_t n = 0; n < a.n; n += kPanel)
      (a.n - n > kPanel / 2 ? &multiply_panel<T, C> : &multiply_panel<T, C / 2>)(part, n);
    part.left = static_cast<const T*>(part.left) + part.k;
    part.right = static_cast<const T*>(part.right) + part.k * kPanel;
    part.accumulate = true;
  }
}

// The bf16 in the low half of x.
inline float widened(uint32_t x) { return __builtin_bit_cast(float, x << 16); }

// bf16 as f32: some rows and some of k of the left operand at a time, and a panel of the right one with them.
void matmul_widened(const MatmulArgs& a) {
  constexpr int64_t kRows = 128, kDepth = 256,
                    kStride = kDepth + 16;  // not a power of two: see host_row_stride
  static_assert((kRows * kStride + kDepth * kPanel) * sizeof(float) <= kMatmulScratch);
  auto* left = reinterpret_cast<float*>(a.scratch);
  float* right = left + kRows * kStride;
  for (int64_t k = 0; k < a.k || k == 0; k += kDepth) {
    MatmulArgs part = a;
    part.left = left, part.left_stride = kStride;
    part.right = right;
    part.k = a.k - k < kDepth ? a.k - k : kDepth;
    part.accumulate = a.accumulate || k > 0;
    for (int64_t m = 0; m < a.m; m += kRows) {
      part.m = a.m - m < kRows ? a.m - m : kRows;
      auto* from = static_cast<const uint16_t*>(a.left) + m * a.left_stride + k;
      for (int64_t r = 0; r < part.m; ++r) {
        for (int64_t i = 0; i < part.k; ++i) left[r * kStride + i] = widened(from[r * a.left_stride + i]);
      }
      for (int64_t n = 0; n < a.n; n += kPanel) {
        part.n = a.n - n < kPanel ? a.n - n : kPanel;
        auto* pairs = static_cast<const uint32_t*>(a.right) + (n / kPanel * a.panel_stride + k * kPanel) / 2;
        for (int64_t i = 0; i < part.k; i += 2, pairs += kPanel) {
          for (int64_t c = 0; c < kPanel; ++c) {
            right[i * kPanel + c] = widened(pairs[c]);
            right[(i + 1) * kPanel + c] = widened(pairs[c] >> 16);
          }
        }
        part.acc = static_cast<float*>(a.acc) + m * a.acc_stride + n;
        part.bias = a.bias ? static_cast<const float*>(a.bias) + n : nullptr;
        matmul<float>(part);
      }
    }
  }
}

}  // namespace

MatmulFn find_matmul(DType operand) {
  switch (operand) {
    case DType::kf32:
      return &matmul<float>;
    case DType::kbf16:
      return &matmul_widened;
    case DType::kf64:
      return &matmul<double>;
    case DType::ki32:
      return &matmul<uint32_t>;  // unsigned: integer sums wrap
    default:
      return nullptr;
  }
}

extern const CubeKernels kCubeKernels;
constinit const CubeKernels kCubeKernels = {kPanel, &find_matmul, &find_copy, &find_widen, &find_pack};

}  // namespace ascend::SIMD_VARIANT
