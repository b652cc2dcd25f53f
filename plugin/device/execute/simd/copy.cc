// Copies of strided rectangles: between GM and on-chip memories, and widened into what the cube unit reads.
#include "plugin/device/execute/simd/matmul.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace ascend::SIMD_VARIANT {
namespace {

// How an element of GM becomes the host's element; eight at a time where rows are contiguous.
template <class T>
struct Same {
  using From = T;
  using To = T;
  static To one(From x) { return x; }
};
template <class T>
struct Integer {
  using From = T;
  using To = int32_t;
  static To one(From x) { return x; }
};
struct Bf16 {
  using From = uint16_t;
  using To = float;
  static To one(From x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x) << 16); }
};
struct F16 {
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
  if constexpr (__is_same(typename C::From, typename C::To)) {
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

constexpr int kBlock = 8;

// dst[r, c] = src[c, r] for a block of eight by eight, in registers where elements have four bytes.
template <class C>
inline __attribute__((always_inline)) void transpose_block(typename C::To* dst, int64_t dst_stride,
                                                           const typename C::From* src, int64_t src_stride) {
  using To = typename C::To;
  if constexpr (sizeof(To) == 4) {
    typedef To V __attribute__((vector_size(32)));
    typedef int32_t Index __attribute__((vector_size(32)));
    V x[8], y[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      To row[8];
      convert_run<C>(row, src + i * src_stride, 8);
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
      for (int c = 0; c < kBlock; ++c) dst[r * dst_stride + c] = C::one(src[c * src_stride + r]);
    }
  }
}

// dst[r, c] = src[r, c] where src is contiguous along r and dst along c.
template <class C>
void transpose(typename C::To* dst, int64_t dst_stride, const typename C::From* src, int64_t src_stride,
               int64_t rows, int64_t columns) {
  const int64_t whole_rows = rows & -kBlock, whole_columns = columns & -kBlock;
  for (int64_t c = 0; c < whole_columns; c += kBlock) {  // eight streams of the source are read at a time
    for (int64_t r = 0; r < whole_rows; r += kBlock) {
      transpose_block<C>(dst + r * dst_stride + c, dst_stride, src + c * src_stride + r, src_stride);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c) {
      dst[r * dst_stride + c] = C::one(src[c * src_stride + r]);
    }
  }
}

template <class C>
void copy_strided(const CopyArgs& a) {
  auto* dst = reinterpret_cast<typename C::To*>(a.dst);
  auto* src = reinterpret_cast<const typename C::From*>(a.src);
  if (a.src_column == 1 && a.dst_column == 1) {
    if (a.src_row == a.columns && a.dst_row == a.columns) return convert_run<C>(dst, src, a.rows * a.columns);
    for (int64_t r = 0; r < a.rows; ++r) convert_run<C>(dst + r * a.dst_row, src + r * a.src_row, a.columns);
  } else if (a.src_row == 1 && a.dst_column == 1) {
    transpose<C>(dst, a.dst_row, src, a.src_column, a.rows, a.columns);
  } else if (a.src_column == 1 && a.dst_row == 1) {
    transpose<C>(dst, a.dst_column, src, a.src_row, a.columns, a.rows);
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

// Column panels; the columns of the last panel beyond the source are zero.
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

struct Wide {  // complex128
  uint64_t parts[2];
};

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
      return f.template operator()<Bf16>();
    case DType::kf16:
      return f.template operator()<F16>();
    case DType::ki8:
      return f.template operator()<Integer<int8_t>>();
    case DType::ku8:
      return f.template operator()<Integer<uint8_t>>();
    default:
      return nullptr;
  }
}

}  // namespace

CopyFn find_copy(int64_t element_bytes) {
  switch (element_bytes) {
    case 1:
      return &copy_strided<Same<uint8_t>>;
    case 2:
      return &copy_strided<Same<uint16_t>>;
    case 4:
      return &copy_strided<Same<int32_t>>;
    case 8:
      return &copy_strided<Same<uint64_t>>;
    case 16:
      return &copy_strided<Same<Wide>>;
    default:
      return nullptr;
  }
}

CopyFn find_widen(DType from) {
  return by_type(from, []<class C>() -> CopyFn { return &copy_strided<C>; });
}

CopyFn find_pack(DType from) {
  return by_type(from, []<class C>() -> CopyFn { return &pack<C>; });
}

}  // namespace ascend::SIMD_VARIANT
