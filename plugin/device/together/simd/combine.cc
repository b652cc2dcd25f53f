#include "plugin/device/together/combine.h"

#include "plugin/device/execute/simd/lanes.h"

namespace ascend::SIMD_VARIANT {
namespace {

struct Add {
  template <class V>
  static ASCEND_INLINE V apply(V a, V b) {
    return a + b;
  }
};
struct Multiply {
  template <class V>
  static ASCEND_INLINE V apply(V a, V b) {
    return a * b;
  }
};
struct Max {  // a NaN, of either, stays
  template <class V>
  static ASCEND_INLINE V apply(V a, V b) {
    return (a > b) | (a != a) ? a : b;
  }
};
struct Min {
  template <class V>
  static ASCEND_INLINE V apply(V a, V b) {
    return (a < b) | (a != a) ? a : b;
  }
};
struct And {
  template <class V>
  static ASCEND_INLINE V apply(V a, V b) {
    return a & b;
  }
};
struct Or {
  template <class V>
  static ASCEND_INLINE V apply(V a, V b) {
    return a | b;
  }
};
struct Xor {
  template <class V>
  static ASCEND_INLINE V apply(V a, V b) {
    return a ^ b;
  }
};

template <class Op, class T>
void combine(const Combination& a) {
  using C = Compute<T>;
  const auto source = [&](int64_t m, int64_t i) { return reinterpret_cast<const T*>(a.sources[m]) + i; };
  const auto target = [&](int64_t k, int64_t i) { return reinterpret_cast<T*>(a.targets[k]) + i; };
  int64_t i = a.first;
  for (; i + kLanes<C> <= a.last; i += kLanes<C>) {
    Vec<C> sum = load<C>(source(0, i));
    for (int64_t m = 1; m < a.members; ++m) sum = Op::template apply<Vec<C>>(sum, load<C>(source(m, i)));
    for (int64_t k = 0; k < a.copies; ++k) store<C>(target(k, i), sum);
  }
  if (const int64_t left = a.last - i; left > 0) {
    Vec<C> sum = load_part<C>(source(0, i), left);
    for (int64_t m = 1; m < a.members; ++m)
      sum = Op::template apply<Vec<C>>(sum, load_part<C>(source(m, i), left));
    for (int64_t k = 0; k < a.copies; ++k) store_part<C>(target(k, i), sum, left);
  }
}

template <class T, class Wrapping = T>
CombineFn of_numbers(Reduction reduction) {
  switch (reduction) {
    case Reduction::kadd:
      return combine<Add, Wrapping>;
    case Reduction::kmul:
      return combine<Multiply, Wrapping>;
    case Reduction::kmax:
      return combine<Max, T>;
    case Reduction::kmin:
      return combine<Min, T>;
    default:
      return nullptr;
  }
}

template <class T>
CombineFn of_bits(Reduction reduction) {
  switch (reduction) {
    case Reduction::kand:
      return combine<And, T>;
    case Reduction::kor:
      return combine<Or, T>;
    case Reduction::kxor:
      return combine<Xor, T>;
    default:
      return nullptr;
  }
}

template <class T>
CombineFn of_integers(Reduction reduction) {
  using U = typename UnsignedOf<T>::type;  // whose sums and products wrap
  if (const CombineFn found = of_bits<U>(reduction)) return found;
  return of_numbers<T, U>(reduction);
}

template <class T>
CombineFn of_unsigned(Reduction reduction) {
  if (const CombineFn found = of_bits<T>(reduction)) return found;
  return of_numbers<T>(reduction);
}

}  // namespace

CombineFn find_combination(Reduction reduction, DType dtype);
CombineFn find_combination(Reduction reduction, DType dtype) {
  switch (dtype) {
    case DType::ki1:
      return of_bits<uint8_t>(reduction);
    case DType::ki8:
      return of_integers<int8_t>(reduction);
    case DType::ki16:
      return of_integers<int16_t>(reduction);
    case DType::ki32:
      return of_integers<int32_t>(reduction);
    case DType::ki64:
      return of_integers<int64_t>(reduction);
    case DType::ku8:
      return of_unsigned<uint8_t>(reduction);
    case DType::ku16:
      return of_unsigned<uint16_t>(reduction);
    case DType::ku32:
      return of_unsigned<uint32_t>(reduction);
    case DType::ku64:
      return of_unsigned<uint64_t>(reduction);
    case DType::kf16:
      return of_numbers<f16>(reduction);
    case DType::kbf16:
      return of_numbers<bf16>(reduction);
    case DType::kf32:
      return of_numbers<float>(reduction);
    case DType::kf64:
      return of_numbers<double>(reduction);
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
