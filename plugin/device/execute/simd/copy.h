// Copies of strided rectangles, as templates over what happens to an element on the way.
#pragma once
#include "plugin/device/execute/simd/matmul.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace ascend::SIMD_VARIANT {
namespace {

// How an element of GM becomes the host's element; eight at a time where rows are contiguous.
template <class T>
struct Same {
  static constexpr bool kCopies = true;  // bytes, as they are
  using From = T;
  using To = T;
  static To one(From x) { return x; }
};
struct F16 {
  static constexpr bool kCopies = false;
  using From = uint16_t;
  using To = float;
  static To one(From x) {
    const uint32_t sign = (x & 0x8000u) << 16, rest = x & 0x7FFFu;
    if (rest >= 0x7C00) return __builtin_bit_cast(float, sign | 0x7F800000u | (rest & 0x3FF) << 13);
    // Scaling by 2^112 moves the exponent's bias and makes subnormals normal.
    const float magnitude = __builtin_bit_cast(float, rest << 13) * 0x1p112f;
    return __builtin_bit_cast(float, sign | __builtin_bit_cast(uint32_t, magnitude));
  }
};

template <class C>
inline __attribute__((always_inline)) void convert_run(typename C::To* dst, const typename C::From* src,
                                                       int64_t n) {
  if constexpr (C::kCopies) {
    __builtin_memcpy(dst, src, n * sizeof(typename C::To));
  } else {
    int64_t i = 0;
#if defined(__F16C__)
    if constexpr (__is_same(C, F16)) {
      for (; i + 8 <= n; i += 8) {
        _mm256_storeu_ps(dst + i,
                         _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i))));
      }
    }
#endif
    for (; i < n; ++i) dst[i] = C::one(src[i]);
  }
}

// Rows of a window are short runs, often a page apart, in which the hardware sees no pattern: they are asked
// for this many rows ahead.
constexpr int64_t kRowsAhead = 8;

template <int kWrite>
inline __attribute__((always_inline)) void prefetch(const void* row, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char*>(row) + i, kWrite);
}

constexpr int kBlock = 8;

// Column c of a source whose columns are `stride` bytes apart.
template <class C>
inline const typename C::From* column(const std::byte* src, int64_t stride, int64_t c) {
  return reinterpret_cast<const typename C::From*>(src + c * stride);
}

// Row r of column c, which need not be aligned: the columns of packed pairs start at any element.
template <class C>
inline typename C::From element(const std::byte* src, int64_t stride, int64_t c, int64_t r) {
  typename C::From x;
  __builtin_memcpy(&x, column<C>(src, stride, c) + r, sizeof x);
  return x;
}

// dst[r, c] = src[c, r] for a block of eight by eight, in registers where elements have up to four bytes.
template <class C>
inline __attribute__((always_inline)) void transpose_block(typename C::To* dst, int64_t dst_stride,
                                                           const std::byte* src, int64_t src_stride) {
  using To = typename C::To;
  if constexpr (sizeof(To) <= 2) {
    typedef To V __attribute__((vector_size(8 * sizeof(To))));
    V x[8], y[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) __builtin_memcpy(&x[i], column<C>(src, src_stride, i), sizeof(V));
    // Each round interleaves rows four apart: it rotates the six bits of (row, column) by one.
    constexpr V low = {0, 8, 1, 9, 2, 10, 3, 11}, high = {4, 12, 5, 13, 6, 14, 7, 15};
    const auto round = [&](V* to, const V* from) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        to[2 * i] = __builtin_shuffle(from[i], from[i + 4], low);
        to[2 * i + 1] = __builtin_shuffle(from[i], from[i + 4], high);
      }
    };
    round(y, x), round(x, y), round(y, x);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) __builtin_memcpy(dst + i * dst_stride, &y[i], sizeof(V));
  } else if constexpr (sizeof(To) == 4) {
    typedef To V __attribute__((vector_size(32)));
    typedef int32_t Index __attribute__((vector_size(32)));
    V x[8], y[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      To row[8];
      convert_run<C>(row, column<C>(src, src_stride, i), 8);
      __builtin_memcpy(&x[i], row, sizeof row);
    }
    constexpr Index low = {0, 8, 1, 9, 4, 12, 5, 13}, high = {2, 10, 3, 11, 6, 14, 7, 15};
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      y[2 * i] = __builtin_shuffle(x[2 * i], x[2 * i + 1], low);
      y[2 * i + 1] = __builtin_shuffle(x[2 * i], x[2 * i + 1], high);
    }
    constexpr Index even = {0, 1, 8, 9, 4, 5, 12, 13}, odd = {2, 3, 10, 11, 6, 7, 14, 15};
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      x[i] = __builtin_shuffle(y[i], y[i + 2], even);
      x[i + 1] = __builtin_shuffle(y[i], y[i + 2], odd);
      x[i + 2] = __builtin_shuffle(y[i + 1], y[i + 3], even);
      x[i + 3] = __builtin_shuffle(y[i + 1], y[i + 3], odd);
    }
    constexpr Index first = {0, 1, 2, 3, 8, 9, 10, 11}, second = {4, 5, 6, 7, 12, 13, 14, 15};
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      V lower = __builtin_shuffle(x[i], x[i + 4], first), upper = __builtin_shuffle(x[i], x[i + 4], second);
      __builtin_memcpy(dst + i * dst_stride, &lower, sizeof lower);
      __builtin_memcpy(dst + (i + 4) * dst_stride, &upper, sizeof upper);
    }
  } else {
    for (int r = 0; r < kBlock; ++r) {
      for (int c = 0; c < kBlock; ++c) dst[r * dst_stride + c] = C::one(element<C>(src, src_stride, c, r));
    }
  }
}

