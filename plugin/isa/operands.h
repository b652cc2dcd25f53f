// The operands of an instruction, whatever it is, one after the other with their declarations.
#pragma once
#include <array>
#include <cstddef>

#include "plugin/isa/module.h"

namespace ascend {

class OperandRef {
 public:
  OperandRef() = default;
  OperandRef(const OperandInfo& info, const void* value) : info_(&info), value_(value) {}
  const OperandInfo& info() const { return *info_; }
  OperandKind kind() const { return info_->kind; }
  const TileOperand& tile() const { return as<TileOperand>(); }
  const ViewOperand& view() const { return as<ViewOperand>(); }
  const Affine& affine() const { return as<Affine>(); }
  const Immediate& immediate() const { return as<Immediate>(); }
  const std::vector<int64_t>& ints() const { return as<std::vector<int64_t>>(); }
  int64_t number() const { return as<int64_t>(); }  // of an enum's name, or of a register

 private:
  template <class T>
  const T& as() const {
    return *static_cast<const T*>(value_);
  }

  const OperandInfo* info_ = nullptr;
  const void* value_ = nullptr;
};

class Operands {
 public:
  explicit Operands(const Instruction& instruction);
  const OperandRef* begin() const { return operands_.data(); }
  const OperandRef* end() const { return operands_.data() + size_; }
  size_t size() const { return size_; }
  const OperandRef& operator[](size_t i) const { return operands_[i]; }

 private:
  std::array<OperandRef, kMostOperands> operands_;
  size_t size_ = 0;
};

// Calls f with every affine of an operand.
template <class F>
void for_each_affine(const OperandRef& operand, F&& f) {
  if (operand.kind() == OperandKind::ktile) {
    f(operand.tile().slot);
  } else if (operand.kind() == OperandKind::kview) {
    f(operand.view().offset);
    for (const Affine& extent : operand.view().shape) f(extent);
  } else if (operand.kind() == OperandKind::kaffine) {
    f(operand.affine());
  }
}

}  // namespace ascend
