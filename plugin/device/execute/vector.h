// The meeting point of the block executor and the SIMD bodies of vector (pipe V) instructions.
//
// At load each vector instruction is resolved to one function for its element types and this CPU. At run time
// the function gets pointers and extents, and nothing else: the executor may call it for a whole tile, or
// strip by strip.
#pragma once
#include <cstddef>
#include <cstdint>

#include "isa.gen.h"

namespace ascend {

struct VectorArgs {
  std::byte* dst;
  const std::byte* src[3];  // in declared order of the source tiles
  int64_t dst_stride;       // bytes from row to row
  int64_t src_stride[3];
  int64_t rows, columns;  // valid region of the full-shape operand ("rc"; of src for reductions and ttrans)
  int64_t scalar;         // imm operand: bits of a value of the element type, zero extended
  // tfillpad, tgather: valid region of src; rows and columns are dst's. tgather reads the nearest valid
  // column for an index outside of it.
  int64_t src_rows, src_columns;
  int64_t param[3];  // tci: start, row_step, column_step; treduceprecision: exponent, mantissa bits
};

using VectorFn = void (*)(const VectorArgs&);

struct VectorKey {
  Opcode opcode;
  DType dst, src;  // src: element type of the first non-mask source; dst for instructions without one
  int mode = 0;    // index of the enum operand (tcmp mode, tcvt mode), else 0
};

// The function for this instruction on this CPU, or nullptr if the combination does not exist (a load error).
VectorFn find_vector(const VectorKey& key);

// Whether rows are independent and so are columns: such an instruction may run on any sub-rectangle of its
// tile (elementwise ones, with row- and column-broadcast operands advanced by the caller).
bool is_elementwise(Opcode opcode);

}  // namespace ascend
