// add, sub, mul, div, max, min: of two tiles, of a tile and a scalar, and of a tile and a column or a row.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/forms.h"

namespace ascend::SIMD_VARIANT {
namespace {

struct Add : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return a + b;
  }
};
struct Sub : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return a - b;
  }
};
struct Mul : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return a * b;
  }
};
struct Div : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return a / b;
  }
};
// x / y given y, between 2^-24 and 2^24 in magnitude, and 1 / y: a third of a division's time. A quotient
// corrected to within one unit is made exact by one more correction (Markstein), as long as the remainders do
// not underflow, which the bounds on x see to; a zero keeps its sign.
struct DivByOne : Light {
  template <class>
  static ASCEND_INLINE F apply(F x, F y, F inverse) {
    constexpr int32_t low = 27 << 23, high = 227 << 23;  // 2^-100 and 2^100
    I magnitude = bits_as<I>(x) & INT32_MAX;
    U above_low = bits_as<U>(magnitude - low);
    if (any((above_low > U{} + (high - low)) & (magnitude != 0))) [[unlikely]]
      return x / y;
    F q = x * inverse, near = madd(madd(-q, y, x), inverse, q);
    return with_sign<float>(madd(madd(-near, y, x), inverse, near), q);
  }
};
template <class T>
void row_quotient(const Row& r) {
  const float y = load_one<T>(r.src[1]), magnitude = __builtin_fabsf(y);
  if (!kFused || !(magnitude >= 0x1p-24f && magnitude <= 0x1p24f)) return row_splat<Div, T>(r);
  map_row<DivByOne, float, T>(r.dst, r.n, Stream<float, T>(r.src[0]), Same<float, T>(f(y)),
                              Same<float, T>(f(1 / y)));
}

struct DivByScalar : Light {
  template <class>
  static ASCEND_INLINE F apply(F x, F y) {
    const float magnitude = __builtin_fabsf(y[0]);
    if (!kFused || !(magnitude >= 0x1p-24f && magnitude <= 0x1p24f)) return x / y;
    return DivByOne::apply<float>(x, y, f(1 / y[0]));
  }
};

// x / 0 is all ones; the least number / -1 wraps to itself.
struct DivInt : Heavy {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    for (int i = 0; i < kLanes<C>; ++i) {
      C x = a[i], y = b[i];
      if (y == 0)
        a[i] = C(-1);
      else if (kSigned<C> && y == C(-1))
        a[i] = C(0) - static_cast<Unsigned<C>>(x);
      else
        a[i] = x / y;
    }
    return a;
  }
};
// NaN if either is NaN; +0 is above -0. Choosing both ways round differs only for two zeros and for NaN.
struct Max : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    if constexpr (kFloat<C>) {
      using B = Vec<Bits<C>>;
      B both = bits_as<B>(a > b ? a : b) & bits_as<B>(b > a ? b : a);
      return (a == a) & (b == b) ? bits_as<Vec<C>>(both) : a + b;
    } else {
      return a > b ? a : b;
    }
  }
};
struct Min : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    if constexpr (kFloat<C>) {
      using B = Vec<Bits<C>>;
      B both = bits_as<B>(a < b ? a : b) | bits_as<B>(b < a ? b : a);
      return (a == a) & (b == b) ? bits_as<Vec<C>>(both) : a + b;
    } else {
      return a < b ? a : b;
    }
  }
};

using enum Opcode;
constexpr Forms kAdd{ktadd, ktadds, kend, ktrowexpandadd, ktcolexpandadd};
constexpr Forms kSub{ktsub, ktsubs, ktrsubs, ktrowexpandsub, ktcolexpandsub};
constexpr Forms kMul{ktmul, ktmuls, kend, ktrowexpandmul, ktcolexpandmul};
constexpr Forms kDiv{ktdiv, ktdivs, ktrdivs, ktrowexpanddiv, ktcolexpanddiv};
constexpr Forms kMax{ktmax, ktmaxs, kend, ktrowexpandmax, ktcolexpandmax};
constexpr Forms kMin{ktmin, ktmins, kend, ktrowexpandmin, ktcolexpandmin};

// Integers that wrap have no sign.
template <class Op>
VectorBody wrapping(Form form, DType t) {
  return pick(signless(t), [=]<class T>()
                requires(!kIsBool<T> && (kFloat<Compute<T>> || !kSigned<Compute<T>>))
              { return in_form<Op, T, T, kSame<Op, Sub>>(form); });
}
template <class Op>
VectorBody ordered(Form form, DType t) {
  return pick(t, [=]<class T>()
                requires(!kIsBool<T>)
              { return in_form<Op, T>(form); });
}
VectorBody quotient(Form form, DType t) {
  return pick(t, [=]<class T>()
                requires(!kIsBool<T>)
              {
                if constexpr (kInt<T>) return in_form<DivInt, T, T, true>(form);
                if constexpr (kSame<Compute<T>, float>) {
                  if (form == Form::kScalar)
                    return VectorBody(&instruction_scalar<row_quotient<T>, row_binary<Div, T>, kSizes2<T>>,
                                      stages_of_scalar<DivByScalar, T>());
                  if (form == Form::kColumn)
                    return VectorBody(&instruction_row<row_quotient<T>, row_binary<Div, T>, kSizes2<T>>,
                                      stages_of_scalar<DivByScalar, T>());
                }
                return in_form<Div, T, T, true>(form);
              });
}

}  // namespace

VectorBody find_arithmetic(const VectorKey& key) {
  Form form;
  if ((form = kAdd.of(key.opcode)) != Form::kNone) return wrapping<Add>(form, key.dst);
  if ((form = kSub.of(key.opcode)) != Form::kNone) return wrapping<Sub>(form, key.dst);
  if ((form = kMul.of(key.opcode)) != Form::kNone) return wrapping<Mul>(form, key.dst);
  if ((form = kDiv.of(key.opcode)) != Form::kNone) return quotient(form, key.dst);
  if ((form = kMax.of(key.opcode)) != Form::kNone) return ordered<Max>(form, key.dst);
  if ((form = kMin.of(key.opcode)) != Form::kNone) return ordered<Min>(form, key.dst);
  return nullptr;
}

}  // namespace ascend::SIMD_VARIANT
