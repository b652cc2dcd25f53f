// Where the operands of the cube unit are: tload, textract and timg2col say where a tile is, their readers
// look there.
//
// A tile in L0A or L0B is usually no copy but a place in L1: see may_alias.
#pragma once
#include "plugin/device/execute/decode.h"

namespace ascend {

// Whether an extract into this tile may refer to L1 instead of copying: in textual order every reader follows
// an extract of the same slot in the same block (or a block inside it), and nothing between them writes the
// source's memory.
bool may_alias(const Kernel& kernel, int64_t tile);

// The entry of a tile's slot in core.operands; of a tile in L1, L0A or L0B.
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

bool is_operand(const TileSpec& tile);

}  // namespace ascend
