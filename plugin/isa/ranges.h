// Interval analysis of scalar registers: what values an affine expression can take, at one place of a kernel.
//
// The scalar unit wraps modulo 2^64. An interval holds what the executor computes, so where a result may
// leave 64 bits nothing is known of it: both bounds go. An unknown value is the interval of all.
#pragma once
#include <limits>
#include <vector>

#include "plugin/isa/module.h"

namespace ascend {

struct Range {
  static constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  int64_t low = kLeast, high = kMost;  // both belong to it; low <= high
  bool within(int64_t least, int64_t most) const { return low >= least && high <= most; }
};

Range operator+(Range a, Range b);
Range operator*(Range a, Range b);

// Steps through a kernel's instructions in order. A register is known between its one assignment and the end
// of the block that assigns it; a register assigned at several places is never known.
class Ranges {
 public:
  explicit Ranges(const Kernel& kernel);
  Range of(const Affine& a) const;
  void step(const Instruction& instruction);  // its effect on the registers

 private:
  void assign(int64_t reg, Range range);

  const Kernel& kernel_;
  std::vector<Range> registers_;
  std::vector<uint8_t> assignments_;
  std::vector<std::vector<int64_t>> blocks_;  // registers assigned in each open block
};

}  // namespace ascend
