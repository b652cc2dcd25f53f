// The stages of chains: operations on registers that hold a block of elements.
//
// A stage ends by calling the next with what it computed as arguments, which the calling convention keeps in
// registers; the compiler makes the call a jump.
#pragma once
#include "plugin/device/execute/simd/lanes.h"
#include "plugin/device/execute/vector.h"

namespace ascend::SIMD_VARIANT {

// Vectors of a block: as many as the calling convention passes in registers, so that a jump is paid for by
// eight operations.
inline constexpr int64_t kBlock = 8 * kLanes<float>;
static_assert(kBlock <= kMostBlock);

// Runs from its stage on, for the block of elements from i on.
using StageBody = void (*)(const Stage*, int64_t i, F, F, F, F, F, F, F, F);

inline StageFn as_stage(StageBody body) { return reinterpret_cast<StageFn>(body); }

// Step::at(stage, i, v) gives what takes the place of v, the vector of the elements from i on.
template <class Step>
void run_stage(const Stage* s, int64_t i, F a, F b, F c, F d, F e, F f, F g, F h) {
  constexpr int N = kLanes<float>;
  a = Step::at(s, i, a), b = Step::at(s, i + N, b), c = Step::at(s, i + 2 * N, c);
  d = Step::at(s, i + 3 * N, d), e = Step::at(s, i + 4 * N, e), f = Step::at(s, i + 5 * N, f);
  g = Step::at(s, i + 6 * N, g), h = Step::at(s, i + 7 * N, h);
  reinterpret_cast<StageBody>(s[1].function)(s + 1, i, a, b, c, d, e, f, g, h);
}

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

// ---- steps
// -----------------------------------------------------------------------------------

template <class Op, class C, class... Operand>
struct Operate {
  static ASCEND_INLINE F at(const Stage* s, int64_t i, F held) {
    return bits_as<F>(Op::template apply<C>(Operand::template get<C>(s, i, held)...));
  }
};
template <class T, class C>
struct Get {
  static ASCEND_INLINE F at(const Stage* s, int64_t i, F held) {
    // The hardware's prefetching stops at the end of a page, and a strip of f32 is one: ask for the next
    // strip.
    constexpr int kAhead = 1024;  // elements
    __builtin_prefetch(reinterpret_cast<const T*>(s->operand) + i + kAhead);
    return bits_as<F>(InMemory<T>::template get<C>(s, i, held));
  }
};
template <class C, class R>
struct Put {
  static ASCEND_INLINE F at(const Stage* s, int64_t i, F held) {
    auto* p = reinterpret_cast<R*>(s->operand) + i;
    if constexpr (kSame<R, mask>)
      store<C>(p, bits_as<I>(held));  // what a comparison gives
    else
      store<C>(p, bits_as<Vec<C>>(held));
    return held;
  }
};

template <class Op, class C, class R, class... Operand>
struct SetAside {
  static ASCEND_INLINE F at(const Stage* s, int64_t i, F held) {
    store<C>(reinterpret_cast<R*>(s->mask) + i,
             Op::template apply<C>(Operand::template get<C>(s, i, held)...));
    return held;
  }
};

template <class Op, class C, class... Operand>
inline constexpr StageBody operate = &run_stage<Operate<Op, C, Operand...>>;

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
  s.load = as_stage(&run_stage<Get<T, C>>);
  s.store = as_stage(&run_stage<Put<C, R>>);
  s.kept = sizeof(R) == 4;
  return s;
}
template <class Op, class T, class C = Compute<T>, class R = T>
StageFns stages_of_one() {
  if constexpr (kHasStages<T, C, R>)
    return make_stages<T, C, R>(operate<Op, C, InRegister>, nullptr, nullptr);
  else
    return {};
}
template <class Op, class T, class C = Compute<T>, class R = T>
StageFns stages_of_scalar() {
  if constexpr (kHasStages<T, C, R>)
    return make_stages<T, C, R>(operate<Op, C, InRegister, InScalar<T>>, nullptr, nullptr);
  else
    return {};
}
template <class Op, class T, class C = Compute<T>, class R = T>
StageFns stages_of_two() {
  if constexpr (kHasStages<T, C, R>) {
    StageFns s =
        make_stages<T, C, R>(operate<Op, C, InRegister, InMemory<T>>, operate<Op, C, InMemory<T>, InRegister>,
                             operate<Op, C, InRegister, InRegister>);
    if constexpr (!kSame<R, mask>) {
      s.aside[0] = as_stage(&run_stage<SetAside<Op, C, R, InRegister, InMemory<T>>>);
      s.aside[1] = as_stage(&run_stage<SetAside<Op, C, R, InMemory<T>, InRegister>>);
    }
    return s;
  } else {
    return {};
  }
}

}  // namespace ascend::SIMD_VARIANT
