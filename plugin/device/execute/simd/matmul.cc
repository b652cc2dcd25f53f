#pragma GCC optimize("fp-contract=fast")  // one rounding per multiply-add, as the cube unit has
#include "plugin/device/execute/simd/matmul.h"

#include "plugin/device/execute/simd/multiply_add.h"

namespace ascend::SIMD_VARIANT {
namespace {

template <class T>
constexpr int kLanes = kRegisterBytes / static_cast<int>(sizeof(T));

// What blocks ask the second-level cache for while they compute: the next rows of the left operand, and the
// next panel, a part in each block. nullptr: nothing. Operands out of DRAM are multiplied 1.2 times as fast
// with it.
template <class K>
struct Ahead {
  static constexpr int kLine = 64 / sizeof(typename K::Unit),
                       kPanelLines = 4;  // of a panel, per line of a row
  const typename K::Element* left = nullptr;
  const typename K::Unit* right = nullptr;
};

// The operands of a block of rows by a panel, and where its sums go.
template <class K>
struct Place {
  const typename K::Element* left;
  const typename K::Unit* right;
  typename K::Sum* acc;
  const typename K::Sum *bias, *start;  // of the columns, or nullptr; of the rows, if K is biased
};

// acc[0..R, 0..C registers] (+)= left[0..R, 0..k] x panel[0..k]
//
// The sum over this k starts from zero and is added to what there is at the end: the error grows with the k
// of one call plus the number of calls, not with their product, and each accumulator is read and written
// once.
template <class K, int R, int C>
void block(const MatmulArgs& a, const Place<K>& p, Ahead<K>& ahead) {
  using Element = typename K::Element;
  using Unit = typename K::Unit;
  using Sum = typename K::Sum;
  constexpr int N = kLanes<Sum>;
  constexpr int kLine = Ahead<K>::kLine;
  Vector<Sum> sum[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      if constexpr (K::kBiased) {
        sum[r][c] = p.start[r] - Vector<Sum>{};  // a broadcast: nothing is left of the subtraction
      } else {
        sum[r][c] = Vector<Sum>{};
      }
    }
  }
  const Element* row[R];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) row[r] = p.left + r * a.left_stride;
  const Unit* right = p.right;
  // Adds unit k: `there` elements of it, what memory holds in the place of the others, perhaps NaN, not
  // looked at.
  const auto step = [&](int64_t k, int64_t there) __attribute__((always_inline)) {
    Vector<Unit> b[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      b[c] = *reinterpret_cast<const typename Lanes<Unit>::loose*>(right + c * N);
      if constexpr (K::kGroup > 1) {
        if (there < K::kGroup) b[c] &= (Unit{1} << (there * 8 * sizeof(Element))) - 1;
        b[c] = K::prepare(b[c]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      Unit unit{};
      __builtin_memcpy(&unit, row[r] + k * K::kGroup, there * sizeof(Element));
      const Vector<Unit> x = unit - Vector<Unit>{};
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sum[r][c] = K::multiply_add(sum[r][c], x, b[c]);
    }
    right += kPanel;
  };
  const int64_t units = a.k / K::kGroup;
  int64_t k = 0;
  const Element* next = ahead.left;
  for (const Unit* panel = ahead.right; k + kLine <= units; k += kLine) {
    if (next) {
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) __builtin_prefetch(next + r * a.left_stride + k * K::kGroup, 0, 2);
    }
    if (panel) {
#pragma GCC unroll 8
      for (int i = 0; i < Ahead<K>::kPanelLines; ++i, panel += kLine) __builtin_prefetch(panel, 0, 2);
      ahead.right = panel;
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLine; ++i) step(k + i, K::kGroup);
  }
  for (; k < units; ++k) step(k, K::kGroup);
  if constexpr (K::kGroup > 1) {
    if (a.k % K::kGroup) step(k, a.k % K::kGroup);
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      using Loose = typename Lanes<Sum>::loose;
      auto* to = reinterpret_cast<Loose*>(p.acc + r * a.acc_stride + c * N);
      if (a.accumulate) {
        sum[r][c] += *to;
      } else if (p.bias) {
        sum[r][c] += *reinterpret_cast<const Loose*>(p.bias + c * N);
      }
      *to = sum[r][c];
    }
  }
}

template <class K, int R, int C>
void rest(const MatmulArgs& a, int64_t rows, const Place<K>& p, Ahead<K>& ahead) {
  if constexpr (R > 0) {
    if (rows == R) return block<K, R, C>(a, p, ahead);
    rest<K, R - 1, C>(a, rows, p, ahead);
  }
}

