// From a body for one row of contiguous elements to an instruction on a tile with strides.
//
// A row body handles any count. run_rows turns a tile into as few rows as it can: contiguous rows become one,
// and rows narrower than a vector are packed side by side first.
#pragma once
#include "plugin/device/execute/simd/lanes.h"
#include "plugin/device/execute/vector.h"

namespace ascend::SIMD_VARIANT {

struct Row {
  std::byte* dst;
  const std::byte* src[3];
  int64_t n;
  const VectorArgs* args;
};
using RowFn = void (*)(const Row&);  // n is at least Sizes::lanes

struct Sizes {
  int dst;
  int src[3];  // bytes per element; 0: no such source
  int lanes;   // of a vector of the type the body computes in
};

void run_rows(const VectorArgs& args, RowFn body, const Sizes& sizes);
// src[1] has one element per row, from src[1] on every src_stride[1] bytes (0: one for all). `splat` reads
// the one element, `full` a row of them.
void run_rows_splat(const VectorArgs& args, RowFn splat, RowFn full, const Sizes& sizes);

// ---- operands of a row body
// -----------------------------------------------------------------------------------

template <class C, class T>
struct Stream {
  const T* p;
  explicit Stream(const std::byte* bytes) : p(reinterpret_cast<const T*>(bytes)) {}
  ASCEND_INLINE auto whole(int64_t i) const { return load<C>(p + i); }
  ASCEND_INLINE auto part(int64_t i, int64_t n) const { return load_part<C>(p + i, n); }
};
template <class C, class T>
struct Same {
  Vec<C> value;
  explicit Same(Vec<C> all) : value(all) {}
  explicit Same(const std::byte* bytes) : value(splat<C>(load_one<T>(bytes))) {}
  ASCEND_INLINE Vec<C> whole(int64_t) const { return value; }
  ASCEND_INLINE Vec<C> part(int64_t, int64_t) const { return value; }
};

// dst[i] = Op(sources[i]...) for i < n. A light Op needs a whole vector (n >= lanes): it is applied to the
// last, overlapping, one before anything is stored, since dst may be a source. A heavy one takes any n and is
// expanded once.
template <class Op, class C, class R, class... S>
ASCEND_INLINE void map_row(std::byte* bytes, int64_t n, const S&... s) {
  constexpr int N = kLanes<C>;
  R* dst = reinterpret_cast<R*>(bytes);
  if constexpr (Op::kHeavy) {
    for (int64_t i = 0; i < n; i += N) {
      bool whole = n - i >= N;
      auto y = Op::template apply<C>((whole ? s.whole(i) : s.part(i, n - i))...);
      if (whole)
        store<C>(dst + i, y);
      else
        store_part<C>(dst + i, y, n - i);
    }
  } else {
    auto last = Op::template apply<C>(s.whole(n - N)...);
    for (int64_t i = 0; i + N < n; i += N) store<C>(dst + i, Op::template apply<C>(s.whole(i)...));
    store<C>(dst + n - N, last);
  }
}

template <class Op, class T, class R = T>
void row_unary(const Row& r) {
  using C = Compute<T>;
  map_row<Op, C, R>(r.dst, r.n, Stream<C, T>(r.src[0]));
}
template <class Op, class T, class R = T>
void row_binary(const Row& r) {
  using C = Compute<T>;
  map_row<Op, C, R>(r.dst, r.n, Stream<C, T>(r.src[0]), Stream<C, T>(r.src[1]));
}
template <class Op, class T, class R = T>
void row_splat(const Row& r) {
  using C = Compute<T>;
  map_row<Op, C, R>(r.dst, r.n, Stream<C, T>(r.src[0]), Same<C, T>(r.src[1]));
}

// Op with its operands exchanged.
template <class Op>
struct Reversed {
  static constexpr bool kHeavy = Op::kHeavy;
  template <class C>
  static ASCEND_INLINE auto apply(Vec<C> a, Vec<C> b) {
    return Op::template apply<C>(b, a);
  }
};

// f16 and bf16 through a row body for f32 that takes any n, some elements at a time.
template <RowFn kBody, class T, int kSources>
void row_through_f32(const Row& r) {
  constexpr int64_t kChunk = 256;
  alignas(64) float x[3][kChunk];
  auto* dst = reinterpret_cast<T*>(r.dst);
  for (int64_t i = 0; i < r.n; i += kChunk) {
    int64_t n = r.n - i < kChunk ? r.n - i : kChunk, whole = n & -kLanes<float>;
    for (int k = 0; k < kSources; ++k) {
      auto* p = reinterpret_cast<const T*>(r.src[k]) + i;
      for (int64_t j = 0; j < whole; j += kLanes<float>) store<float>(x[k] + j, load<float>(p + j));
      if (whole < n) store<float>(x[k] + whole, load_part<float>(p + whole, n - whole));
    }
    auto bytes = [&](int k) { return reinterpret_cast<std::byte*>(x[k]); };
    kBody(Row{bytes(0), {bytes(0), bytes(1), bytes(2)}, n, r.args});
    for (int64_t j = 0; j < whole; j += kLanes<float>) store<float>(dst + i + j, load<float>(x[0] + j));
    if (whole < n) store_part<float>(dst + i + whole, load<float>(x[0] + whole), n - whole);
  }
}

// ---- instructions
// ---------------------------------------------------------------------------------------------

// Whether there is nothing to arrange: a single row of at least a vector, as most strips are.
template <Sizes kSizes>
ASCEND_INLINE bool is_row(const VectorArgs& a) {
  return a.rows == 1 && a.columns >= kSizes.lanes;
}
template <RowFn kBody, Sizes kSizes>
void instruction(const VectorArgs& a) {
  if (is_row<kSizes>(a)) return kBody(Row{a.dst, {a.src[0], a.src[1], a.src[2]}, a.columns, &a});
  run_rows(a, kBody, kSizes);
}
template <RowFn kSplat, RowFn kFull, Sizes kSizes>
void instruction_row(const VectorArgs& a) {  // src[1] is a column
  run_rows_splat(a, kSplat, kFull, kSizes);
}
template <RowFn kFull, Sizes kSizes>
void instruction_column(const VectorArgs& a) {  // src[1] is a row
  if (is_row<kSizes>(a)) return kFull(Row{a.dst, {a.src[0], a.src[1], a.src[2]}, a.columns, &a});
  VectorArgs b = a;
  b.src_stride[1] = 0;
  run_rows(b, kFull, kSizes);
}
template <RowFn kSplat, RowFn kFull, Sizes kSizes>
void instruction_scalar(const VectorArgs& a) {
  auto* scalar = reinterpret_cast<const std::byte*>(&a.scalar);
  if (is_row<kSizes>(a)) return kSplat(Row{a.dst, {a.src[0], scalar, nullptr}, a.columns, &a});
  VectorArgs b = a;
  b.src[1] = scalar;
  b.src_stride[1] = 0;
  run_rows_splat(b, kSplat, kFull, kSizes);
}

template <class T, class R = T>
inline constexpr Sizes kSizes1{sizeof(R), {sizeof(T), 0, 0}, kLanes<Compute<T>>};
template <class T, class R = T>
inline constexpr Sizes kSizes2{sizeof(R), {sizeof(T), sizeof(T), 0}, kLanes<Compute<T>>};

// ---- from a DType to a template argument
// -----------------------------------------------------------------------

// pick(t, f) is f.operator()<T>() for the element type T of t, which f may restrict with `requires`; nullptr
// if it does.
template <class T, class Make>
VectorBody make(Make f) {
  if constexpr (requires { f.template operator()<T>(); })
    return f.template operator()<T>();
  else
    return nullptr;
}
template <class Make>
VectorBody pick(DType t, Make f) {
  switch (t) {
    case DType::ki1:
      return make<i1>(f);
    case DType::ki8:
      return make<int8_t>(f);
    case DType::ki16:
      return make<int16_t>(f);
    case DType::ki32:
      return make<int32_t>(f);
    case DType::ki64:
      return make<int64_t>(f);
    case DType::ku8:
      return make<uint8_t>(f);
    case DType::ku16:
      return make<uint16_t>(f);
    case DType::ku32:
      return make<uint32_t>(f);
    case DType::ku64:
      return make<uint64_t>(f);
    case DType::kf16:
      return make<f16>(f);
    case DType::kbf16:
      return make<bf16>(f);
    case DType::kf32:
      return make<float>(f);
    case DType::kf64:
      return make<double>(f);
    default:
      return nullptr;
  }
}
// The type to compute in where signed and unsigned integers give the same bits.
constexpr DType signless(DType t) {
  switch (t) {
    case DType::ki8:
      return DType::ku8;
    case DType::ki16:
      return DType::ku16;
    case DType::ki32:
      return DType::ku32;
    case DType::ki64:
      return DType::ku64;
    default:
      return t;
  }
}

template <class T>
inline constexpr bool kIsBool = kSame<T, i1>;
template <class T>
inline constexpr bool kHalf = kSame<T, f16> || kSame<T, bf16>;
template <class T>
inline constexpr bool kInt = !kFloat<Compute<T>> && !kIsBool<T>;

}  // namespace ascend::SIMD_VARIANT
