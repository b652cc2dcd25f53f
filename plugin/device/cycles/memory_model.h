// GM as all cores share it in one launch: an L2 that remembers lines, and transfers that divide L2 and HBM
// bandwidth among them.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "plugin/device/cycles/cost.h"
#include "plugin/device/cycles/l2_cache.h"

namespace ascend::cycles {

class MemoryModel {
 public:
  // `addresses` say where the kernel's arguments lie in the memory that the cache caches; gathers of another
  // trip of a loop go to other places.
  MemoryModel(const Kernel& kernel, const Target& target, L2Cache& cache, std::span<const int64_t> addresses,
              int64_t trip);

  // Starts a transfer whose first segment lies at `first` at time `now` (cycles); `owner` is given back by
  // finish().
  void start(const Traffic& traffic, int64_t first, int owner, double now);
  // Time of the next completion if nothing starts before, or infinity.
  double next() {
    if (changed_) share();
    return next_;
  }
  // Moves to time `now` and returns the owners of the transfers that have completed.
  const std::vector<int>& finish(double now);

  const L2Cache::Moved& hbm() const { return hbm_; }
  double gm_read() const { return gm_read_; }
  double gm_written() const { return gm_written_; }
  // Cycles in which transfers asked for more of HBM, or of the L2 but not of HBM, than there is.
  double hbm_limited() const { return hbm_limited_; }
  double l2_limited() const { return l2_limited_; }

 private:
  struct Transfer {
    int owner;
    double left;         // bytes as the port sees them, inefficiency included
    double port;         // bytes per cycle
    double read, write;  // bytes per cycle that HBM reads and writes for it at the port's rate
    double asks;         // of HBM's time for these, in bytes of its nominal bandwidth per cycle
    double rate;
  };
  // Segments whose places are data, of one argument: they are taken to be all different, and anywhere.
  struct Scattered {
    int64_t row_bytes = 0, places = 1, step = 1, at = 0;
    int64_t next(int64_t row_bytes, int64_t bytes, int64_t trip);
  };
  struct Argument {
    int64_t address, bytes;
    Scattered scattered;
  };
  L2Cache::Moved touch(const Traffic& traffic, int64_t first);
  void advance(double now);
  void share();
  double fair_share(double hbm) const;

  const Target& target_;
  L2Cache& cache_;
  int64_t trip_;
  double l2_rate_, hbm_rate_;  // bytes per cycle, all cores
  double turnaround_;  // time that a written byte costs beside a read one, in bytes of nominal bandwidth
  std::vector<Argument> arguments_;
  std::vector<Transfer> active_;
  int asking_ = 0;        // of active_, for HBM
  bool changed_ = false;  // active_, since rates were shared out
  std::vector<int> finished_;
  double now_ = 0, next_ = std::numeric_limits<double>::infinity();
  L2Cache::Moved hbm_;
  double gm_read_ = 0, gm_written_ = 0, hbm_limited_ = 0, l2_limited_ = 0;
  enum class Limit : uint8_t { kPorts, kL2, kHbm } limit_ = Limit::kPorts;
};

}  // namespace ascend::cycles
