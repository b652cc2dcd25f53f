// tcvt from or to an element type below one byte or an f8 format.
#pragma once
#include "plugin/device/execute/vector.h"

namespace ascend {

// nullptr if neither type is such a one.
VectorFn find_small_conversion(const VectorKey& key);

}  // namespace ascend
