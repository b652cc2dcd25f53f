#include "plugin/device/aicpu/lapack_functions.h"

namespace ascend::aicpu {
namespace {

int letter(DType dtype) {
  switch (dtype) {
    case DType::kf32:
      return 0;
    case DType::kf64:
      return 1;
    case DType::kc64:
      return 2;
    default:
      return 3;
  }
}

// LAPACK's name: the letter of the type, and what real and complex matrices of a kind are called.
std::string name_of(AicpuOp op, int routine, int letter) {
  std::string name = kAicpuNames[static_cast<int>(op)];
  if (op == AicpuOp::ksvd) name = routine == 0 ? "gesdd" : "gesvd";
  if (letter >= 2) {
    if (name.starts_with("sy")) name.replace(0, 2, "he");
    if (name.starts_with("or")) name.replace(0, 2, "un");
  }
  return "sdcz"[letter] + name;
}

}  // namespace

void load_lapack(AicpuOp op, int routine, DType dtype) {
  const int type = letter(dtype);
  std::atomic<void*>& entry = lapack_table[static_cast<int>(op)][routine][type];
  // Two threads may both ask: a lock held while Python is entered could wait for a thread that has the GIL.
  if (!entry.load(std::memory_order_relaxed))
    entry.store(reinterpret_cast<void*>(lapack_address(name_of(op, routine, type))),
                std::memory_order_relaxed);
}

}  // namespace ascend::aicpu
