// The executor's part of the Python module: running and verifying Programs without JAX.
#pragma once
#include <nanobind/nanobind.h>

namespace ascend {

void bind_device(nanobind::module_& m);

}  // namespace ascend
