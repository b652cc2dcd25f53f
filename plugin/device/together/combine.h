// Combines elements that the devices of a group hold, in the order of the group: the inner loop of
// reductions, one table per SIMD variant. All variants give the same bits.
#pragma once
#include <cstddef>
#include <cstdint>

#include "isa.gen.h"

namespace ascend {

struct Combination {
  const std::byte* const* sources;  // of the members, in order
  int64_t members;
  std::byte* const* targets;  // each gets the elements; one may be a source
  int64_t copies;             // targets
  int64_t first, last;        // elements
};
using CombineFn = void (*)(const Combination& combination);

// Null where the reduction has no meaning for the type.
CombineFn find_combination(Reduction reduction, DType dtype);  // of the active variant

}  // namespace ascend
