#pragma once
#include <nanobind/nanobind.h>

namespace ascend {

// Adds run_aicpu to the extension module.
void bind_aicpu(nanobind::module_& m);

}  // namespace ascend
