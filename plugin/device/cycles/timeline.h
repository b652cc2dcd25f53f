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
  double gm_read = 0, gm_written = 0, hbm_read = 0, hbm_written = 0;  // bytes
  double cube_moved[kPipes] = {}, vector_moved[kPipes] = {};          // bytes by the pipe that moves them
  double cube_operations = 0, vector_operations = 0;                  // a multiply-accumulate is two
  double cube_ideal = 0, vector_ideal = 0;  // cycles of M and V over all cores, without starts
  double hbm_limited = 0, l2_limited = 0;   // cycles in which HBM, or else the L2, slowed transfers
  double assumed = 0;                       // busy cycles that rest on figures we assume
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
// at most `limit`, those of the first `cores` AI cores. Throws Error{kFailedPrecondition} naming the
// instruction if a core waits for a flag nobody sets.
KernelTime simulate(const Kernel& kernel, const Target& target, L2Cache& cache, const Launch& launch,
                    std::vector<Interval>* trace = nullptr, size_t limit = 200000, int cores = INT32_MAX);

}  // namespace ascend::cycles