// All rows of the left operand by the first C registers of the panel at column n.
template <class K, int C>
void multiply_panel(const MatmulArgs& a, int64_t n, const typename K::Sum* start) {
  constexpr int R = kAccumulators * kLanes<typename K::Sum> / kPanel;
  Place<K> p;
  p.left = static_cast<const typename K::Element*>(a.left);
  p.right = static_cast<const typename K::Unit*>(a.right) + n / kPanel * (a.panel_stride / K::kGroup);
  p.acc = static_cast<typename K::Sum*>(a.acc) + n;
  p.bias = a.bias ? static_cast<const typename K::Sum*>(a.bias) + n : nullptr;
  p.start = start;
  Ahead<K> ahead;
  if (n + kPanel < a.n) ahead.right = p.right + a.panel_stride / K::kGroup;
  int64_t m = 0;
  for (; m + R <= a.m; m += R) {
    ahead.left = n == 0 && m + R < a.m ? p.left + R * a.left_stride : nullptr;
    block<K, R, C>(a, p, ahead);
    p.left += R * a.left_stride, p.acc += R * a.acc_stride;
    if constexpr (K::kBiased) p.start += R;
  }
  ahead.left = nullptr;
  rest<K, R - 1, C>(a, a.m - m, p, ahead);
}

template <class K>
void multiply_panels(const MatmulArgs& a, const typename K::Sum* start) {
  constexpr int C = kPanel / kLanes<typename K::Sum>;
  for (int64_t n = 0; n < a.n; n += kPanel)
    (a.n - n > kPanel / 2 ? &multiply_panel<K, C> : &multiply_panel<K, C / 2>)(a, n, start);
}

template <class K>
void matmul(const MatmulArgs& a) {
  using Element = typename K::Element;
  constexpr int64_t kDepth = 512;  // of k in a sum: kernels take 256 at a time, hand-written ones any number
  static_assert(kDepth % K::kGroup == 0);
  MatmulArgs part = a;
  for (int64_t k = 0; k < a.k || k == 0; k += kDepth) {
    part.k = a.k - k < kDepth ? a.k - k : kDepth;
    if constexpr (K::kBiased) {
      constexpr int64_t kRows = kMatmulScratch / sizeof(uint32_t);
      auto* start = reinterpret_cast<uint32_t*>(a.scratch);
      MatmulArgs rows = part;
      for (int64_t m = 0; m < a.m; m += kRows) {
        rows.m = a.m - m < kRows ? a.m - m : kRows;
        rows.left = static_cast<const Element*>(part.left) + m * a.left_stride;
        rows.acc = static_cast<typename K::Sum*>(part.acc) + m * a.acc_stride;
        for (int64_t r = 0; r < rows.m; ++r)
          start[r] = K::start(static_cast<const Element*>(rows.left) + r * a.left_stride, part.k);
        multiply_panels<K>(rows, start);
      }
    } else {
      multiply_panels<K>(part, nullptr);
    }
    part.left = static_cast<const Element*>(part.left) + part.k;
    part.right = static_cast<const Element*>(part.right) + part.k * kPanel;
    part.accumulate = true;
  }
}

}  // namespace

MatmulFn find_matmul(DType left, DType right) {
#if JAX_ASCEND_UNIT_PRODUCTS
  const auto is_byte = [](DType t) { return t == DType::ki8 || t == DType::ku8; };
  if (is_byte(left) && is_byte(right)) {
    if (left == DType::ki8)
      return right == DType::ki8 ? &matmul<ByteQuad<true, true>> : &matmul<ByteQuad<true, false>>;
    return right == DType::ki8 ? &matmul<ByteQuad<false, true>> : &matmul<ByteQuad<false, false>>;
  }
#endif
  if (left != right) return find_widened(left, right);
  switch (left) {
    case DType::kf32:
      return &matmul<Single<float>>;
    case DType::kf64:
      return &matmul<Single<double>>;
    case DType::ki32:
      return &matmul<Single<uint32_t>>;  // unsigned: integer sums wrap
    default:
      return find_widened(left, right);
  }
}

extern const CubeKernels kCubeKernels;
constinit const CubeKernels kCubeKernels = {kPanel, &find_matmul, &find_copy, &find_widen, &find_pack};

#if JAX_ASCEND_UNIT_PRODUCTS
void matmul_bf16_pairs(const MatmulArgs& a) { matmul<Bf16Pair>(a); }
#endif

}  // namespace ascend::SIMD_VARIANT
