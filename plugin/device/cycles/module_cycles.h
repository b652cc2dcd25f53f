#pragma once
#include <nanobind/nanobind.h>

namespace ascend {

void bind_cycles(nanobind::module_& m);

}  // namespace ascend
