#include "plugin/isa/type_rules.h"

#include <algorithm>

namespace ascend {
namespace {

bool holds(const TypeConstraint& c, std::span<const DType> types) {
  DType chosen[kMostOperands];
  size_t n = 0;
  if (c.operands.empty()) n = static_cast<size_t>(std::copy(types.begin(), types.end(), chosen) - chosen);
  for (int operand : c.operands) {
    if (static_cast<size_t>(operand) >= types.size()) return true;  // void
    chosen[n++] = types[operand];
  }
  if (!c.table.empty()) {
    return std::any_of(c.table.begin(), c.table.end(), [&](const auto& row) {
      return std::equal(row.begin(), row.end(), chosen, chosen + n);
    });
  }
  return std::all_of(chosen, chosen + n,
                     [&](DType t) { return t == chosen[0] && (c.types >> static_cast<int>(t) & 1); });
}

}  // namespace

bool allows(const TypeRule& rule, std::span<const DType> types, uint64_t locs) {
  return std::all_of(rule.constraints.begin(), rule.constraints.end(), [&](const TypeConstraint& c) {
    return (c.where >= 0 && !(locs >> c.where & 1)) || holds(c, types);
  });
}

}  // namespace ascend
