#pragma once
#include <nanobind/nanobind.h>

namespace ascend {

void bind_recording(nanobind::module_& m);

}  // namespace ascend
