// How large a program may be where its size decides about stack or time: far beyond what the compiler makes.
#pragma once
#include <cstdint>

namespace ascend {

// Lists of commands inside each other, those of called functions counted on: reading, executing and
// freeing them recurse, on threads that have 8 MiB of stack.
inline constexpr int64_t kMaxNesting = 2000;
// Calls inside each other; each holds a table of slots, 4 KiB.
inline constexpr int64_t kMaxCallDepth = 500;
// Commands that a run executes, were each loop to go round once: calls that double and double again end here.
inline constexpr int64_t kMaxCommands = int64_t{1} << 26;
// Bytes of a tensor, a frame or a slot: keeps sums of them far from overflow.
inline constexpr int64_t kMaxBytes = int64_t{1} << 48;

// Devices of a program that exchanges data: each of its exchanges keeps lists of them.
inline constexpr int64_t kMaxCollectiveDevices = 4096;

}  // namespace ascend
