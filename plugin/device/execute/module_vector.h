#pragma once
#include <nanobind/nanobind.h>

namespace ascend {

// Adds run_vector and vector_variants to the extension module.
void bind_vector(nanobind::module_& m);

}  // namespace ascend
