// What an instruction costs: the one cost function of the project. The tiler calls it too.
#pragma once
#include <cstdint>
#include <vector>

#include "plugin/device/cycles/walk.h"
#include "plugin/isa/module.h"

namespace ascend::cycles {

inline constexpr int kMostViewDimensions = Limits::view_rank;

// What a transfer touches in GM: segments of contiguous bytes, one for each place of a grid of up to four
// dimensions.
struct Traffic {
  struct Dimension {
    int64_t step, count;  // bytes from one to the next
  };
  int64_t argument = -1;  // -1: no GM traffic
  int64_t first = 0;      // byte offset of the first segment
  int64_t row_bytes = 0;  // of a segment
  int64_t rows = 0;       // segments in all
  Dimension grid[kMostViewDimensions] = {};
  int rank = 0;
  int64_t piece_bytes = 0, pieces = 0;  // what is contiguous on chip as well: what the port moves at once
  bool write = false;
  bool scattered = false;  // the segments' places are data: there is no grid
  double rate = 0;         // bytes per cycle this core's port carries at most
  int64_t bytes() const { return rows * row_bytes; }

  // Calls f(offset) for each segment; the first lies at `offset`.
  template <class F>
  void for_each(int64_t offset, F&& f) const {
    int64_t at[kMostViewDimensions] = {};
    for (int64_t r = 0; r < rows; ++r) {
      f(offset);
      for (int d = 0; d < rank; ++d) {
        offset += grid[d].step;
        if (++at[d] < grid[d].count) break;
        offset -= grid[d].step * grid[d].count;
        at[d] = 0;
      }
    }
  }
};

struct Cost {
  Pipe pipe;
  double cycles;          // time on the pipe besides the traffic
  Traffic traffic;        // goes on after `cycles`, at what the port and the shared memory allow
  double operations = 0;  // arithmetic on elements; a multiply-accumulate is two
  double ideal = 0;       // cycles of M or V without their starts
  double assumed = 0;     // cycles that rest on figures which are our own assumptions
  int64_t on_chip = 0;    // bytes that MTE1 moves
};

// The pipe an instruction runs on, from the location of the operand its declaration names.
Pipe pipe_of(const Kernel& kernel, const Instruction& instruction);

// Cost of the instruction under the walk's present register values.
Cost cost_of(const Walk& walk, const Instruction& instruction, const Target& target);

// The costs of a kernel's instructions, of each but once where registers decide no more than where in GM its
// view begins.
class CostTable {
 public:
  CostTable(const Kernel& kernel, const Target& target)
      : kernel_(kernel), target_(target), entries_(kernel.body.size()) {}

  struct Entry {
    Cost cost;  // but for `cost.traffic.first`, if it is fixed
    bool known = false, fixed = false;
    const Affine* offset = nullptr;  // of the view, in elements of `unit` bytes; null: there is none
    int64_t unit = 0, after = 0;     // bytes from there to the first segment
    int64_t first(const Walk& walk) const {
      return fixed && offset ? walk.value(*offset) * unit + after : cost.traffic.first;
    }
  };
  // The entry holds until it is asked for anew.
  const Entry& at(const Walk& walk, int instruction);

 private:
  const Kernel& kernel_;
  const Target& target_;
  std::vector<Entry> entries_;
};

}  // namespace ascend::cycles
