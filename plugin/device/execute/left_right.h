// What is known of the cube unit's tiles: tload, textract and timg2col say where an operand is, tmatmul what
// its sums are like, and their readers look there.
//
// A tile in L0A or L0B is usually no copy but a place in L1: see may_alias.
#pragma once
#include "plugin/device/execute/decode.h"

namespace ascend {

// Whether an extract into this tile may refer to L1 instead of copying: in textual order every reader follows
// an extract of the same slot in the same block (or a block inside it), and nothing between them writes the
// source's memory.
bool may_alias(const Kernel& kernel, const KernelUses& uses, int64_t tile);

// The entry of a tile's slot in core.operands; of a tile in L1, L0A, L0B or L0C.
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

// Where the elements of such a tile are, as the host keeps it.
struct OperandLayout {
  OperandLayout(const TileAccess& tile, int64_t panel_width)
      : panel(tile.spec().layout == Layout::kzn ? panel_width : 0),
        group(panel ? panel_group(tile.dtype()) : 1),
        stride(panel ? host_panel_stride(tile.spec(), panel) : tile.row_stride()) {}

  int64_t panel;   // width of its column panels, 0 for rows
  int64_t group;   // rows of a panel that lie together
  int64_t stride;  // elements from panel to panel, or from row to row

  OperandLayout with_stride(int64_t elements) const {
    OperandLayout l = *this;
    l.stride = elements;
    return l;
  }
  int64_t at(int64_t r, int64_t c) const {
    if (!panel) return r * stride + c;
    return c / panel * stride + (r / group * panel + c % panel) * group + r % group;
  }
  // Whether what begins here is laid out like a whole tile.
  bool begins_piece(int64_t r, int64_t c) const { return !panel || (c % panel == 0 && r % group == 0); }
};

}  // namespace ascend
