// Kernels of the device's ARM cores, as the stream calls them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "isa.gen.h"
#include "plugin/device/run_context.h"

namespace ascend {

// Runs an AICPU kernel on slots (results first) with the static integers its declaration in
// compiler/isa/stream.py lists.
void run_aicpu(const RunContext& context, AicpuOp op, std::span<std::byte* const> slots,
               std::span<const int64_t> ints);

// Throws Error{kInvalidArgument} at load if the integers make no sense or a slot is smaller than what they
// imply. Returns how many slots the kernel writes: the first ones.
size_t verify_aicpu(AicpuOp op, std::span<const int64_t> slot_bytes, std::span<const int64_t> ints);

}  // namespace ascend
