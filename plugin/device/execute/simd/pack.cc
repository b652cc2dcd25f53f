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

// kGroup rows of elements E lie together, as units; those that are missing from the last unit are zeros.
template <class E>
struct Group {
  static constexpr bool kCopies = true;
  static constexpr int64_t kRows = sizeof(uint32_t) / sizeof(E);
  struct From {  // aligned as an element is
    E rows[kRows];
  };
  using To = uint32_t;
  static To one(From x) { return __builtin_bit_cast(To, x); }
};

// to[c] = (rows[0][c], rows[1][c], ...)
template <class E>
inline __attribute__((always_inline)) void zip(uint32_t* to, const E* const* rows, int64_t n) {
  for (int64_t c = 0; c < n; ++c) {
    uint32_t unit = 0;
#pragma GCC unroll 4
    for (int i = 0; i < Group<E>::kRows; ++i)
      unit |= static_cast<uint32_t>(rows[i][c]) << (8 * sizeof(E) * i);
    to[c] = unit;
  }
}

// One panel from columns that are not contiguous.
template <class E>
void pack_groups_strided(uint32_t* panel, const E* src, const CopyArgs& a, int64_t columns) {
  constexpr int64_t kRows = Group<E>::kRows;
  int64_t r = 0;
  if (a.src_row == 1) {  // those of a group are neighbours already
    r = a.rows / kRows * kRows;
    transpose<Group<E>>(panel, kPanel, reinterpret_cast<const std::byte*>(src),
                        a.src_column * static_cast<int64_t>(sizeof *src), r / kRows, columns);
  }
  for (; r < a.rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const uint32_t x = src[r * a.src_row + c * a.src_column];
      uint32_t& unit = panel[r / kRows * kPanel + c];
      unit = r % kRows ? unit | x << (8 * sizeof(E) * (r % kRows)) : x;
    }
  }
}

template <class E>
void pack_groups(const CopyArgs& a) {
  constexpr int64_t kRows = Group<E>::kRows;
  auto* dst = reinterpret_cast<uint32_t*>(a.dst);
  auto* src = reinterpret_cast<const E*>(a.src);
  const int64_t stride = a.dst_row / kRows, groups = (a.rows + kRows - 1) / kRows, tail = a.columns % kPanel;
  if (tail) __builtin_memset(dst + a.columns / kPanel * stride, 0, groups * kPanel * sizeof *dst);
  if (a.src_column != 1) {
    for (int64_t n = 0; n < a.columns; n += kPanel)
      pack_groups_strided<E>(dst + n / kPanel * stride, src + n * a.src_column, a,
                             n + kPanel <= a.columns ? kPanel : tail);
    return;
  }
  static constexpr E kZeros[kPanel] = {};
  for (int64_t r = 0; r < a.rows; r += kRows, dst += kPanel) {
    for (int64_t ahead = r + kRowsAhead; ahead < r + kRowsAhead + kRows && ahead < a.rows; ++ahead)
      prefetch<0>(src + ahead * a.src_row, a.columns * sizeof *src);
    for (int64_t n = 0; n < a.columns; n += kPanel) {
      const E* rows[kRows];
#pragma GCC unroll 4
      for (int64_t i = 0; i < kRows; ++i) rows[i] = r + i < a.rows ? src + (r + i) * a.src_row + n : kZeros;
      uint32_t* to = dst + n / kPanel * stride;
      n + kPanel <= a.columns ? zip<E>(to, rows, kPanel) : zip<E>(to, rows, tail);
    }
  }
}

}  // namespace

CopyFn find_pack(DType from) {
  if (from == DType::kbf16) return &pack_groups<uint16_t>;
  if (from == DType::ki8 || from == DType::ku8) return &pack_groups<uint8_t>;
  return by_type(from, []<class C>() -> CopyFn { return &pack<C>; });
}

}  // namespace ascend::SIMD_VARIANT
