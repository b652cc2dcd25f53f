#pragma once
#include <nanobind/nanobind.h>

namespace ascend {

// Adds affine_ranges to the extension module.
void bind_isa(nanobind::module_& m);

}  // namespace ascend
