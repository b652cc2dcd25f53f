// Run by the build: fails it where a vector instruction has no body for element types that its rule allows.
#include <algorithm>
#include <cstdio>
#include <string>

#include "plugin/device/execute/convert_small.h"
#include "plugin/device/execute/vector_variants.h"
#include "plugin/isa/type_rules.h"

namespace ascend {
namespace {

// Whether instructions compute with a type: conversions from and to smaller ones are asked for by name.
bool computed(DType t) { return kComputedTypes >> static_cast<int>(t) & 1; }

bool on_vectors(const InstructionInfo& info) {
  return info.pipe_by < 0 && info.pipes[0] == Pipe::kV && info.cost != CostKind::ksync &&
         info.cost != CostKind::kpiece;
}

// The element types of an instruction's tiles if it computes dst from src, and the rule allows that. Other
// tiles are like the source, or masks or indices.
bool allowed(const InstructionInfo& info, Opcode opcode, int tiles, DType dst, DType src) {
  for (const DType other : {src, DType::ki1, DType::ki32}) {
    DType types[kMostOperands];
    std::fill_n(types, tiles, src);
    types[0] = dst;
    if (tiles > 2) types[opcode == Opcode::ktsel ? 1 : 2] = other;
    if (allows(kTypeRules[info.types], {types, static_cast<size_t>(tiles)}, 1)) return true;
  }
  return false;
}

int missing_bodies(const VectorVariant& variant) {
  int missing = 0;
  for (int code = 0; code < kOpcodes; ++code) {
    const InstructionInfo& info = kInstructions[code];
    const auto opcode = static_cast<Opcode>(code);
    if (!on_vectors(info)) continue;
    const auto tiles =
        static_cast<int>(std::count_if(info.operands.begin(), info.operands.end(),
                                       [](const OperandInfo& o) { return o.kind == OperandKind::ktile; }));
    for (int d = 0; d < 64; ++d) {
      for (int s = 0; s < 64; ++s) {
        const auto dst = static_cast<DType>(d), src = static_cast<DType>(s);
        if (!computed(dst) || !computed(src) || (tiles == 1 && d != s)) continue;
        if (!allowed(info, opcode, tiles, dst, src)) continue;
        const VectorKey key{opcode, dst, src};
        if (variant.find(key).function || find_small_conversion(key)) continue;
        std::fprintf(stderr, "error: %s has no body in the %s variant for %s from %s\n",
                     std::string(info.name).c_str(), std::string(variant.name).c_str(), dtype_name(dst),
                     dtype_name(src));
        ++missing;
      }
    }
  }
  return missing;
}

}  // namespace
}  // namespace ascend

int main() {
  int missing = 0;
  for (const ascend::VectorVariant& variant : ascend::vector_variants())
    missing += ascend::missing_bodies(variant);
  return missing > 0;
}
