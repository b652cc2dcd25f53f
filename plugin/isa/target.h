// A Target as text: a line `field = value` for each field, as compiler/target_text.py prints it. Programs,
// the client's options and serialised topologies carry it.
#pragma once
#include <string_view>

#include "isa.gen.h"

namespace ascend {

// Throws Error{kInvalidArgument} naming the field that is unknown, missing, given twice or out of its range.
Target parse_target(std::string_view text);

const Architecture& architecture_of(const Target& target);

}  // namespace ascend
