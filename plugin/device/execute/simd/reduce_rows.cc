// Each row to one element: sum, product, maximum, minimum.
//
// Four accumulators run over blocks of 32 vectors each before they are added to the row's total, so a float
// sum of n elements of f32 has an error of about 32 + n / (128 * lanes) roundings rather than n.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/reduction.h"

namespace ascend::SIMD_VARIANT {
namespace {

template <class S, class T>
void reduce_rows(const VectorArgs& a) {
  using C = Compute<T>;
  constexpr int N = kLanes<C>;
  constexpr int64_t kBlock = 128 * N;
  for (int64_t r = 0; r < a.rows; ++r) {
    auto* src = reinterpret_cast<const T*>(a.src[0] + r * a.src_stride[0]);
    S total;
    int64_t c = 0;
    while (c + 4 * N <= a.columns) {
      int64_t end = c + kBlock < a.columns ? c + kBlock : a.columns;
      S s[4];
      for (; c + 4 * N <= end; c += 4 * N)
        for (int k = 0; k < 4; ++k) s[k].take(load<C>(src + c + k * N));
      s[0].merge(s[1]);
      s[2].merge(s[3]);
      s[0].merge(s[2]);
      total.merge(s[0]);
    }
    for (; c + N <= a.columns; c += N) total.take(load<C>(src + c));
    if (c < a.columns) total.take(load_or_identity<S, C>(src + c, a.columns - c));
    store_one<T>(a.dst + r * a.dst_stride, total.value());
  }
}

template <template <class> class S>
VectorBody rows(DType t) {
  return pick(reduced_as<S>(t), []<class T>()
                requires kReduces<S, T>
              { return VectorBody(&reduce_rows<S<Compute<T>>, T>); });
}
}  // namespace

VectorBody find_row_reduction(const VectorKey& key) {
  using enum Opcode;
  bool is_bool = key.src == DType::ki1;
  switch (key.opcode) {
    case ktrowsum:
      return is_bool ? rows<Maximum>(key.src) : rows<Sum>(key.src);
    case ktrowprod:
      return is_bool ? rows<Minimum>(key.src) : rows<Product>(key.src);
    case ktrowmax:
      return rows<Maximum>(key.src);
    case ktrowmin:
      return rows<Minimum>(key.src);
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
