// One AI core as the executor sees it: on-chip memories, scalar registers and the arguments of the kernel it
// runs.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "plugin/device/execute/product.h"
#include "plugin/device/run_context.h"
#include "plugin/isa/module.h"

namespace ascend {

// The host keeps elements of the cube unit's memories wide (f16 as f32) and rows padded,
// so a byte of those memories has this many bytes of host memory: enough for every type and tile of whole
// fractals.
inline constexpr int64_t kCubeScale = 8;

inline constexpr int64_t kScratchBytes = 2 << 20;  // for conversions on the way to GM, at least
inline constexpr int64_t kStripBytes = 256 << 10;  // for temporaries of strips

// Where a tile of L1, L0A or L0B is: in its own memory, in the pack cache, still in GM, or (of L0) still
// where the tile of L1 is.
struct CubeOperand {
  const std::byte* data;
  int64_t stride;          // elements from row to row, or from panel to panel
  int64_t rows, columns;   // that may be read
  int least_exponent = 0;  // of bf16 (cube_kernels.h); 0, which is also that of a subnormal number: not known
  bool normal = false;     // of sums: certainly without subnormal numbers, now and after they are added to
};

class PackCache;

// Host memory that a core of a target takes: per on-chip memory, and for what passes through on its way.
struct CoreBytes {
  std::array<int64_t, kLocs> memory{};
  int64_t scratch = 0;

  static CoreBytes of(const Target& target);
};

class Core {
 public:
  static Core& of_this_thread();

  Core() { registers.fill(0); }
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Makes room for a program's target; what the memories held is lost if they grow. Throws
  // Error{kResourceExhausted}.
  void fit(const CoreBytes& needed) {
    bool fits = needed.scratch <= bytes_.scratch;
    for (size_t i = 0; i < needed.memory.size(); ++i) fits &= needed.memory[i] <= bytes_.memory[i];
    if (!fits) grow(needed);
  }

  void select_subblock(int64_t vector_core) {
    memory[static_cast<int>(Loc::kvec)] = vector_memory_[vector_core];
  }

  // Those of the kernel, then what the host keeps beside them: constants and ends of loops.
  static constexpr int64_t kRegisters = 4 * Limits::registers;
  std::array<int64_t, kRegisters> registers;
  bool leaves = false;                // until has ended the innermost loop
  std::vector<CubeOperand> operands;  // per slot of the kernel's tiles in L1, L0A, L0B and L0C
  std::byte* memory[kLocs] = {};
  std::byte* scratch = nullptr;
  std::byte* strips = nullptr;
  const RunContext* context = nullptr;  // of the launch
  std::byte* const* arguments = nullptr;
  PackCache* packed = nullptr;  // if the launch has one
  bool in_place = false;        // whether the launch keeps what it loads into L1 as it was
  PendingProduct product;

 private:
  void grow(const CoreBytes& needed);

  CoreBytes bytes_;
  std::byte* arena_ = nullptr;
  std::byte* vector_memory_[2] = {};
};

inline int64_t evaluate(const Affine& a, const Core& core) {
  uint64_t sum = static_cast<uint64_t>(a.constant);  // unsigned: a hostile program may overflow
  for (const Term& t : a.terms)
    sum += static_cast<uint64_t>(t.coefficient) * static_cast<uint64_t>(core.registers[t.reg]);
  return static_cast<int64_t>(sum);
}

}  // namespace ascend
