#include "plugin/device/execute/scalar_steps.h"

#include <array>
#include <unordered_map>

#include "plugin/device/execute/operands.h"
#include "plugin/isa/message.h"

namespace ascend {
namespace {

[[noreturn]] void fail(const ScalarStep& s, const std::string& what) {
  Site{static_cast<const Kernel*>(s.more), static_cast<size_t>(s.index)}.fail(what);
}

// The steps of counters and places, of elements of 32 bits, and of the arithmetic of f32 and i32.
template <class... Ops>
struct OpList {
  static constexpr size_t kCount = sizeof...(Ops);
  template <class First>
  static constexpr std::array<ScalarFn, kCount> followed() {
    return {&two_steps<First, Ops>...};
  }
  static constexpr std::array<ScalarFn, kCount> alone{&one_step<Ops>...};
  static constexpr std::array<std::array<ScalarFn, kCount>, kCount> pairs{followed<Ops>()...};
};
using Joined =
    OpList<Move, Linear, AddConstant, ModConstant, Register<RegisterMin>, Register<RegisterMax>, Select,
           Get<int32_t>, Get<uint32_t>, Set<int32_t>, Set<uint32_t>, Arithmetic<float, scalar::Add>,
           Arithmetic<float, scalar::Sub>, Arithmetic<float, scalar::Mul>, Arithmetic<float, scalar::Neg>,
           Arithmetic<int32_t, scalar::Add>, Arithmetic<int32_t, scalar::Sub>,
           Arithmetic<int32_t, scalar::Eq>, Arithmetic<int32_t, scalar::Lt>>;

// The number of what a step does first, joined or not.
const std::unordered_map<ScalarFn, size_t>& numbers() {
  static const std::unordered_map<ScalarFn, size_t> found = [] {
    std::unordered_map<ScalarFn, size_t> numbers;
    for (size_t i = 0; i < Joined::kCount; ++i) {
      numbers[Joined::alone[i]] = i;
      for (const ScalarFn pair : Joined::pairs[i]) numbers[pair] = i;
    }
    return numbers;
  }();
  return found;
}

}  // namespace

void fail_index(const ScalarStep& s, int64_t index) {
  fail(s, concat("index; expected 0 to ", s.jump - 1, ", got ", index, "."));
}

void fail_divisor(const ScalarStep& s, int64_t divisor) {
  fail(s, concat("divisor; expected at least 1, got ", divisor, "."));
}

void join_steps(std::span<ScalarStep> steps) {
  const auto& known = numbers();
  auto next = known.end();
  for (size_t i = steps.size(); i-- > 0;) {
    const auto here = known.find(steps[i].run);
    if (here != known.end() && next != known.end()) steps[i].run = Joined::pairs[here->second][next->second];
    next = here;
  }
}

}  // namespace ascend
