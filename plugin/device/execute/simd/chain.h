// The stages of chains: operations on registers that hold a block of elements.
//
// A stage ends by calling the next with what it computed as arguments, which the calling convention keeps in
// registers; the compiler makes the call a jump.
#pragma once
#include "plugin/device/execute/simd/lanes.h"
#include "plugin/device/execute/vector.h"

namespace ascend::SIMD_VARIANT {

// Vectors of a block. Four hide a latency of four with one operation per cycle, and leave the registers that
// a function needs.
inline constexpr int kBlockVectors = 4;
inline constexpr int64_t kBlock = kBlockVectors * kLanes<float>;

// Runs from its stage on, for the block of elements from i on.
using StageBody = void (*)(const Stage*, int64_t i, F, F, F, F);

ASCEND_INLINE void next_stage(const Stage* s, int64_t i, F a, F b, F c, F d) {
  reinterpret_cast<StageBody>(s[1].function)(s + 1, i, a, b, c, d);
}
inline StageFn as_stage(StageBody body) { return reinterpret_cast<StageFn>(body); }

// ---- operands: `get` gives vector i / kLanes<C>, of which `held` is in registers
// -----------------------------------------------------------------------------------

struct InRegister {
  template <class C>
  static ASCEND_INLINE Vec<C> get(const Stage*, int64_t, F held) {
    return bits_as<Vec<C>>(held);
  }
};
template <class T>
struct InMemory {
  template <class C>
  static ASCEND_INLINE Vec<C> get(const Stage* s, int64_t i, F) {
    return load<C>(reinterpret_cast<const T*>(s->operand) + i);
  }
};
template <class T>
struct InMask {
  template <class C>
  static ASCEND_INLINE Vec<C> get(const Stage* s, int64_t i, F) {
    return load<C>(reinterpret_cast<const T*>(s->mask) + i);
  }
};
template <class T>
struct InScalar {
  template <class C>
  static ASCEND_INLINE Vec<C> get(const Stage* s, int64_t, F) {
    return splat<C>(load_one<T>(s->operand));
  }
};

// ---- stages
// -----------------------------------------------------------------------------------

template <class Op, class C, class... Operand>
void operate(const Stage* s, int64_t i, F a, F b, F c, F d) {
  constexpr int N = kLanes<C>;
  a = bits_as<F>(Op::template apply<C>(Operand::template get<C>(s, i, a)...));
  b = bits_as<F>(Op::template apply<C>(Operand::template get<C>(s, i + N, b)...));
  c = bits_as<F>(Op::template apply<C>(Operand::template get<C>(s, i + 2 * N, c)...));
  d = bits_as<F>(Op::template apply<C>(Operand::template get<C>(s, i + 3 * N, d)...));
  next_stage(s, i, a, b, c, d);
}
template <class C, class R>
void put(const Stage* s, int64_t i, F a, F b, F c, F d) {
  constexpr int N = kLanes<C>;
  // What a comparison gives is as wide as what it compares.
  using V = Vec<Bits<C>>;
  auto* p = reinterpret_cast<R*>(s->operand) + i;
  if constexpr (kSame<R, mask>) {
    store<C>(p, bits_as<V>(a)), store<C>(p + N, bits_as<V>(b));
    store<C>(p + 2 * N, bits_as<V>(c)), store<C>(p + 3 * N, bits_as<V>(d));
  } else {
    store<C>(p, bits_as<Vec<C>>(a)), store<C>(p + N, bits_as<Vec<C>>(b));
    store<C>(p + 2 * N, bits_as<Vec<C>>(c)), store<C>(p + 3 * N, bits_as<Vec<C>>(d));
  }
  next_stage(s, i, a, b, c, d);
}
template <class T, class C>
void get(const Stage* s, int64_t i, F, F, F, F) {
  constexpr int N = kLanes<C>;
  const auto vector = [&](int k) { return bits_as<F>(InMemory<T>::template get<C>(s, i + k * N, F{})); };
  next_stage(s, i, vector(0), vector(1), vector(2), vector(3));
}

// ---- the stages of an operation on elements of T computed as C, with results R
// -----------------------------------------------------------------------------------

// Lanes of 32 bits: i of a stage then means the same elements in every operand. A result of fewer bits than
// its lanes would have to be rounded before it is used.
template <class T, class C, class R>
inline constexpr bool kHasStages =
    sizeof(C) == 4 && sizeof(T) == 4 && (kSame<R, T> || kSame<R, C> || kSame<R, mask>);

template <class T, class C, class R>
StageFns make_stages(StageBody first, StageBody second, StageBody both) {
  StageFns s;
  s.operate[static_cast<int>(Held::kFirst)] = as_stage(first);
  s.operate[static_cast<int>(Held::kSecond)] = second ? as_stage(second) : nullptr;
  s.operate[static_cast<int>(Held::kBoth)] = both ? as_stage(both) : nullptr;
  s.load = as_stage(&get<T, C>);
  s.store = as_stage(&put<C, R>);
  s.kept = sizeof(R) == 4;
  return s;
}
template <class Op, class T, class C = Compute<T>, class R = T>
StageFns stages_of_one() {
  if constexpr (kHasStages<T, C, R>)
    return make_stages<T, C, R>(&operate<Op, C, InRegister>, nullptr, nullptr);
  else
    return {};
}
template <class Op, class T, class C = Compute<T>, class R = T>
StageFns stages_of_scalar() {
  if constexpr (kHasStages<T, C, R>)
    return make_stages<T, C, R>(&operate<Op, C, InRegister, InScalar<T>>, nullptr, nullptr);
  else
    return {};
}
template <class Op, class T, class C = Compute<T>, class R = T>
StageFns stages_of_two() {
  if constexpr (kHasStages<T, C, R>)
    return make_stages<T, C, R>(&operate<Op, C, InRegister, InMemory<T>>,
                                &operate<Op, C, InMemory<T>, InRegister>,
                                &operate<Op, C, InRegister, InRegister>);
  else
    return {};
}

}  // namespace ascend::SIMD_VARIANT
