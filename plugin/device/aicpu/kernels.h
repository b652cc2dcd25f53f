// The AICPU kernels: for the parameters that each declares, what verifies them and what runs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "isa.gen.h"
#include "plugin/device/run_context.h"

namespace ascend::aicpu {

using Slots = std::span<std::byte* const>;
using Bytes = std::span<const int64_t>;

void run(const RunContext& context, const SortParameters& parameters, Slots slots);
void verify(const SortParameters& parameters, Bytes slot_bytes);
void run(const RunContext& context, const TopKParameters& parameters, Slots slots);
void verify(const TopKParameters& parameters, Bytes slot_bytes);

// For verifiers; they throw Error with the kernel's name.
[[noreturn]] void fail(AicpuOp op, const std::string& message);
// The product of extents times `unit`, refused where it leaves 2^62.
int64_t size(AicpuOp op, std::span<const int64_t> extents, int64_t unit);
void need(AicpuOp op, Bytes slot_bytes, size_t number, int64_t needed);

}  // namespace ascend::aicpu
