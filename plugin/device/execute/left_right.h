// What the cube unit multiplies: textract and timg2col say where a left or right tile is, tmatmul reads it
// there.
//
// A tile in L0A or L0B is usually no copy but a place in L1: see may_alias.
#pragma once
#include "plugin/device/execute/decode.h"

namespace ascend {

// Whether an extract into this tile may refer to L1 instead of copying: in textual order every reader follows
// an extract of the same slot in the same block (or a block inside it), and nothing between them writes the
// source's memory.
bool may_alias(const Kernel& kernel, int64_t tile);

// The entry of a left or right tile's slot in core.operands.
class OperandSlot {
 public:
  OperandSlot() = default;
  OperandSlot(const TileAccess& tile, const Kernel& kernel);
  CubeOperand& operator()(Core& core) const {
    if (slots_ == 1) return core.operands[first_];
    int64_t slot = evaluate(slot_, core) % slots_;
    return core.operands[first_ + (slot < 0 ? slot + slots_ : slot)];
  }

 private:
  int64_t first_ = 0, slots_ = 1;
  Affine slot_;
};

// Number of entries a kernel needs.
int64_t operand_slots(const Kernel& kernel);

}  // namespace ascend
