// Each column to one element, streaming over the rows: a panel of columns is held in registers.
//
// Float sums are added up in blocks of 64 rows, so their error grows with rows / 64.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/reduction.h"

namespace ascend::SIMD_VARIANT {
namespace {

constexpr int64_t kBlock = 64;

template <class S, class T, int kVectors>
ASCEND_INLINE void panel(const VectorArgs& a, int64_t c) {
  using C = Compute<T>;
  constexpr int N = kLanes<C>;
  S total[kVectors];
  const std::byte* row = a.src[0] + c * sizeof(T);
  for (int64_t r = 0; r < a.rows;) {
    int64_t end = r + kBlock < a.rows ? r + kBlock : a.rows;
    S s[kVectors];
    for (; r < end; ++r, row += a.src_stride[0])
      for (int k = 0; k < kVectors; ++k) s[k].take(load<C>(reinterpret_cast<const T*>(row) + k * N));
    for (int k = 0; k < kVectors; ++k) total[k].merge(s[k]);
  }
  for (int k = 0; k < kVectors; ++k) store<C>(reinterpret_cast<T*>(a.dst) + c + k * N, total[k].lanes());
}

template <class S, class T>
void reduce_columns(const VectorArgs& a) {
  using C = Compute<T>;
  constexpr int N = kLanes<C>;
  int64_t c = 0;
  for (; c + 4 * N <= a.columns; c += 4 * N) panel<S, T, 4>(a, c);
  for (; c + N <= a.columns; c += N) panel<S, T, 1>(a, c);
  if (c < a.columns) {
    S total;
    for (int64_t r = 0; r < a.rows;) {
      S s;
      for (int64_t end = r + kBlock < a.rows ? r + kBlock : a.rows; r < end; ++r)
        s.take(load_part<C>(reinterpret_cast<const T*>(a.src[0] + r * a.src_stride[0]) + c, a.columns - c));
      total.merge(s);
    }
    store_part<C>(reinterpret_cast<T*>(a.dst) + c, total.lanes(), a.columns - c);
  }
}

template <template <class> class S>
VectorBody columns(DType t) {
  return pick(reduced_as<S>(t), []<class T>()
                requires kReduces<S, T>
              { return VectorBody(&reduce_columns<S<Compute<T>>, T>); });
}

}  // namespace

VectorBody find_column_reduction(const VectorKey& key) {
  using enum Opcode;
  bool is_bool = key.src == DType::ki1;
  switch (key.opcode) {
    case ktcolsum:
      return is_bool ? columns<Maximum>(key.src) : columns<Sum>(key.src);
    case ktcolprod:
      return is_bool ? columns<Minimum>(key.src) : columns<Product>(key.src);
    case ktcolmax:
      return columns<Maximum>(key.src);
    case ktcolmin:
      return columns<Minimum>(key.src);
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
