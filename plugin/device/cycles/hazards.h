// What silicon would get wrong and a value emulator cannot see: races between pipes, flags that do not pair
// up, reads of bytes nobody wrote, views beyond their argument.
#pragma once
#include <string>
#include <vector>

#include "plugin/isa/module.h"

namespace ascend::cycles {

// Checks the first and last block of a kernel, each up to kMostInstructions per core, by vector clocks: an
// access must happen after every conflicting access to the same 32 bytes, by pipe order and flags. Returns
// one message per pair of instructions, naming both; empty if the kernel is clean.
std::vector<std::string> find_hazards(const Kernel& kernel, const Target& target);

}  // namespace ascend::cycles
