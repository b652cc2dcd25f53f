// Right operands of the cube unit: column panels, whose tail of columns beyond the source is zero.
#include "plugin/device/execute/simd/copy.h"

namespace ascend::SIMD_VARIANT {
namespace {

template <class C>
void pack(const CopyArgs& a) {
  using To = typename C::To;
  auto* dst = reinterpret_cast<To*>(a.dst);
  auto* src = reinterpret_cast<const typename C::From*>(a.src);
  const int64_t whole = a.columns / kPanel, tail = a.columns % kPanel;
  if (a.src_column == 1) {  // row by row, so that the source is read in order
    for (int64_t r = 0; r < a.rows; ++r) {
      To* to = dst + r * kPanel;
      auto* from = src + r * a.src_row;
      if (r + kRowsAhead < a.rows) prefetch<0>(from + kRowsAhead * a.src_row, a.columns * sizeof *from);
      for (int64_t p = 0; p < whole; ++p, to += a.dst_row, from += kPanel) convert_run<C>(to, from, kPanel);
      if (tail) {
        for (int64_t c = 0; c < kPanel; ++c) to[c] = c < tail ? C::one(from[c]) : To{};
      }
    }
    return;
  }
  for (int64_t p = 0; p * kPanel < a.columns; ++p) {
    const int64_t columns = p < whole ? kPanel : tail;
    To* panel = dst + p * a.dst_row;
    CopyArgs piece = a;
    piece.dst = reinterpret_cast<std::byte*>(panel);
    piece.src = reinterpret_cast<const std::byte*>(src + p * kPanel * a.src_column);
    piece.dst_row = kPanel, piece.dst_column = 1, piece.columns = columns;
    if (columns < kPanel) __builtin_memset(panel, 0, a.rows * kPanel * sizeof(To));
    copy_strided<C>(piece);
  }
}

constexpr int64_t kPair = 2;  // rows of bf16 that lie together

// to[c] = (x[c], y[c]); without y, zeros are there.
void zip(uint32_t* to, const uint16_t* x, const uint16_t* y, int64_t n) {
  if (y) {
    for (int64_t c = 0; c < n; ++c) to[c] = x[c] | static_cast<uint32_t>(y[c]) << 16;
  } else {
    for (int64_t c = 0; c < n; ++c) to[c] = x[c];
  }
}

// One panel of pairs from columns that are not contiguous.
void pack_pairs_strided(uint32_t* panel, const uint16_t* src, const CopyArgs& a, int64_t columns) {
  int64_t r = 0;
  if (a.src_row == 1) {  // the two of a pair are neighbours already
    r = a.rows & -kPair;
    transpose<Same<uint32_t>>(panel, kPanel, reinterpret_cast<const std::byte*>(src),
                              a.src_column * static_cast<int64_t>(sizeof *src), r / kPair, columns);
  }
  for (; r < a.rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const uint32_t x = src[r * a.src_row + c * a.src_column];
      uint32_t& pair = panel[r / kPair * kPanel + c];
      pair = r % kPair ? pair | x << 16 : x;
    }
  }
}

// Panels of pairs of rows; an odd last row is paired with zeros.
void pack_pairs(const CopyArgs& a) {
  auto* dst = reinterpret_cast<uint32_t*>(a.dst);
  auto* src = reinterpret_cast<const uint16_t*>(a.src);
  const int64_t stride = a.dst_row / kPair, pairs = (a.rows + 1) / kPair, tail = a.columns % kPanel;
  if (tail) __builtin_memset(dst + a.columns / kPanel * stride, 0, pairs * kPanel * sizeof *dst);
  const auto width = [&](int64_t n) { return n + kPanel <= a.columns ? kPanel : tail; };
  if (a.src_column != 1) {
    for (int64_t n = 0; n < a.columns; n += kPanel)
      pack_pairs_strided(dst + n / kPanel * stride, src + n * a.src_column, a, width(n));
    return;
  }
  for (int64_t r = 0; r < a.rows; r += kPair, dst += kPanel, src += kPair * a.src_row) {
    const uint16_t* second = r + 1 < a.rows ? src + a.src_row : nullptr;
    for (int64_t ahead = kRowsAhead; ahead < kRowsAhead + kPair && r + ahead < a.rows; ++ahead)
      prefetch<0>(src + ahead * a.src_row, a.columns * sizeof *src);
    for (int64_t n = 0; n < a.columns; n += kPanel)
      zip(dst + n / kPanel * stride, src + n, second ? second + n : nullptr, width(n));
  }
}

}  // namespace

CopyFn find_pack(DType from) {
  if (from == DType::kbf16) return &pack_pairs;
  return by_type(from, []<class C>() -> CopyFn { return &pack<C>; });
}

}  // namespace ascend::SIMD_VARIANT
