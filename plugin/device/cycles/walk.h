// Walks one block of a kernel in program order without values: control flow and scalar registers only.
#pragma once
#include <cstdint>
#include <vector>

#include "plugin/isa/module.h"

namespace ascend::cycles {

// Which core of an AI core a walk is for. A vector or cube kernel has one kind only; in a mixed kernel what
// stands in `subblocks` belongs to the two vector cores, the rest to the cube core.
enum class Role : uint8_t { kOnly, kCube, kVector0, kVector1 };

// What all walks of a kernel share.
struct Shape {
  explicit Shape(const Kernel& kernel);
  const Kernel& kernel;
  std::vector<int> match;          // opener <-> end
  std::vector<bool> in_subblocks;  // per instruction
};

class Walk {
 public:
  Walk(const Shape& shape, int64_t block, Role role);

  // Index of the next instruction this core issues, or -1 at the end. Control flow is followed, scalar
  // instructions are carried out (values loaded from GM count as 0) and returned; other cores' instructions
  // are skipped.
  int next();
  int64_t value(const Affine& a) const;
  const Kernel& kernel() const { return shape_.kernel; }

 private:
  struct Frame {
    int opener;
    int64_t stop, step;  // of a loop
  };
  void enter(int index);
  void leave(int index);
  void scalar(const Instruction& instruction);

  const Shape& shape_;
  Role role_;
  int at_ = 0;
  std::vector<int64_t> registers_;
  std::vector<Frame> frames_;
};

}  // namespace ascend::cycles
