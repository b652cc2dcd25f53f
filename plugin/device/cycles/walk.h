// Walks one block of a kernel in program order without values: control flow and scalar registers only.
#pragma once
#include <cstdint>
#include <vector>

#include "plugin/isa/module.h"

namespace ascend::cycles {

// Which core of an AI core a walk is for. A vector or cube kernel has one kind only; in a mixed kernel what
// stands in `subblocks` belongs to the two vector cores, the rest to the cube core.
enum class Role : uint8_t { kOnly, kCube, kVector0, kVector1 };

// Instructions of a block and core that the checks follow.
inline constexpr int64_t kMostInstructions = 50000;

// Flags between the cores of a block, per direction.
inline constexpr int kCrossFlags = Limits::cross_flags;

// What all walks of a kernel share.
struct Shape {
  explicit Shape(const Kernel& kernel);
  const Kernel& kernel;
  std::vector<int> match;          // opener <-> end
  std::vector<bool> in_subblocks;  // per instruction
};

class Walk {
 public:
  // `loaded` is what scalars loaded from GM are taken to be.
  Walk(const Shape& shape, int64_t block, Role role, int64_t loaded = 0);

  // Index of the next instruction this core issues, or -1 at the end. Control flow is followed, scalar
  // instructions are carried out and returned; other cores' instructions are skipped. Elements count as 0; a
  // condition on a value computed of elements is taken to hold, and a loop that data ends to run once.
  int next();
  int64_t value(const Affine& a) const;
  const Kernel& kernel() const { return shape_.kernel; }

 private:
  struct Frame {
    int opener;
    int64_t stop, step;   // of a loop
    bool passed = false;  // an until of it
  };
  void enter(int index);
  void leave(int index);
  void scalar(const Instruction& instruction);

  const Shape& shape_;
  Role role_;
  int64_t loaded_;
  int at_ = 0;
  bool is_data(const Affine& a) const;

  std::vector<int64_t> registers_;
  std::vector<bool> data_;  // registers that hold what is computed of elements
  std::vector<Frame> frames_;
};

// Calls f(first, count) for every run of `count` neighbouring elements of a view, until f returns false.
template <class F>
void for_each_run(const Walk& walk, const ViewOperand& view, F&& f) {
  std::vector<int64_t> extent;
  for (const Affine& e : view.shape) {
    extent.push_back(walk.value(e));
    if (extent.back() <= 0) return;
  }
  size_t outer = extent.size();
  const int64_t count = outer > 0 && view.strides.back() == 1 ? extent[--outer] : 1;
  std::vector<int64_t> at(outer, 0);
  const int64_t offset = walk.value(view.offset);
  for (;;) {
    int64_t first = offset;
    for (size_t d = 0; d < outer; ++d) first += at[d] * view.strides[d];
    if (!f(first, count)) return;
    size_t d = outer;
    while (d > 0 && ++at[d - 1] == extent[d - 1]) at[--d] = 0;
    if (d == 0) return;
  }
}

}  // namespace ascend::cycles
