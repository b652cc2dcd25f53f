// Interprets the declared rules on element types (compiler/isa/type_rules.py).
#pragma once
#include <cstdint>
#include <span>

#include "isa.gen.h"

namespace ascend {

// Whether a rule allows operands (tiles and views, in declared order) of these types, with tiles in `locs`, a
// bit set of Loc.
bool allows(const TypeRule& rule, std::span<const DType> types, uint64_t locs);

}  // namespace ascend
