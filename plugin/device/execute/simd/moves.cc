// Copies, fills, transposition, index generation and gathering: by the size of an element, not its type.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/forms.h"
#include "plugin/device/execute/simd/transpose.h"

namespace ascend::SIMD_VARIANT {
namespace {

template <class T>
void fill(std::byte* bytes, const std::byte* value, int64_t n) {
  T x;
  __builtin_memcpy(&x, value, sizeof x);
  constexpr int N = kLanes<T>;
  T* dst = reinterpret_cast<T*>(bytes);
  Vec<T> v = splat<T>(x);
  int64_t i = 0;
  for (; i + N <= n; i += N) store<T>(dst + i, v);
  if (n >= N)
    store<T>(dst + n - N, v);
  else
    for (; i < n; ++i) dst[i] = x;
}

struct Copy {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return x;
  }
};

template <class T>
void expand_scalar(const VectorArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r)
    fill<T>(a.dst + r * a.dst_stride, reinterpret_cast<const std::byte*>(&a.scalar), a.columns);
}
template <class T>
void expand_column(const VectorArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r)
    fill<T>(a.dst + r * a.dst_stride, a.src[0] + r * a.src_stride[0], a.columns);
}
template <class T>
void expand_row(const VectorArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r)
    __builtin_memcpy(a.dst + r * a.dst_stride, a.src[0], a.columns * sizeof(T));
}
template <class T>
void copy(const VectorArgs& a) {
  if (a.dst == a.src[0] && a.dst_stride == a.src_stride[0]) return;
  int64_t bytes = a.columns * sizeof(T);
  if (a.dst_stride == bytes && a.src_stride[0] == bytes) {
    __builtin_memmove(a.dst, a.src[0], a.rows * bytes);
    return;
  }
  for (int64_t r = 0; r < a.rows; ++r)
    __builtin_memmove(a.dst + r * a.dst_stride, a.src[0] + r * a.src_stride[0], bytes);
}
template <class T>
void fill_pad(const VectorArgs& a) {
  int64_t rows = a.src_rows < a.rows ? a.src_rows : a.rows;
  int64_t columns = a.src_columns < a.columns ? a.src_columns : a.columns;
  auto scalar = reinterpret_cast<const std::byte*>(&a.scalar);
  for (int64_t r = 0; r < a.rows; ++r) {
    std::byte* dst = a.dst + r * a.dst_stride;
    int64_t kept = r < rows ? columns : 0;
    const std::byte* src = a.src[0] + r * a.src_stride[0];
    if (kept > 0 && dst != src) __builtin_memmove(dst, src, kept * sizeof(T));
    fill<T>(dst + kept * sizeof(T), scalar, a.columns - kept);
  }
}

template <class T, int N>
ASCEND_INLINE void transpose_block(std::byte* dst, int64_t dst_stride, const std::byte* src,
                                   int64_t src_stride) {
  VecN<T, N> x[N];
  for (int i = 0; i < N; ++i) __builtin_memcpy(&x[i], src + i * src_stride, sizeof x[i]);
  transpose_lanes<T, N>(x);
#pragma GCC unroll 16
  for (int i = 0; i < N; ++i) __builtin_memcpy(dst + i * dst_stride, &x[i], sizeof x[i]);
}
template <class T>
void transpose(const VectorArgs& a) {
  constexpr int N = sizeof(T) == 8 ? kVectorBytes / 8 : sizeof(T) == 4 ? kVectorBytes / 4 : 8;
  constexpr bool blocks = N <= 8;
  int64_t whole_rows = blocks ? a.rows & -N : 0, whole_columns = blocks ? a.columns & -N : 0;
  if constexpr (blocks)
    for (int64_t r = 0; r < whole_rows; r += N)
      for (int64_t c = 0; c < whole_columns; c += N)
        transpose_block<T, N>(a.dst + c * a.dst_stride + r * sizeof(T), a.dst_stride,
                              a.src[0] + r * a.src_stride[0] + c * sizeof(T), a.src_stride[0]);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t c = r < whole_rows ? whole_columns : 0; c < a.columns; ++c)
      __builtin_memcpy(a.dst + c * a.dst_stride + r * sizeof(T),
                       a.src[0] + r * a.src_stride[0] + c * sizeof(T), sizeof(T));
}

