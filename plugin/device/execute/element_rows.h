// Elements at offsets that are data, between a row in UB and an argument in GM.
#pragma once
#include <cstdint>

#include "plugin/device/execute/vector.h"

namespace ascend {

struct ElementRow {
  std::byte* argument;
  int64_t size;         // elements of the argument
  int64_t origin;       // element from which offsets count
  const void* offsets;  // i32 or i64
  std::byte* row;
  int64_t count;
};

// Returns how many elements it moved: fewer than all if the next one's place is not in the argument.
using ElementRowFn = int64_t (*)(const ElementRow&);

ElementRowFn find_gather(int element_bytes, DType index);
// Elements in their order; one with a negative offset is left out. nullptr for updates that only the vector
// unit's bodies compute.
ElementRowFn find_scatter(AtomicMode mode, DType dtype, DType index);

}  // namespace ascend
