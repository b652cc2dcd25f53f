#include "plugin/device/simd_variant.h"

#include <atomic>

namespace ascend {
namespace {

constexpr std::string_view kNames[] = {"portable", "avx2", "avx512"};

bool supported(SimdVariant v) {
  if (v == SimdVariant::kPortable) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (v == SimdVariant::kAvx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

SimdVariant best() {
  for (SimdVariant v : {SimdVariant::kAvx512, SimdVariant::kAvx2}) {
    if (supported(v)) return v;
  }
  return SimdVariant::kPortable;
}

std::atomic<SimdVariant>& chosen() {
  static std::atomic<SimdVariant> variant{best()};
  return variant;
}

}  // namespace

SimdVariant simd_variant() { return chosen().load(std::memory_order_relaxed); }

std::string_view simd_variant_name() { return kNames[static_cast<int>(simd_variant())]; }

bool set_simd_variant(std::string_view name) {
  for (int i = 0; i < 3; ++i) {
    const auto v = static_cast<SimdVariant>(i);
    if (kNames[i] != name || !supported(v)) continue;
    chosen() = v;
    return true;
  }
  return false;
}

std::vector<std::string_view> simd_variants() {
  std::vector<std::string_view> names;
  for (int i = 2; i >= 0; --i) {
    if (supported(static_cast<SimdVariant>(i))) names.push_back(kNames[i]);
  }
  return names;
}

}  // namespace ascend
