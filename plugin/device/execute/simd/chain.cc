#include "plugin/device/execute/simd/chain.h"

namespace ascend::SIMD_VARIANT {
namespace {

void end(const Stage*, int64_t, F, F, F, F, F, F, F, F) {}

}  // namespace

int64_t run_chain(Stage* stages, int64_t count, int64_t n) {
  stages[count].function = as_stage(&end);
  const auto first = reinterpret_cast<StageBody>(stages[0].function);
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    const int64_t rest = n - i - kBlock;
    if (rest > 0 && rest < kLanes<float>) break;  // what is left should be a vector at least
    first(stages, i, F{}, F{}, F{}, F{}, F{}, F{}, F{}, F{});
  }
  return i;
}

}  // namespace ascend::SIMD_VARIANT
