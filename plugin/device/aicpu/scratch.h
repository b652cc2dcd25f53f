// Memory that a kernel works in besides its operands: as much as they are, times a small number.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "plugin/error.h"

namespace ascend::aicpu {

// Frees what it gave when it ends. The allocator keeps what kernels ask for again and again.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() {
    for (void* p : taken_) std::free(p);
  }
  Scratch(const Scratch&) = delete;

  // Memory for `count` elements, not initialised; throws Error{kResourceExhausted}.
  template <class T>
  T* take(int64_t count) {
    const size_t bytes = (std::max<int64_t>(count, 1) * sizeof(T) + 63) / 64 * 64;
    taken_.push_back(nullptr);
    taken_.back() = std::aligned_alloc(64, bytes);
    if (!taken_.back()) {
      throw Error(Code::kResourceExhausted,
                  "[aicpu] no memory for " + std::to_string(bytes) + " bytes that a kernel works in.");
    }
    return static_cast<T*>(taken_.back());
  }

 private:
  std::vector<void*> taken_;
};

}  // namespace ascend::aicpu
