// What single steps of the scalar unit do that go on to the next one, and steps that do two of them: a jump
// to a step costs as much as most steps.
#pragma once
#include <algorithm>
#include <cstring>
#include <span>

#include "plugin/device/execute/scalar_arithmetic.h"
#include "plugin/device/execute/scalar_code.h"

namespace ascend {

// The errors of steps, apart: what builds a message needs a frame.
[[noreturn]] void fail_index(const ScalarStep& s, int64_t index);
[[noreturn]] void fail_divisor(const ScalarStep& s, int64_t divisor);

template <class Op>
const ScalarStep* one_step(const ScalarStep* s, Core& core) {
  Op::run(*s, core);
  ASCEND_STEP_TO(s->next());
}

template <class First, class Second>
const ScalarStep* two_steps(const ScalarStep* s, Core& core) {
  First::run(*s, core);
  Second::run(*s->next(), core);
  ASCEND_STEP_TO(s->next()->next());
}

// Makes steps do the next one's work too, where both are among those that most loops are made of. Every step
// can still be jumped to.
void join_steps(std::span<ScalarStep> steps);

// -- registers

template <class T>
T value_of(int64_t held) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(held);
  } else {
    T value;
    std::memcpy(&value, &held, sizeof value);
    return value;
  }
}

template <class T>
int64_t held_of(T value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<int64_t>(value);
  } else {
    int64_t held = 0;
    std::memcpy(&held, &value, sizeof value);
    return held;
  }
}

struct Move {
  static void run(const ScalarStep& s, Core& core) { core.registers[s.dst] = core.registers[s.a]; }
};

struct Constant {
  static void run(const ScalarStep& s, Core& core) { core.registers[s.dst] = s.value; }
};

// Sums of registers are unsigned: a hostile program may overflow.
struct AddConstant {
  static void run(const ScalarStep& s, Core& core) {
    core.registers[s.dst] =
        static_cast<int64_t>(static_cast<uint64_t>(core.registers[s.a]) + static_cast<uint64_t>(s.value));
  }
};

// k1 a + k2 b + value
struct Coefficients {
  int64_t a, b;
};
struct Linear {
  static void run(const ScalarStep& s, Core& core) {
    const auto& k = *static_cast<const Coefficients*>(s.more);
    const auto times = [&](int64_t coefficient, uint16_t reg) {
      return static_cast<uint64_t>(coefficient) * static_cast<uint64_t>(core.registers[reg]);
    };
    core.registers[s.dst] =
        static_cast<int64_t>(times(k.a, s.a) + times(k.b, s.b) + static_cast<uint64_t>(s.value));
  }
};

template <class Function>
struct Register {
  static void run(const ScalarStep& s, Core& core) {
    core.registers[s.dst] = Function()(core.registers[s.a], core.registers[s.b], s);
  }
};
struct RegisterMin {
  int64_t operator()(int64_t a, int64_t b, const ScalarStep&) const { return std::min(a, b); }
};
struct RegisterMax {
  int64_t operator()(int64_t a, int64_t b, const ScalarStep&) const { return std::max(a, b); }
};
struct RegisterMul {
  int64_t operator()(int64_t a, int64_t b, const ScalarStep&) const {
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};
// Narrow numbers, which most are, divide faster as such.
struct RegisterMod {
  int64_t operator()(int64_t a, int64_t b, const ScalarStep& s) const {
    if (static_cast<uint64_t>(a | b) >> 32 == 0 && b != 0)
      return static_cast<uint32_t>(a) % static_cast<uint32_t>(b);
    if (b < 1) fail_divisor(s, b);
    const int64_t rest = a % b;
    return rest < 0 ? rest + b : rest;
  }
};
struct RegisterDiv {
  int64_t operator()(int64_t a, int64_t b, const ScalarStep& s) const {
    if (static_cast<uint64_t>(a | b) >> 32 == 0 && b != 0)
      return static_cast<uint32_t>(a) / static_cast<uint32_t>(b);
    if (b < 1) fail_divisor(s, b);
    return a / b - (a % b < 0);
  }
};

// By a constant d, `value` being 2^64 / d rounded up: what is left of a * value / 2^64 is the remainder's
// share of d (Lemire, Kaser and Kurz, Faster remainder by direct computation, 2019), for numbers of 32 bits.
struct ModConstant {
  static void run(const ScalarStep& s, Core& core) {
    int64_t* r = core.registers.data();
    const int64_t a = r[s.a];
    if (static_cast<uint64_t>(a) >> 32) [[unlikely]]
      return Register<RegisterMod>::run(s, core);
    const uint64_t low = static_cast<uint64_t>(s.value) * static_cast<uint64_t>(a);
    r[s.dst] =
        static_cast<int64_t>(static_cast<unsigned __int128>(low) * static_cast<uint64_t>(r[s.b]) >> 64);
  }
};
struct DivConstant {
  static void run(const ScalarStep& s, Core& core) {
    int64_t* r = core.registers.data();
    const int64_t a = r[s.a];
    if (static_cast<uint64_t>(a) >> 32) [[unlikely]]
      return Register<RegisterDiv>::run(s, core);
    const auto value = static_cast<unsigned __int128>(static_cast<uint64_t>(s.value));
    r[s.dst] = static_cast<int64_t>(value * static_cast<uint64_t>(a) >> 64);
  }
};

// -- elements of UB: `value` is the tile's address, `jump` how many elements it has

template <class T>
std::byte* element(const ScalarStep& s, Core& core) {
  const int64_t index = core.registers[s.a];
  if (static_cast<uint64_t>(index) >= static_cast<uint64_t>(s.jump)) [[unlikely]]
    fail_index(s, index);
  return core.memory[static_cast<int>(Loc::kvec)] + s.value + index * static_cast<int64_t>(sizeof(T));
}

template <class T>
void write(std::byte* p, int64_t held) {
  T value;
  if constexpr (std::is_same_v<T, Bit>)
    value = static_cast<Bit>(held & 1);
  else
    value = static_cast<T>(held);
  std::memcpy(p, &value, sizeof value);
}

template <class T>
struct Get {
  static void run(const ScalarStep& s, Core& core) {
    core.registers[s.dst] = held_at<T>(element<T>(s, core));
  }
};
template <class T>
struct Set {
  static void run(const ScalarStep& s, Core& core) { write<T>(element<T>(s, core), core.registers[s.b]); }
};

// -- arithmetic of a type

template <class T, class F>
struct Arithmetic {
  static void run(const ScalarStep& s, Core& core) {
    int64_t* r = core.registers.data();
    r[s.dst] = held_of(F::apply(value_of<T>(r[s.a]), value_of<T>(r[s.b])));
  }
};

struct Select {
  static void run(const ScalarStep& s, Core& core) {
    int64_t* r = core.registers.data();
    r[s.dst] = r[r[s.a] & 1 ? s.b : s.c];
  }
};

}  // namespace ascend
