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
  // tfillpad, tgather, tmrgsort: valid region of src; rows and columns are dst's. tgather reads the nearest
  // valid column for an index outside of it.
  int64_t src_rows, src_columns;
  int64_t param[3];  // tci: start, row_step, column_step; tmrgsort: run, take; treduceprecision: exponent,
                     // mantissa bits
};

using VectorFn = void (*)(const VectorArgs&);

// One stage of a chain. A chain is a sequence of elementwise instructions that takes a block of elements
// (some vectors) through all of them before the next block: what an instruction computes stays in registers
// for the next, and is written only if somebody else reads it.
struct Stage {
  void (*function)();  // of a type that only the SIMD variant knows
  std::byte* operand;  // element 0 of what it reads or writes in memory, or the scalar
  std::byte* mask;     // tsel; where a result goes that is set aside
};
using StageFn = void (*)();
// The stages of an instruction; nullptr where there is none.
struct StageFns {
  StageFn operate[3] = {};  // by what is in registers: see Held
  StageFn aside[2] = {};    // the same, with the result in memory: registers go on with the operand they hold
  StageFn load = nullptr;   // an operand into registers
  StageFn store = nullptr;  // the result
  StageFn rotate =
      nullptr;       // of a shift to the left of all of 32 bits by a scalar: what it shifts out comes back
  bool kept = true;  // registers hold the result as it is stored
};
// Which operands (the mask of tsel aside) of an operation registers hold; the other is in memory.
enum class Held { kFirst, kSecond, kBoth };

// An elementary function of one f32, with the bits that the vector has.
using OneF32 = float (*)(float);

// What computes an instruction.
struct VectorBody {
  VectorFn function = nullptr;
  StageFns stages{};
  OneF32 one = nullptr;  // for the scalar unit, where there is one

  constexpr VectorBody(VectorFn f) : function(f) {}
  constexpr VectorBody(VectorFn f, const StageFns& s, OneF32 o = nullptr) : function(f), stages(s), one(o) {}
  constexpr operator VectorFn() const { return function; }
};

struct VectorKey {
  Opcode opcode;
  DType dst, src;  // src: element type of the first non-mask source; dst for instructions without one
  int mode = 0;    // index of the enum operand (tcmp mode, tcvt mode), else 0
};

// What computes this instruction on this CPU, or nullptr if the combination does not exist (a load error).
VectorBody find_vector(const VectorKey& key);

// Elements of a block, at most.
inline constexpr int64_t kMostBlock = 128;
// Runs a chain of `count` stages, followed by room for one more, over as many of n elements as make whole
// blocks; returns how many.
using ChainFn = int64_t (*)(Stage* stages, int64_t count, int64_t n);
ChainFn find_chain();

// Whether rows are independent and so are columns: such an instruction may run on any sub-rectangle of its
// tile (elementwise ones, with row- and column-broadcast operands advanced by the caller).
bool is_elementwise(Opcode opcode);

}  // namespace ascend
