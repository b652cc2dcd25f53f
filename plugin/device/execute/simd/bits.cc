// Bitwise logic, shifts, bit counts; and the arithmetic of i1, which is logic.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/forms.h"

namespace ascend::SIMD_VARIANT {
namespace {

struct And : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return a & b;
  }
};
struct Or : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return a | b;
  }
};
struct Xor : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return a ^ b;
  }
};
struct Not : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a) {
    return ~a;
  }
};
struct NotBool : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a) {
    return a ^ 1;
  }
};
struct Identity : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a) {
    return a;
  }
};

// Shifts compute in lanes of at least 32 bits, kWidth being the element's. A count outside of 0..width-1,
// negative ones included, shifts everything out.
template <int kWidth>
struct ShiftLeft : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return bits_as<Vec<C>>(b < C(kWidth)) & (a << (b & C(kWidth - 1)));
  }
};
struct RotateLeft : Light {  // by 1 to 31
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return a << b | a >> (C(32) - b);
  }
};
template <int kWidth>
struct ShiftRightLogical : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    return bits_as<Vec<C>>(b < C(kWidth)) & (a >> (b & C(kWidth - 1)));
  }
};
template <int kWidth>
struct ShiftRightArithmetic : Light {
  template <class C>  // signed
  static ASCEND_INLINE Vec<C> apply(Vec<C> a, Vec<C> b) {
    using B = Vec<Unsigned<C>>;
    Vec<C> count = bits_as<B>(b) < Unsigned<C>(kWidth) ? b : Vec<C>{} + C(kWidth - 1);
    return a >> count;
  }
};

struct CountOnes : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    constexpr C ones = C(~C(0));
    x = x - ((x >> 1) & C(ones / 3));
    x = (x & C(ones / 5)) + ((x >> 2) & C(ones / 5));
    x = (x + (x >> 4)) & C(ones / 17);
    if constexpr (sizeof(C) >= 2) x = x + (x >> 8);
    if constexpr (sizeof(C) >= 4) x = x + (x >> 16);
    if constexpr (sizeof(C) >= 8) x = x + (x >> 32);
    return x & C(127);
  }
};
struct CountLeadingZeros : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    x = x | (x >> 1);
    x = x | (x >> 2);
    x = x | (x >> 4);
    if constexpr (sizeof(C) >= 2) x = x | (x >> 8);
    if constexpr (sizeof(C) >= 4) x = x | (x >> 16);
    if constexpr (sizeof(C) >= 8) x = x | (x >> 32);
    return CountOnes::apply<C>(~x);
  }
};

// Row bodies of shifts: elements of type T computed as C.
template <class T>
struct Wide {
  using C = T;
};
template <>
struct Wide<int8_t> {
  using C = int32_t;
};
template <>
struct Wide<int16_t> {
  using C = int32_t;
};
template <>
struct Wide<uint8_t> {
  using C = uint32_t;
};
template <>
struct Wide<uint16_t> {
  using C = uint32_t;
};
template <class Op, class T>
void shift_binary(const Row& r) {
  using C = typename Wide<T>::C;
  map_row<Op, C, T>(r.dst, r.n, Stream<C, T>(r.src[0]), Stream<C, T>(r.src[1]));
}
template <class Op, class T>
void shift_splat(const Row& r) {
  using C = typename Wide<T>::C;
  T count;
  __builtin_memcpy(&count, r.src[1], sizeof count);
  Same<C, C> same(splat<C>(count));
  map_row<Op, C, T>(r.dst, r.n, Stream<C, T>(r.src[0]), same);
}

using enum Opcode;
constexpr Forms kAnd{ktand, ktands}, kOr{ktor, ktors}, kXor{ktxor, ktxors};
constexpr Forms kShl{ktshl, ktshls}, kShr{ktshr, ktshrs}, kShrl{ktshrl, ktshrls};

template <template <int> class Op, class T>
VectorBody shift(Form form) {
  constexpr Sizes sizes{sizeof(T), {sizeof(T), sizeof(T), 0}, kLanes<typename Wide<T>::C>};
  using O = Op<8 * sizeof(T)>;
  if (form == Form::kTiles) return {&instruction<shift_binary<O, T>, sizes>, stages_of_two<O, T>()};
  return {&instruction_scalar<shift_splat<O, T>, shift_binary<O, T>, sizes>, stages_of_scalar<O, T>()};
}

template <class Op>
VectorBody logic(Form form, DType t) {
  return pick(t == DType::ki1 ? DType::ku8 : signless(t), [=]<class T>()
                requires(kInt<T> && !kSigned<T>)
              { return in_form<Op, T>(form); });
}
template <class Op>
VectorBody unary(DType t) {
  return pick(t, []<class T>()
                requires(kInt<T> && !kSigned<T>)
              { return VectorBody(&instruction<row_unary<Op, T>, kSizes1<T>>, stages_of_one<Op, T>()); });
}

}  // namespace

VectorBody find_bits(const VectorKey& key) {
  DType t = key.dst;
  Form form;
  if ((form = kAnd.of(key.opcode)) != Form::kNone) return logic<And>(form, t);
  if ((form = kOr.of(key.opcode)) != Form::kNone) return logic<Or>(form, t);
  if ((form = kXor.of(key.opcode)) != Form::kNone) return logic<Xor>(form, t);
  if ((form = kShl.of(key.opcode)) != Form::kNone)
    return pick(signless(t), [=]<class T>()
                  requires(kInt<T> && !kSigned<T>)
                {
                  VectorBody body = shift<ShiftLeft, T>(form);
                  if constexpr (sizeof(T) == 4)
                    body.stages.rotate = as_stage(operate<RotateLeft, T, InRegister, InScalar<T>>);
                  return body;
                });
  if ((form = kShrl.of(key.opcode)) != Form::kNone)
    return pick(signless(t), [=]<class T>()
                  requires(kInt<T> && !kSigned<T>)
                { return shift<ShiftRightLogical, T>(form); });
  if ((form = kShr.of(key.opcode)) != Form::kNone)
    return pick(t, [=]<class T>()
                  requires(kInt<T>)
                {
                  if constexpr (kSigned<T>)
                    return shift<ShiftRightArithmetic, T>(form);
                  else
                    return shift<ShiftRightLogical, T>(form);
                });
  switch (key.opcode) {
    case ktpopcnt:
      return unary<CountOnes>(signless(t));
    case ktclz:
      return unary<CountLeadingZeros>(signless(t));
    case ktnot:
      return t == DType::ki1 ? unary<NotBool>(DType::ku8) : unary<Not>(signless(t));
    default:
      break;
  }
  if (t != DType::ki1 || key.src != DType::ki1) return nullptr;
  switch (key.opcode) {
    case ktadd:
    case ktmax:
      return logic<Or>(Form::kTiles, t);
    case ktmul:
    case ktmin:
      return logic<And>(Form::kTiles, t);
    case ktabs:
    case ktneg:
      return unary<Identity>(DType::ku8);
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
