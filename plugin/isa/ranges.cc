#include "plugin/isa/ranges.h"

#include <algorithm>

#include "plugin/isa/uses.h"

namespace ascend {
namespace {

Range exact_or_unknown(__int128 low, __int128 high) {
  if (low < Range::kLeast || high > Range::kMost) return {};
  return {static_cast<int64_t>(low), static_cast<int64_t>(high)};
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }  // b > 0

// What sload makes of an element (device/execute/scalar.cc).
Range loaded(DType dtype) {
  const int bits = 8 * dtype_bytes(dtype);
  switch (dtype) {
    case DType::ki1:
    case DType::ku8:
    case DType::ku16:
    case DType::ku32:
      return {0, (int64_t{1} << bits) - 1};
    case DType::ki8:
    case DType::ki16:
    case DType::ki32:
      return {-(int64_t{1} << (bits - 1)), (int64_t{1} << (bits - 1)) - 1};
    case DType::ku64:
      return {0, Range::kMost};
    default:
      return {};
  }
}

// What a register holds of an element (device/execute/scalar_code.h).
Range held(DType dtype) {
  if (dtype == DType::ki1) return {0, 1};
  return dtype == DType::ku64 ? Range{} : loaded(dtype);
}

}  // namespace

Range operator+(Range a, Range b) {
  return exact_or_unknown(__int128(a.low) + b.low, __int128(a.high) + b.high);
}

Range operator*(Range a, Range b) {
  const __int128 corners[] = {__int128(a.low) * b.low, __int128(a.low) * b.high, __int128(a.high) * b.low,
                              __int128(a.high) * b.high};
  return exact_or_unknown(*std::min_element(corners, corners + 4), *std::max_element(corners, corners + 4));
}

Ranges::Ranges(const Kernel& kernel)
    : kernel_(kernel),
      registers_(static_cast<size_t>(kernel.registers)),
      assignments_(registers_.size()),
      blocks_(1) {
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
  for (const Term& t : a.terms) sum = sum + registers_[t.reg] * Range{t.coefficient, t.coefficient};
  return sum;
}

void Ranges::assign(int64_t reg, Range range) {
  if (assignments_[reg] != 1) return;
  registers_[reg] = range;
  blocks_.back().push_back(reg);
}

void Ranges::step(const Instruction& instruction) {
  const auto assign_of = [&](const auto& i, auto&& f) { assign(i.dst_, f(of(i.a_), of(i.b_))); };
  switch (instruction.opcode()) {
    case Opcode::kloop: {  // the body runs for values from start on below stop, and nowhere else
      const auto& i = instruction.as<isa::loop>();
      blocks_.emplace_back();
      const int64_t low = of(i.start_).low, stop = of(i.stop_).high;
      assign(i.dst_, {low, stop > low ? stop - 1 : low});
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
    case Opcode::ksmin:
      assign_of(instruction.as<isa::smin>(),
                [](Range a, Range b) { return Range{std::min(a.low, b.low), std::min(a.high, b.high)}; });
      break;
    case Opcode::ksmax:
      assign_of(instruction.as<isa::smax>(),
                [](Range a, Range b) { return Range{std::max(a.low, b.low), std::max(a.high, b.high)}; });
      break;
    case Opcode::ksmul:
      assign_of(instruction.as<isa::smul>(), [](Range a, Range b) { return a * b; });
      break;
    case Opcode::ksdiv:  // a divisor below one is refused when it happens
      assign_of(instruction.as<isa::sdiv>(), [](Range a, Range b) {
        const int64_t least = std::max<int64_t>(b.low, 1), most = std::max<int64_t>(b.high, 1);
        return Range{floor_div(a.low, a.low < 0 ? least : most),
                     floor_div(a.high, a.high < 0 ? most : least)};
      });
      break;
    case Opcode::ksmod:
      assign_of(instruction.as<isa::smod>(),
                [](Range, Range b) { return Range{0, std::max<int64_t>(b.high, 1) - 1}; });
      break;
    case Opcode::ksload: {
      const auto& i = instruction.as<isa::sload>();
      assign(i.dst_, loaded(kernel_.arguments[i.src_.argument].dtype));
      break;
    }
    case Opcode::ksget: {
      const auto& i = instruction.as<isa::sget>();
      assign(i.dst_, held(kernel_.tiles[i.src_.tile].dtype));
      break;
    }
    case Opcode::ksconvert: {
      const auto& i = instruction.as<isa::sconvert>();
      assign(i.dst_, held(kScalarTypes[i.to_]));
      break;
    }
    case Opcode::kscompute: {
      const auto& i = instruction.as<isa::scompute>();
      const Opcode opcode = kScalarVector[i.op_].first;
      if (opcode == Opcode::ktsel) break;  // of what the registers hold, whatever that is
      assign(i.dst_, opcode == Opcode::ktcmp || opcode == Opcode::ktisfinite ? Range{0, 1}
                                                                             : held(kScalarTypes[i.type_]));
      break;
    }
    default:
      break;
  }
}

}  // namespace ascend
