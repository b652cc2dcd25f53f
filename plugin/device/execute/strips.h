// Vector instructions executed strip by strip, so that what passes between them stays in the first-level
// cache.
//
// A run is a sequence of loads, vector instructions whose rows are independent, and stores, all of the same
// number of valid rows. Run on a few rows at a time (or, if everything is dense, on about a thousand elements
// at a time) it computes the same values. A tile that only the run reads does not exist in UB at all: it is a
// strip of scratch memory, or the strip of GM that it is loaded from or stored to.
#pragma once
#include "plugin/device/execute/action.h"
#include "plugin/isa/uses.h"

namespace ascend {

// Replaces runs among the actions of a block by one action each.
Actions merge_strips(Actions actions, const Kernel& kernel, const KernelUses& uses);

}  // namespace ascend
