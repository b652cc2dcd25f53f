// The calls of handlers in one program: looked up and instantiated when it is loaded, made when it runs.
#pragma once
#include <memory>

#include "plugin/device/host_functions.h"
#include "plugin/device/program.h"

namespace ascend::ffi {

// Null if the program calls no handler. Throws Error{kNotFound} if a target is not registered in this
// process, and what a handler that is instantiated fails with.
std::shared_ptr<const ForeignFunctions> bind_calls(const std::shared_ptr<const Program>& program);

}  // namespace ascend::ffi
