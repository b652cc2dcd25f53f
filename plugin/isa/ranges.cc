#include "plugin/isa/ranges.h"

#include <algorithm>

#include "plugin/isa/uses.h"

namespace ascend {
namespace {

int64_t clamp(__int128 v) {
  if (v <= Range::kLeast) return Range::kLeast;
  if (v >= Range::kMost) return Range::kMost;
  return static_cast<int64_t>(v);
}

bool bounded(int64_t bound) { return bound != Range::kLeast && bound != Range::kMost; }

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

}  // namespace

Range operator+(Range a, Range b) {
  return {bounded(a.low) && bounded(b.low) ? clamp(__int128(a.low) + b.low) : Range::kLeast,
          bounded(a.high) && bounded(b.high) ? clamp(__int128(a.high) + b.high) : Range::kMost};
}

Range scale(Range a, int64_t factor) {
  if (factor == 0) return {0, 0};
  const auto times = [&](int64_t bound) { return clamp(__int128(bound) * factor); };
  int64_t low = bounded(a.low) ? times(a.low) : (factor > 0 ? Range::kLeast : Range::kMost);
  int64_t high = bounded(a.high) ? times(a.high) : (factor > 0 ? Range::kMost : Range::kLeast);
  if (factor < 0) std::swap(low, high);
  return {low, high};
}

Ranges::Ranges(const Kernel& kernel)
    : registers_(static_cast<size_t>(kernel.registers)), assignments_(registers_.size()), blocks_(1) {
  for (size_t i = 0; i < kernel.grid.size(); ++i) {
    registers_[i] = {0, kernel.grid[i] - 1};
    assignments_[i] = 1;
  }
  for (const Instruction& instruction : kernel.body) {
    const int64_t reg = written_register(instruction);
    if (reg >= 0 && assignments_[reg] < 2) ++assignments_[reg];
    if (reg >= 0 && reg < static_cast<int64_t>(kernel.grid.size())) registers_[reg] = {};
  }
}

Range Ranges::of(const Affine& a) const {
  Range sum{a.constant, a.constant};
  for (const Term& t : a.terms) sum = sum + scale(registers_[t.reg], t.coefficient);
  return sum;
}

void Ranges::assign(int64_t reg, Range range) {
  if (assignments_[reg] != 1) return;
  registers_[reg] = range;
  blocks_.back().push_back(reg);
}

void Ranges::step(const Instruction& instruction) {
  switch (instruction.opcode()) {
    case Opcode::kloop: {
      const auto& i = instruction.as<isa::loop>();
      blocks_.emplace_back();
      const Range start = of(i.start_), stop = of(i.stop_);
      assign(i.dst_, {start.low, std::max(start.high == Range::kMost ? start.low : start.high,
                                          stop.high == Range::kMost ? stop.high : stop.high - 1)});
      break;
    }
    case Opcode::kwhen:
      blocks_.emplace_back();
      break;
    case Opcode::ksubblocks:
      blocks_.emplace_back();
      assign(instruction.as<isa::subblocks>().dst_, {0, 1});
      break;
    case Opcode::kend:
      for (int64_t reg : blocks_.back()) registers_[reg] = {};
      blocks_.pop_back();
      break;
    case Opcode::ksaffine: {
      const auto& i = instruction.as<isa::saffine>();
      assign(i.dst_, of(i.a_));
      break;
    }
    case Opcode::ksmin: {
      const auto& i = instruction.as<isa::smin>();
      const Range a = of(i.a_), b = of(i.b_);
      assign(i.dst_, {std::min(a.low, b.low), std::min(a.high, b.high)});
      break;
    }
    case Opcode::ksmax: {
      const auto& i = instruction.as<isa::smax>();
      const Range a = of(i.a_), b = of(i.b_);
      assign(i.dst_, {std::max(a.low, b.low), std::max(a.high, b.high)});
      break;
    }
    case Opcode::ksmul: {
      const auto& i = instruction.as<isa::smul>();
      const Range a = of(i.a_), b = of(i.b_);
      Range product;
      if (a.within(Range::kLeast + 1, Range::kMost - 1) && b.within(Range::kLeast + 1, Range::kMost - 1)) {
        const __int128 corners[] = {__int128(a.low) * b.low, __int128(a.low) * b.high,
                                    __int128(a.high) * b.low, __int128(a.high) * b.high};
        product = {clamp(*std::min_element(corners, corners + 4)),
                   clamp(*std::max_element(corners, corners + 4))};
      }
      assign(i.dst_, product);
      break;
    }
    case Opcode::ksdiv: {
      const auto& i = instruction.as<isa::sdiv>();
      const Range a = of(i.a_), b = of(i.b_);
      Range quotient;  // b > 0: the quotient lies between 0 and a, or is exact bounds for a constant b
      if (b.low == b.high && b.low > 0) {
        if (a.low != Range::kLeast) quotient.low = floor_div(a.low, b.low);
        if (a.high != Range::kMost) quotient.high = floor_div(a.high, b.low);
      } else {
        if (a.low != Range::kLeast) quotient.low = std::min<int64_t>(a.low, 0);
        if (a.high != Range::kMost) quotient.high = std::max<int64_t>(a.high, 0);
      }
      assign(i.dst_, quotient);
      break;
    }
    case Opcode::ksmod: {
      const auto& i = instruction.as<isa::smod>();
      const Range b = of(i.b_);
      assign(i.dst_, {0, b.high == Range::kMost ? b.high : std::max<int64_t>(b.high - 1, 0)});
      break;
    }
    default:
      break;  // sload: not known
  }
}

}  // namespace ascend
