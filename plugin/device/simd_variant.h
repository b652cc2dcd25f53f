// Which of the compiled instruction-set variants of the numeric kernels this process uses.
#pragma once
#include <string_view>
#include <vector>

namespace ascend {

enum class SimdVariant { kPortable, kAvx2, kAvx512 };

// The best one for this CPU, unless a test chose another.
SimdVariant simd_variant();
std::string_view simd_variant_name();
// Whether products of bf16 use the tile registers of AMX: avx512 does, where the CPU has them and the system
// lets this process use them.
bool tile_registers();
// Programs loaded from now on use this variant; false if there is none of that name or the CPU lacks it.
// "amx" is avx512 with tile registers, "avx512" without.
bool set_simd_variant(std::string_view name);
// Names of the variants this CPU can run, best first.
std::vector<std::string_view> simd_variants();

}  // namespace ascend
