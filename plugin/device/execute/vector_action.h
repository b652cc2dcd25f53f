// A vector instruction with its operands resolved: what executes it on a whole tile, or on one strip.
#pragma once
#include "plugin/device/execute/decode.h"
#include "plugin/device/execute/strips.h"
#include "plugin/device/execute/vector.h"

namespace ascend {

class VectorAction final : public Action {
 public:
  VectorAction(const Instruction& instruction, Decoder& decoder);

  void run(Core& core) const override;

  enum class Shape { kFull, kColumn, kRow, kTransposed, kOwn };  // of a tile operand: rc, r1, 1c, cr, any
  struct Source {
    TileAccess tile;
    Shape shape;
  };

  Opcode opcode;
  VectorFn function;
  StageFns stages;
  TileAccess dst;
  Shape dst_shape;
  Source sources[3];
  int count = 0;
  Extent rows, columns;          // of the full-shape operand
  Extent src_rows, src_columns;  // of the first source, where it has a shape of its own
  bool own_shape = false;
  VectorArgs constants{};  // scalar and static parameters
  Affine params[3];        // tci
  bool has_params = false;
};

}  // namespace ascend
