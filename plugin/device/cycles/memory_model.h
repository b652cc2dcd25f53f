// GM as all cores share it: an L2 that remembers lines, and transfers that divide L2 and HBM bandwidth among
// them.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "plugin/device/cycles/cost.h"

namespace ascend::cycles {

class MemoryModel {
 public:
  // Lines of all arguments start out absent, or, if warm, present as far as the L2 holds them.
  MemoryModel(const Kernel& kernel, const Target& target, bool warm);

  // Starts a transfer at time `now` (cycles); `owner` is given back by finish().
  void start(const Traffic& traffic, int owner, double now);
  // Time of the next completion if nothing starts before, or infinity.
  double next() const { return next_; }
  // Moves to time `now` and returns the owners of the transfers that have completed.
  const std::vector<int>& finish(double now);

  double hbm_bytes() const { return hbm_bytes_; }
  double gm_bytes() const { return gm_bytes_; }

 private:
  struct Transfer {
    int owner;
    double left;  // bytes as the port sees them, inefficiency included
    double port;  // bytes per cycle
    double hbm;   // HBM time per byte of `left`, in bytes of nominal bandwidth
    double rate;
  };
  // Returns how many bytes HBM has to move: those of absent lines for a read; for a write, which the L2 keeps
  // until it gives the line up, those that have not been written yet while the line was there.
  int64_t touch(const Traffic& traffic);
  void advance(double now);
  void share();

  const Target& target_;
  double l2_rate_, hbm_rate_;  // bytes per cycle, all cores
  std::vector<std::vector<uint32_t>>
      lines_;  // per argument and line: value of fills_ when last touched, 0 if never
  std::vector<std::vector<uint16_t>> dirty_;  // per written argument and line: bytes to be written back
  uint32_t fills_ = 0, capacity_;
  std::vector<Transfer> active_;
  std::vector<int> finished_;
  double now_ = 0, next_ = std::numeric_limits<double>::infinity();
  double hbm_bytes_ = 0, gm_bytes_ = 0;
};

}  // namespace ascend::cycles
