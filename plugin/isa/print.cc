// Instructions as text, for error messages.
#include <sstream>

#include "plugin/isa/message.h"
#include "plugin/isa/module.h"

namespace ascend {
namespace {

struct Printer {
  std::ostringstream out;
  const InstructionInfo& info;
  size_t next = 0;

  void show(const Affine& a) {
    out << a.constant;
    for (const Term& t : a.terms) out << " + " << t.coefficient << "*%r" << t.reg;
  }
  void show(const TileOperand& t) {
    out << '%' << t.tile;
    if (t.slot.constant || !t.slot.terms.empty()) out << '[', show(t.slot), out << ']';
  }
  void show(const ViewOperand& v) {
    out << "arg" << v.argument << '[';
    show(v.offset);
    for (size_t i = 0; i < v.shape.size(); ++i) {
      out << (static_cast<int64_t>(i) == v.split ? " | " : ", ");
      show(v.shape[i]);
      out << ':' << v.strides[i];
    }
    out << ']';
  }
  void show(const Immediate& i) {
    if (i.is_float) {
      double value;
      static_assert(sizeof value == sizeof i.bits);
      __builtin_memcpy(&value, &i.bits, sizeof value);
      out << value;
    } else {
      out << i.bits;
    }
  }
  void show(const std::vector<int64_t>& list) {
    out << '(';
    for (size_t i = 0; i < list.size(); ++i) out << (i ? ", " : "") << list[i];
    out << ')';
  }
  void show(int64_t value) {
    const OperandInfo& operand = info.operands[next];
    if (operand.kind == OperandKind::kenum) {
      out << operand.values[static_cast<size_t>(value)];
    } else {
      out << "%r" << value;
    }
  }
  template <class... Operands>
  void operator()(const Operands&... operands) {
    out << "pto." << info.name;
    ((out << (next ? ", " : " "), show(operands), ++next), ...);
  }
};

}  // namespace

std::string print(const Instruction& instruction) {
  Printer printer{{}, instruction.info()};
  visit(instruction, [&](const auto& operands) { operands.visit(printer); });
  return printer.out.str();
}

std::string place(const Kernel& kernel, size_t index) {
  return concat("[kernel ", kernel.name, ", instruction ", index, ": ", print(kernel.body.at(index)), "] ");
}

}  // namespace ascend
