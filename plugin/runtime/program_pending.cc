// Stands in until the executor is linked: weak, so that the real definition replaces it.
#include "plugin/device/program.h"
#include "plugin/error.h"

namespace ascend {

__attribute__((weak)) std::shared_ptr<const Program> Program::load(std::span<const std::byte>) {
  throw Error(Code::kUnimplemented, "[load] this build has no executor.");
}

}  // namespace ascend
