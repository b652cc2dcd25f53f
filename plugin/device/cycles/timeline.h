// Event-driven time of one kernel launch: in-order pipes, flags between them, a shared GM.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "plugin/device/cycles/l2_cache.h"
#include "plugin/device/cycles/walk.h"

namespace ascend::cycles {

struct Interval {  // one instruction on one pipe
  int core;        // number of the AI core, or of the vector core for a vector kernel
  int unit;        // 0 cube (or the only) core, 1 and 2 the vector cores of a mixed kernel
  Pipe pipe;
  int instruction;    // index in the kernel's body
  double start, end;  // cycles
};

struct KernelTime {
  double cycles = 0;
  double cube_busy[kPipes] = {}, vector_busy[kPipes] = {};  // cycles summed over the cores that have work
  int cube_cores = 0, vector_cores = 0;                     // that have work
  double gm_bytes = 0, hbm_bytes = 0;
  int64_t instructions = 0;
};

// A launch: where in the memory that the cache caches the kernel's arguments lie, and the trip of the loop it
// is in. Places that are data are taken to follow the trip: scalars loaded from GM are its number, and
// gathers start elsewhere.
struct Launch {
  std::span<const int64_t> addresses;
  int64_t trip = 0;
};

// Time of a launch, without dispatch; the cache is left as it leaves it. Intervals are recorded if asked for,
// at most `limit`. Throws Error{kFailedPrecondition} naming the instruction if a core waits for a flag nobody
// sets.
KernelTime simulate(const Kernel& kernel, const Target& target, L2Cache& cache, const Launch& launch,
                    std::vector<Interval>* trace = nullptr, size_t limit = 200000);

}  // namespace ascend::cycles
