// Sign and rounding functions, square roots and reciprocals.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/forms.h"

namespace ascend::SIMD_VARIANT {
namespace {

struct Abs : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    if constexpr (kFloat<C>)
      return absolute<C>(x);
    else if constexpr (kSigned<C>)
      return x < 0 ? bits_as<Vec<C>>(-bits_as<Vec<Unsigned<C>>>(x)) : x;
    else
      return x;
  }
};
struct Neg : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return -x;
  }
};
struct Sign : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    if constexpr (kFloat<C>)
      return x < 0 ? Vec<C>{} - 1 : (x > 0 ? Vec<C>{} + 1 : x);
    else if constexpr (kSigned<C>)
      return (x < 0) - (x > 0);
    else
      return x != 0 ? Vec<C>{} + 1 : Vec<C>{};
  }
};
struct Relu : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return x <= 0 ? Vec<C>{} : x;
  }
};
struct Sqrt : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return root(x);
  }
};
struct Rsqrt : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return 1 / root(x);
  }
};
struct Recip : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return 1 / x;
  }
};
struct Floor : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return down<C>(x);
  }
};
struct Ceil : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return up<C>(x);
  }
};
struct Rint : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return nearest<C>(x);
  }
};
struct Round : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    Vec<C> a = absolute<C>(x), t = toward_zero<C>(a);
    return with_sign<C>(a - t >= C(0.5) ? t + 1 : t, x);
  }
};

template <class Op, class T>
VectorBody unary() {
  return {&instruction<row_unary<Op, T>, kSizes1<T>>, stages_of_one<Op, T>()};
}
template <class Op>
VectorBody floats(DType t) {
  return pick(t, []<class T>()
                requires(kFloat<Compute<T>>)
              { return unary<Op, T>(); });
}
template <class Op>
VectorBody numbers(DType t) {
  return pick(t, []<class T>()
                requires(!kIsBool<T>)
              { return unary<Op, T>(); });
}

}  // namespace

VectorBody find_unary(const VectorKey& key) {
  using enum Opcode;
  switch (key.opcode) {
    case ktabs:
      return numbers<Abs>(key.dst);
    case ktneg:
      return pick(signless(key.dst), []<class T>()
                    requires(!kIsBool<T> && (kFloat<Compute<T>> || !kSigned<Compute<T>>))
                  { return unary<Neg, T>(); });
    case ktsign:
      return numbers<Sign>(key.dst);
    case ktrelu:
      return numbers<Relu>(key.dst);
    case ktsqrt:
      return floats<Sqrt>(key.dst);
    case ktrsqrt:
      return floats<Rsqrt>(key.dst);
    case ktrecip:
      return floats<Recip>(key.dst);
    case ktfloor:
      return floats<Floor>(key.dst);
    case ktceil:
      return floats<Ceil>(key.dst);
    case ktrint:
      return floats<Rint>(key.dst);
    case ktround:
      return floats<Round>(key.dst);
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
