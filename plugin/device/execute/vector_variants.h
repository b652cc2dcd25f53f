// The SIMD variants of vector instruction bodies that this CPU can run.
#pragma once
#include <string_view>
#include <vector>

#include "plugin/device/execute/vector.h"

namespace ascend {

struct VectorVariant {
  std::string_view name;
  VectorBody (*find)(const VectorKey& key);
  ChainFn run_chain;
};

// Best first; find_vector takes the first, tests run them all.
const std::vector<VectorVariant>& vector_variants();

}  // namespace ascend