// dst[r, c] = src[r, c] where src is contiguous along r and dst along c; src_stride in bytes.
template <class C>
void transpose(typename C::To* dst, int64_t dst_stride, const std::byte* src, int64_t src_stride,
               int64_t rows, int64_t columns) {
  const int64_t whole_rows = rows & -kBlock, whole_columns = columns & -kBlock;
  for (int64_t c = 0; c < whole_columns; c += kBlock) {  // eight streams of the source are read at a time
    for (int64_t r = 0; r < whole_rows; r += kBlock) {
      transpose_block<C>(dst + r * dst_stride + c, dst_stride,
                         reinterpret_cast<const std::byte*>(column<C>(src, src_stride, c) + r), src_stride);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c) {
      dst[r * dst_stride + c] = C::one(element<C>(src, src_stride, c, r));
    }
  }
}

template <class C>
void copy_strided(const CopyArgs& a) {
  auto* dst = reinterpret_cast<typename C::To*>(a.dst);
  auto* src = reinterpret_cast<const typename C::From*>(a.src);
  constexpr int64_t kBytes = sizeof(typename C::From);
  if (a.src_column == 1 && a.dst_column == 1) {
    if (a.src_row == a.columns && a.dst_row == a.columns) return convert_run<C>(dst, src, a.rows * a.columns);
    for (int64_t r = 0; r < a.rows; ++r) {
      if (r + kRowsAhead < a.rows) {
        prefetch<0>(src + (r + kRowsAhead) * a.src_row, a.columns * kBytes);
        prefetch<1>(dst + (r + kRowsAhead) * a.dst_row, a.columns * static_cast<int64_t>(sizeof *dst));
      }
      convert_run<C>(dst + r * a.dst_row, src + r * a.src_row, a.columns);
    }
  } else if (a.src_row == 1 && a.dst_column == 1) {
    transpose<C>(dst, a.dst_row, a.src, a.src_column * kBytes, a.rows, a.columns);
  } else if (a.src_column == 1 && a.dst_row == 1) {
    transpose<C>(dst, a.dst_column, a.src, a.src_row * kBytes, a.columns, a.rows);
  } else if (a.src_row == 1 && a.dst_row == 1) {  // columns of both sides are contiguous
    for (int64_t c = 0; c < a.columns; ++c)
      convert_run<C>(dst + c * a.dst_column, src + c * a.src_column, a.rows);
  } else {
    for (int64_t r = 0; r < a.rows; ++r) {
      for (int64_t c = 0; c < a.columns; ++c) {
        dst[r * a.dst_row + c * a.dst_column] = C::one(src[r * a.src_row + c * a.src_column]);
      }
    }
  }
}

// f.operator()<C>() for what the host makes of elements of a type.
template <class F>
CopyFn by_type(DType from, F f) {
  switch (from) {
    case DType::kf32:
      return f.template operator()<Same<float>>();
    case DType::kf64:
      return f.template operator()<Same<double>>();
    case DType::ki32:
    case DType::ku32:
      return f.template operator()<Same<int32_t>>();
    case DType::kbf16:
      return f.template operator()<Same<uint16_t>>();
    case DType::kf16:
      return f.template operator()<F16>();
    case DType::ki8:
    case DType::ku8:
      return f.template operator()<Same<uint8_t>>();
    default:
      return nullptr;
  }
}

}  // namespace
}  // namespace ascend::SIMD_VARIANT
