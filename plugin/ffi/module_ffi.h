#pragma once
#include <nanobind/nanobind.h>

namespace ascend::ffi {

void bind_ffi(nanobind::module_& m);

}  // namespace ascend::ffi
