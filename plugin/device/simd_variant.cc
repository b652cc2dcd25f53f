#include "plugin/device/simd_variant.h"

#include <algorithm>
#include <atomic>

#if JAX_ASCEND_X86_VARIANTS
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace ascend {

#if JAX_ASCEND_X86_VARIANTS
namespace avx512 {
bool pairs_are_faster();
}
#endif

namespace {

constexpr std::string_view kNames[] = {"portable", "avx2", "avx512", "bf16", "amx"};
constexpr int kBf16 = 3, kAmx = 4;  // choices of products on top of kAvx512

#if JAX_ASCEND_X86_VARIANTS
bool tile_registers_allowed() {
#ifdef __linux__
  unsigned a, b, c, d = 0;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (kAmxBf16 | kAmxTile)) != (kAmxBf16 | kAmxTile))
    return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

bool supported(int variant) {
  if (variant == static_cast<int>(SimdVariant::kPortable)) return true;
#if JAX_ASCEND_X86_VARIANTS
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (variant == static_cast<int>(SimdVariant::kAvx2)) return avx2;
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
  static const bool tiles = tile_registers_allowed();
  return variant == kAmx ? avx512 && tiles : avx512;
#else
  return false;
#endif
}

// What the CPU can run, best first.
std::vector<int> ranking() {
  std::vector<int> variants;
  for (int i = kAmx; i >= 0; --i) {
    if (supported(i)) variants.push_back(i);
  }
#if JAX_ASCEND_X86_VARIANTS
  const auto pairs = std::find(variants.begin(), variants.end(), kBf16);
  if (pairs != variants.end() && !avx512::pairs_are_faster()) std::iter_swap(pairs, pairs + 1);
#endif
  return variants;
}

const std::vector<int>& ranked() {
  static const std::vector<int> variants = ranking();
  return variants;
}

std::atomic<int>& chosen() {
  static std::atomic<int> variant{ranked().front()};
  return variant;
}

}  // namespace

SimdVariant simd_variant() {
  const int variant = chosen().load(std::memory_order_relaxed);
  return variant >= kBf16 ? SimdVariant::kAvx512 : static_cast<SimdVariant>(variant);
}

Bf16Products bf16_products() {
  const int variant = chosen().load(std::memory_order_relaxed);
  return variant == kAmx    ? Bf16Products::kTiles
         : variant == kBf16 ? Bf16Products::kPairs
                            : Bf16Products::kWidened;
}

std::string_view simd_variant_name() { return kNames[static_cast<int>(simd_variant())]; }

bool set_simd_variant(std::string_view name) {
  for (int i = 0; i <= kAmx; ++i) {
    if (kNames[i] != name || !supported(i)) continue;
    chosen() = i;
    return true;
  }
  return false;
}

std::vector<std::string_view> simd_variants() {
  std::vector<std::string_view> names;
  for (const int i : ranked()) names.push_back(kNames[i]);
  return names;
}

}  // namespace ascend
