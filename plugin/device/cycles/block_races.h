// Races between the blocks of a launch, which run in any order, and inputs that are overwritten before they
// are read.
#pragma once
#include <string>
#include <vector>

#include "plugin/isa/module.h"

namespace ascend::cycles {

// Checks each launch of a program, with the storage its arguments share: an element that one block writes
// must not be read or written by another, nor read through another argument after it. Scatters, atomic
// stores, and offsets that are data are not followed. Returns one message per pair of instructions, naming
// both.
std::vector<std::string> find_block_races(const Module& module);

}  // namespace ascend::cycles
