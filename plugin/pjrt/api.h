// The plugin's function table, and what its callers passed so far.
#pragma once
#include <cstddef>
#include <string_view>
#include <vector>

namespace ascend::pjrt {

struct StructSize {
  std::string_view name;
  size_t ours, callers;  // callers is 0 for a struct nobody passed
};
// The size of each struct that callers pass, as declared here and as the last caller said. The arguments of
// slots come first, in the order of the function table.
std::vector<StructSize> struct_sizes();

// What Plugin_Attributes reports; to be called before JAX loads the plugin.
void set_stablehlo_version(const std::vector<int64_t>& current, const std::vector<int64_t>& minimum);

}  // namespace ascend::pjrt
