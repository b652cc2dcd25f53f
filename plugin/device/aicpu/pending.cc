// Stands in until the AICPU kernels exist.
#include "plugin/device/aicpu/aicpu.h"
#include "plugin/error.h"

namespace ascend {

[[gnu::weak]] void run_aicpu(AicpuOp op, std::span<std::byte* const>, std::span<const int64_t>) {
  throw Error(Code::kUnimplemented,
              std::string("[aicpu] ") + kAicpuNames[static_cast<int>(op)] + " is not there yet.");
}

[[gnu::weak]] void verify_aicpu(AicpuOp, std::span<const int64_t>, std::span<const int64_t>) {}

}  // namespace ascend
