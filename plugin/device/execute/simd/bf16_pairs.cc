// Products of bf16 by vdpbf16ps, and when they are worth it.
//
// Its rate is twice that of f32 multiply-adds on some CPUs and half of it on others, so that a CPU is asked,
// not looked up. GFLOP/s of one core, out of the second-level cache: Zen 4 at 3.6 GHz 225 by pairs and 115 in
// f32; Xeon at 3.5 GHz 118 and 227.
#include "plugin/device/execute/simd/matmul.h"

#if defined(__AVX512BF16__)
#include <chrono>
#endif

namespace ascend::SIMD_VARIANT {

// The least of magnitude - 1, in which zero is the largest.
int least_exponent(const uint16_t* p, int64_t rows, int64_t columns, int64_t stride) {
  typedef uint16_t V __attribute__((vector_size(kRegisterBytes)));
  constexpr int64_t kLanes = kRegisterBytes / sizeof *p;
  const V sign_off = V{} + uint16_t{0x7fff};
  V least = V{} + uint16_t{0xffff};
  const auto take = [&](V x) {
    x = (x & sign_off) - 1;
    least = x < least ? x : least;
  };
  for (int64_t r = 0; r < rows; ++r, p += stride) {
    int64_t c = 0;
    V x{};
    for (; c + kLanes <= columns; c += kLanes) {
      __builtin_memcpy(&x, p + c, sizeof x);
      take(x);
    }
    if (c == columns) continue;
    x = V{};
    __builtin_memcpy(&x, p + c, (columns - c) * sizeof *p);
    take(x);
  }
  uint16_t all = 0xffff;
  for (int64_t i = 0; i < kLanes; ++i) all = least[i] < all ? least[i] : all;
  return all == 0xffff ? 255 : (all + 1) >> 7;
}

#if defined(__AVX512BF16__)
// Both ways, on matrices of ones; the fastest of some runs each, since others may have the CPU for a while.
bool pairs_are_faster() {
  constexpr int64_t kM = 48, kK = 256, kN = 2 * kPanel;
  alignas(64) static uint16_t left[kM * kK], right[kK * kN];
  alignas(64) static float sums[kM * kN];
  alignas(64) static std::byte scratch[kMatmulScratch];
  for (uint16_t& x : left) x = 0x3f80;  // 1
  for (uint16_t& x : right) x = 0x3f80;
  const MatmulArgs args = {left, right, sums, nullptr, kK, kK * kPanel, kN, kM, kN, kK, false, scratch};
  const auto seconds = [&](MatmulFn f) {
    auto least = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 9; ++i) {  // the first ones wake the upper halves of registers
      const auto start = std::chrono::steady_clock::now();
      f(args);
      const auto took = std::chrono::steady_clock::now() - start;
      if (took < least) least = took;
    }
    return least;
  };
  return seconds(&matmul_bf16_pairs) < seconds(find_widened(DType::kbf16, DType::kbf16));
}

extern const CubeKernels kPairCubeKernels;
constinit const CubeKernels kPairCubeKernels = {kPanel,     &find_matmul,       &find_copy,     &find_widen,
                                                &find_pack, &matmul_bf16_pairs, &least_exponent};
#endif

}  // namespace ascend::SIMD_VARIANT
