// Which of the compiled instruction-set variants of the numeric kernels this process uses.
#pragma once
#include <string_view>
#include <vector>

namespace ascend {

enum class SimdVariant { kPortable, kAvx2, kAvx512 };
// How avx512 multiplies bf16: as f32, by vdpbf16ps, or in the tile registers of AMX.
enum class Bf16Products { kWidened, kPairs, kTiles };

// The best one for this CPU, unless a test chose another.
SimdVariant simd_variant();
std::string_view simd_variant_name();
// Tile registers where the CPU has them and the system lets this process use them; else what is measured to
// be faster, when it is first asked.
Bf16Products bf16_products();
// Programs loaded from now on use this variant; false if there is none of that name or the CPU lacks it.
// "amx" is avx512 with tile registers, "bf16" with vdpbf16ps, "avx512" with neither.
bool set_simd_variant(std::string_view name);
// Names of the variants this CPU can run, best first.
std::vector<std::string_view> simd_variants();

}  // namespace ascend