template <class T>
void gather(const VectorArgs& a) {
  const auto last = static_cast<int32_t>(a.src_columns - 1);
  for (int64_t r = 0; r < a.rows; ++r) {
    auto* dst = reinterpret_cast<T*>(a.dst + r * a.dst_stride);
    auto* src = reinterpret_cast<const T*>(a.src[0] + r * a.src_stride[0]);
    auto* index = reinterpret_cast<const int32_t*>(a.src[1] + r * a.src_stride[1]);
    if (last < 0) {
      for (int64_t c = 0; c < a.columns; ++c) dst[c] = T{};
      continue;
    }
#pragma GCC unroll 8
    for (int64_t c = 0; c < a.columns; ++c) {
      const int32_t i = index[c] < 0 ? 0 : index[c];
      dst[c] = src[i < last ? i : last];
    }
  }
}

// a + b * n, which wraps.
ASCEND_INLINE int64_t plus_times(int64_t a, int64_t b, int64_t n) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b) * static_cast<uint64_t>(n));
}

// start + row_step * r + column_step * c in i64, then converted; whole vectors where 32 bits hold it.
template <class T>
void iota(const VectorArgs& a) {
  using C = Compute<T>;
  int64_t step = a.param[2];
  for (int64_t r = 0; r < a.rows; ++r) {
    int64_t first = plus_times(a.param[0], a.param[1], r), last = plus_times(first, step, a.columns);
    std::byte* dst = a.dst + r * a.dst_stride;
    int64_t c = 0;
    // Steps of f32 are exact below 2^24; of 32 bits none leaves them, the one after the last among them.
    constexpr int64_t bound = kFloat<C> ? 1 << 24 : 1 << 29, most_step = int64_t{1} << 40;
    constexpr int N = kLanes<C>;
    bool small = first < bound && first > -bound && last < bound && last > -bound && step < most_step &&
                 step > -most_step;
    if constexpr (sizeof(C) >= 4)
      if (small) {
        Vec<C> x, n = splat<C>(static_cast<C>(step * N));
        for (int i = 0; i < N; ++i) x[i] = static_cast<C>(first + step * i);
        for (; c + N <= a.columns; c += N, x += n) store<C>(reinterpret_cast<T*>(dst) + c, x);
      }
    for (; c < a.columns; ++c) store_one<T>(dst + c * sizeof(T), static_cast<C>(plus_times(first, step, c)));
  }
}

void nothing(const VectorArgs&) {}

template <class F>
VectorBody by_size(DType t, F f) {
  switch (dtype_bytes(t)) {
    case 1:
      return f.template operator()<uint8_t>();
    case 2:
      return f.template operator()<uint16_t>();
    case 4:
      return f.template operator()<uint32_t>();
    case 8:
      return f.template operator()<uint64_t>();
    default:
      return nullptr;
  }
}

}  // namespace

VectorBody find_move(const VectorKey& key) {
  using enum Opcode;
  switch (key.opcode) {
    case ktexpands:
      return by_size(key.dst, []<class T>() -> VectorBody {
        if constexpr (sizeof(T) == 4)
          return {&expand_scalar<T>, make_stages<T, T, T>(operate<Copy, T, InScalar<T>>, nullptr, nullptr)};
        return &expand_scalar<T>;
      });
    case ktrowexpand:
      return by_size(key.dst, []<class T>() -> VectorBody {
        if constexpr (sizeof(T) == 4)
          return {&expand_column<T>, make_stages<T, T, T>(operate<Copy, T, InScalar<T>>, nullptr, nullptr)};
        return &expand_column<T>;
      });
    case ktcolexpand:
      return by_size(key.dst, []<class T>() -> VectorBody {
        if constexpr (sizeof(T) == 4)
          return {&expand_row<T>, make_stages<T, T, T>(operate<Copy, T, InMemory<T>>, nullptr, nullptr)};
        return &expand_row<T>;
      });
    case ktmov:
      return by_size(key.dst, []<class T>() -> VectorBody { return &copy<T>; });
    case ktfillpad:
      return by_size(key.dst, []<class T>() -> VectorBody { return &fill_pad<T>; });
    case kttrans:
      return by_size(key.dst, []<class T>() -> VectorBody { return &transpose<T>; });
    case ktgather:
      return by_size(key.dst, []<class T>() -> VectorBody { return &gather<T>; });
    case ktreshape:
      return &nothing;
    case ktci:
      return pick(key.dst, []<class T>()
                    requires(!kIsBool<T>)
                  { return VectorBody(&iota<T>); });
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
