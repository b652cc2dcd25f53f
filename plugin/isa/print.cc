// Instructions as text, for error messages: that of compiler/isa/text_operands.py.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "plugin/isa/message.h"
#include "plugin/isa/operands.h"

namespace ascend {
namespace {

constexpr std::string_view kPrefix = "pto.";

// Shortest digits that give the number back; an exponent below 1e-4 and from 1e16 on.
std::string number(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  char text[40];
  if (std::isnan(value)) {
    if (bits == 0x7ff8000000000000) return "nan";
    std::snprintf(text, sizeof text, "f64(0x%016llx)", static_cast<unsigned long long>(bits));
    return text;
  }
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  const double size = std::fabs(value);
  const bool scientific = size < 1e-4 || size >= 1e16;
  const auto format = scientific ? std::chars_format::scientific : std::chars_format::fixed;
  std::string result(text, std::to_chars(text, text + sizeof text, value, format).ptr);
  if (!scientific && result.find('.') == std::string::npos) result += ".0";
  return result;
}

template <class Items, class F>
std::string joined(const Items& items, size_t first, size_t last, F text) {
  std::string all;
  for (size_t i = first; i < last; ++i) all += (i > first ? ", " : "") + text(items[i]);
  return all;
}

std::string decimal(int64_t value) { return std::to_string(value); }

std::string print(const TileOperand& t) {
  std::string text = concat("%t", t.tile);
  if (t.slot.constant != 0 || !t.slot.terms.empty()) text += "[" + print(t.slot) + "]";
  return text;
}

std::string print(const ViewOperand& v) {
  const auto affine = [](const Affine& a) { return print(a); };
  const size_t rank = v.shape.size(), split = std::clamp<int64_t>(v.split, 0, rank);
  std::string text = concat("%g", v.argument, "[", print(v.offset), " :");
  if (split > 0) text += " " + joined(v.shape, 0, split, affine);
  text += " |";
  if (split < rank) text += " " + joined(v.shape, split, rank, affine);
  text += " :";
  if (rank > 0) text += " " + joined(v.strides, 0, rank, decimal);
  return text + "]";
}

std::string print(const OperandRef& operand) {
  switch (operand.kind()) {
    case OperandKind::ktile:
      return print(operand.tile());
    case OperandKind::kview:
      return print(operand.view());
    case OperandKind::kaffine:
      return print(operand.affine());
    case OperandKind::kimm: {
      const Immediate& i = operand.immediate();
      double value;
      std::memcpy(&value, &i.bits, sizeof value);
      return i.is_float ? number(value) : decimal(i.bits);
    }
    case OperandKind::kenum:
      return std::string(operand.info().values[static_cast<size_t>(operand.number())]);
    case OperandKind::kregister:
      return concat("%r", operand.number());
    case OperandKind::kints:
      return "[" + joined(operand.ints(), 0, operand.ints().size(), decimal) + "]";
  }
  return {};
}

void append(std::string& list, const std::string& item) { list += (list.empty() ? "" : ", ") + item; }

}  // namespace

std::string print(const Affine& a) {
  std::string text = a.constant != 0 || a.terms.empty() ? decimal(a.constant) : "";
  for (const Term& t : a.terms) {
    if (!text.empty()) text += " ";
    if (t.coefficient < 0)
      text += "- ";
    else if (!text.empty())
      text += "+ ";
    const uint64_t size = t.coefficient < 0 ? -static_cast<uint64_t>(t.coefficient) : t.coefficient;
    if (size != 1) text += std::to_string(size) + "*";
    text += concat("%r", t.reg);
  }
  return text;
}

std::string print(const Instruction& instruction) {
  const InstructionInfo& info = instruction.info();
  const Operands operands(instruction);
  if (instruction.opcode() == Opcode::kend) return "}";
  if (instruction.opcode() == Opcode::kloop) {
    return concat(kPrefix, "loop ", print(operands[0]), " = ", print(operands[1]), " to ", print(operands[2]),
                  " step ", print(operands[3]), " {");
  }
  std::string result, all, ins, outs, attributes;
  for (const OperandRef& operand : operands) {
    const OperandInfo& o = operand.info();
    const std::string text = print(operand);
    append(all, text);
    if (o.kind == OperandKind::kregister) {
      result = text + " = ";
    } else if (o.attribute) {
      if (o.usual.empty() || text != o.usual) append(attributes, concat(o.name, "=", text));
    } else {
      append(o.effect != 1 ? outs : ins, text);
    }
  }
  if (info.opens) return concat(kPrefix, info.name, " ", all, " {");
  std::string line = concat(result, kPrefix, info.name);
  if (!ins.empty()) line += " ins(" + ins + ")";
  if (!outs.empty()) line += " outs(" + outs + ")";
  if (!attributes.empty()) line += " {" + attributes + "}";
  return line;
}

std::string place(const Kernel& kernel, size_t index) {
  return concat("[kernel ", kernel.name, ", instruction ", index, ": ", print(kernel.body.at(index)), "] ");
}

}  // namespace ascend
