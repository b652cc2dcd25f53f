// Kernels of the device's ARM cores, as the stream calls them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "isa.gen.h"
#include "plugin/device/run_context.h"

namespace ascend {

// Runs an AICPU kernel on slots, results first.
void run_aicpu(const RunContext& context, const AicpuParameters& parameters,
               std::span<std::byte* const> slots);

// Throws Error{kInvalidArgument} at load if the parameters make no sense together, or a slot is smaller than
// what they imply.
void verify_aicpu(const AicpuParameters& parameters, std::span<const int64_t> slot_bytes);

// What a verified kernel needs of Python before it can run: the functions of LAPACK it calls. Takes the GIL
// the first time; throws Error if there is no such function.
void prepare_aicpu(const AicpuParameters& parameters);

}  // namespace ascend
