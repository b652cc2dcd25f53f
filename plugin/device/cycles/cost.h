// What an instruction costs: the one cost function of the project. The tiler calls it too.
#pragma once
#include <cstdint>

#include "plugin/device/cycles/walk.h"
#include "plugin/isa/module.h"

namespace ascend::cycles {

// A run of equal segments in GM: `rows` segments of `row_bytes` contiguous bytes, `row_step` bytes apart.
struct Traffic {
  int64_t argument = -1;  // -1: no GM traffic
  int64_t first = 0;      // byte offset of the first segment
  int64_t rows = 0, row_bytes = 0, row_step = 0;
  bool write = false;
  bool scattered = false;  // the segments' places are data
  double rate = 0;         // bytes per cycle this core's port carries at most
  int64_t bytes() const { return rows * row_bytes; }
};

struct Cost {
  Pipe pipe;
  double cycles;    // time on the pipe besides the traffic
  Traffic traffic;  // goes on after `cycles`, at what the port and the shared memory allow
};

// The pipe an instruction runs on, from the location of the operand its declaration names.
Pipe pipe_of(const Kernel& kernel, const Instruction& instruction);

// Cost of the instruction under the walk's present register values.
Cost cost_of(const Walk& walk, const Instruction& instruction, const Target& target);

}  // namespace ascend::cycles
