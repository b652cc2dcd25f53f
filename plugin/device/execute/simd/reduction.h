// What is accumulated in a reduction: a state of vectors that takes a vector at a time.
#pragma once
#include "plugin/device/execute/simd/rows.h"

namespace ascend::SIMD_VARIANT {

template <class C>
ASCEND_INLINE constexpr C greatest() {
  if constexpr (kFloat<C>)
    return C(__builtin_inf());
  else if constexpr (kSigned<C>)
    return C(Unsigned<C>(~Unsigned<C>(0)) >> 1);
  else
    return C(~C(0));
}
template <class C>
ASCEND_INLINE constexpr C least() {
  if constexpr (kFloat<C>)
    return -greatest<C>();
  else if constexpr (kSigned<C>)
    return C(-greatest<C>() - 1);
  else
    return C(0);
}

template <class C>
struct Sum {
  static constexpr C kIdentity = C(0);
  Vec<C> total = {};
  ASCEND_INLINE void take(Vec<C> x) { total += x; }
  ASCEND_INLINE void merge(const Sum& other) { total += other.total; }
  ASCEND_INLINE Vec<C> lanes() const { return total; }
  ASCEND_INLINE C value() const {
    return reduce_lanes<C>(total, [](C a, C b) { return C(a + b); });
  }
};
template <class C>
struct Product {
  static constexpr C kIdentity = C(1);
  Vec<C> total = Vec<C>{} + C(1);
  ASCEND_INLINE void take(Vec<C> x) { total *= x; }
  ASCEND_INLINE void merge(const Product& other) { total *= other.total; }
  ASCEND_INLINE Vec<C> lanes() const { return total; }
  ASCEND_INLINE C value() const {
    return reduce_lanes<C>(total, [](C a, C b) { return C(a * b); });
  }
};
// The CPU's maximum forgets a NaN, so NaNs are noted apart.
template <class C, bool kLargest>
struct Extreme {
  static constexpr C kIdentity = kLargest ? least<C>() : greatest<C>();
  Vec<C> best = Vec<C>{} + kIdentity;
  Vec<Bits<C>> unordered = {};
  ASCEND_INLINE void take(Vec<C> x) {
    best = kLargest ? (best > x ? best : x) : (best < x ? best : x);
    if constexpr (kFloat<C>) unordered |= x != x;
  }
  ASCEND_INLINE void merge(const Extreme& other) {
    best = kLargest ? (best > other.best ? best : other.best) : (best < other.best ? best : other.best);
    if constexpr (kFloat<C>) unordered |= other.unordered;
  }
  ASCEND_INLINE Vec<C> lanes() const {
    if constexpr (kFloat<C>)
      return unordered ? Vec<C>{} + C(__builtin_nan("")) : best;
    else
      return best;
  }
  ASCEND_INLINE C value() const {
    return reduce_lanes<C>(lanes(), [](C a, C b) {
      if (a != a) return a;
      return b != b || (kLargest ? b > a : b < a) ? b : a;
    });
  }
};
template <class C>
using Maximum = Extreme<C, true>;
template <class C>
using Minimum = Extreme<C, false>;

// A vector of n < lanes elements, the others the identity.
template <class S, class C, class T>
ASCEND_INLINE Vec<C> load_or_identity(const T* p, int64_t n) {
  Vec<Bits<C>> number;
  for (int i = 0; i < kLanes<C>; ++i) number[i] = static_cast<Bits<C>>(i);
  return number < Vec<Bits<C>>{} + static_cast<Bits<C>>(n) ? load_part<C>(p, n) : Vec<C>{} + S::kIdentity;
}

// For which element types a sum, product, maximum or minimum has its own body: integers that wrap have no
// sign, and i1 has none (its sum is its maximum, its product its minimum).
template <template <class> class S, class T>
inline constexpr bool kReduces =
    !kIsBool<T> && (kFloat<Compute<T>> || !kSigned<Compute<T>> ||
                    !(kSame<S<int32_t>, Sum<int32_t>> || kSame<S<int32_t>, Product<int32_t>>));
template <template <class> class S>
constexpr DType reduced_as(DType t) {
  if (t == DType::ki1) return DType::ku8;
  return kSame<S<int32_t>, Sum<int32_t>> || kSame<S<int32_t>, Product<int32_t>> ? signless(t) : t;
}

}  // namespace ascend::SIMD_VARIANT
