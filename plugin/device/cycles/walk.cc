#include "plugin/device/cycles/walk.h"

#include <algorithm>
#include <utility>

#include "plugin/isa/uses.h"

namespace ascend::cycles {

Shape::Shape(const Kernel& k) : kernel(k), match(k.body.size(), -1), in_subblocks(k.body.size(), false) {
  std::vector<int> open;
  int depth = 0;  // of subblocks
  for (size_t i = 0; i < k.body.size(); ++i) {
    const Opcode op = k.body[i].opcode();
    in_subblocks[i] = depth > 0;
    if (k.body[i].info().opens) {
      open.push_back(static_cast<int>(i));
      depth += op == Opcode::ksubblocks;
    } else if (op == Opcode::kend) {
      match[i] = open.back();
      match[open.back()] = static_cast<int>(i);
      depth -= k.body[open.back()].opcode() == Opcode::ksubblocks;
      open.pop_back();
    }
  }
}

Walk::Walk(const Shape& shape, int64_t block, Role role, int64_t loaded)
    : shape_(shape),
      role_(role),
      loaded_(loaded),
      registers_(shape.kernel.registers, 0),
      data_(shape.kernel.registers) {
  const auto& grid = shape.kernel.grid;
  for (size_t d = grid.size(); d-- > 0;) {
    registers_[d] = block % grid[d];
    block /= grid[d];
  }
}

namespace {

// Like the executor's, 64-bit arithmetic wraps.
int64_t sum(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t product(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
int64_t floor_div(int64_t a, int64_t b) { return b < 1 ? 0 : a / b - (a % b < 0); }
int64_t floor_mod(int64_t a, int64_t b) { return b < 1 ? 0 : a % b + (a % b < 0 ? b : 0); }

}  // namespace

int64_t Walk::value(const Affine& a) const {
  int64_t v = a.constant;
  for (const Term& t : a.terms) v = sum(v, product(t.coefficient, registers_[t.reg]));
  return v;
}

bool Walk::is_data(const Affine& a) const {
  return std::any_of(a.terms.begin(), a.terms.end(), [&](const Term& t) { return data_[t.reg]; });
}

int Walk::next() {
  const auto& body = shape_.kernel.body;
  while (at_ < static_cast<int>(body.size())) {
    const int index = at_;
    const Instruction& instruction = body[index];
    if (instruction.info().opens) {
      enter(index);
      continue;
    }
    if (instruction.opcode() == Opcode::kend) {
      leave(index);
      continue;
    }
    ++at_;
    if (instruction.opcode() == Opcode::kuntil) {
      if (std::exchange(frames_.back().passed, true)) {
        at_ = shape_.match[frames_.back().opener] + 1;
        frames_.pop_back();
      }
      return index;
    }
    if (instruction.info().group == "scalar") {
      scalar(instruction);
      return index;
    }
    const bool vector_part = shape_.in_subblocks[index];
    if (role_ == Role::kOnly || vector_part == (role_ != Role::kCube)) return index;
  }
  return -1;
}

void Walk::enter(int index) {
  const Instruction& instruction = shape_.kernel.body[index];
  bool run = true;
  Frame frame{index, 0, 1};
  if (instruction.opcode() == Opcode::kloop) {
    const auto& loop = instruction.as<isa::loop>();
    const int64_t start = value(loop.start_);
    frame.stop = value(loop.stop_);
    frame.step = value(loop.step_);
    registers_[loop.dst_] = start;
    run = start < frame.stop;
  } else if (instruction.opcode() == Opcode::kwhen) {
    const Affine& condition = instruction.as<isa::when>().value_;
    run = is_data(condition) || value(condition) > 0;
  } else {
    run = role_ != Role::kCube;
    registers_[instruction.as<isa::subblocks>().dst_] = role_ == Role::kVector1;
  }
  if (run) {
    frames_.push_back(frame);
    at_ = index + 1;
  } else {
    at_ = shape_.match[index] + 1;
  }
}

void Walk::leave(int index) {
  Frame& frame = frames_.back();
  const Instruction& opener = shape_.kernel.body[frame.opener];
  if (opener.opcode() == Opcode::kloop) {
    int64_t& counter = registers_[opener.as<isa::loop>().dst_];
    int64_t next;
    if (!__builtin_add_overflow(counter, frame.step, &next) && next < frame.stop) {
      counter = next;
      at_ = frame.opener + 1;
      return;
    }
  }
  frames_.pop_back();
  at_ = index + 1;
}

void Walk::scalar(const Instruction& instruction) {
  const auto assign = [&](int64_t reg, int64_t value, bool data) {
    registers_[reg] = value, data_[reg] = data;
  };
  const auto binary = [&](const auto& i, auto f) {
    assign(i.dst_, f(value(i.a_), value(i.b_)), is_data(i.a_) || is_data(i.b_));
  };
  switch (instruction.opcode()) {
    case Opcode::ksaffine: {
      const auto& i = instruction.as<isa::saffine>();
      assign(i.dst_, value(i.a_), is_data(i.a_));
      break;
    }
    case Opcode::ksmin:
      binary(instruction.as<isa::smin>(), [](int64_t a, int64_t b) { return std::min(a, b); });
      break;
    case Opcode::ksmax:
      binary(instruction.as<isa::smax>(), [](int64_t a, int64_t b) { return std::max(a, b); });
      break;
    case Opcode::ksmul:
      binary(instruction.as<isa::smul>(), product);
      break;
    case Opcode::ksdiv:
      binary(instruction.as<isa::sdiv>(), floor_div);
      break;
    case Opcode::ksmod:
      binary(instruction.as<isa::smod>(), floor_mod);
      break;
    case Opcode::ksload:
      assign(instruction.as<isa::sload>().dst_, loaded_, false);
      break;
    default:
      if (const int64_t reg = written_register(instruction); reg >= 0) assign(reg, 0, true);
  }
}

}  // namespace ascend::cycles
