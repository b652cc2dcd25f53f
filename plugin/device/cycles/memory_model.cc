#include "plugin/device/cycles/memory_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ascend::cycles {
MemoryModel::MemoryModel(const Kernel& kernel, const Target& target, L2Cache& cache,
                         std::span<const int64_t> addresses, int64_t trip)
    : target_(target),
      cache_(cache),
      trip_(trip),
      l2_rate_(target.l2_total / target.clock),
      hbm_rate_(target.hbm_bandwidth / target.clock),
      // two reads and a write take 3 / hbm_mixed_efficiency
      turnaround_(std::max(0.0, 3 / target.hbm_mixed_efficiency - 2 / target.hbm_read_efficiency -
                                    1 / target.hbm_write_efficiency)) {
  for (size_t i = 0; i < kernel.arguments.size(); ++i) {
    const ArgumentSpec& a = kernel.arguments[i];
    arguments_.push_back({addresses[i], a.size * dtype_bytes(a.dtype), {}});
  }
}

// Multiples of a step that shares no factor with the number of places: each is visited once before any is
// again.
int64_t MemoryModel::Scattered::next(int64_t row, int64_t bytes, int64_t trip) {
  if (row != row_bytes) {
    row_bytes = row;
    places = std::max<int64_t>(bytes / row, 1);
    step = std::max<int64_t>(static_cast<int64_t>(0.6180339887 * static_cast<double>(places)), 1);
    while (std::gcd(step, places) != 1) ++step;
    at = (at + trip * 7919) % places;  // a prime: another place for each of many trips
  }
  const int64_t place = at * row;
  at = (at + step) % places;
  return place;
}

L2Cache::Moved MemoryModel::touch(const Traffic& t, int64_t first) {
  Argument& a = arguments_[t.argument];
  L2Cache::Moved moved;
  const auto segment = [&](int64_t at) {
    const int64_t from = std::clamp<int64_t>(at, 0, a.bytes);
    const int64_t to = std::clamp<int64_t>(at + t.row_bytes, 0, a.bytes);
    cache_.touch(a.address + from, to - from, t.write, moved);
  };
  if (!t.scattered) {
    t.for_each(first, segment);
  } else {
    for (int64_t r = 0; r < t.rows; ++r) segment(a.scattered.next(t.row_bytes, a.bytes, trip_));
  }
  return moved;
}

void MemoryModel::start(const Traffic& t, int64_t first, int owner, double now) {
  advance(now);
  const L2Cache::Moved moved = touch(t, first);
  // A segment that does not fill its lines wastes part of the port; no piece is moved in less than 32 bytes.
  const double lines = (t.row_bytes + target_.l2_line - 1) / target_.l2_line * target_.l2_line;
  const double aligned = std::clamp(t.row_bytes / lines, target_.misaligned_efficiency, 1.0);
  const double port_bytes = t.pieces * std::max<double>(t.piece_bytes, 32) / aligned;
  hbm_.read += moved.read, hbm_.written += moved.written;
  (t.write ? gm_written_ : gm_read_) += static_cast<double>(t.bytes());
  const double read = t.rate * moved.read / port_bytes, written = t.rate * moved.written / port_bytes;
  const double asks = read / target_.hbm_read_efficiency + written / target_.hbm_write_efficiency;
  active_.push_back({owner, port_bytes, t.rate, read, written, asks, 0});
  asking_ += asks > 0;
  changed_ = true;
}

void MemoryModel::advance(double now) {
  if (now == now_) return;
  if (changed_) share();
  for (Transfer& t : active_) t.left -= t.rate * (now - now_);
  if (limit_ == Limit::kHbm) hbm_limited_ += now - now_;
  if (limit_ == Limit::kL2) l2_limited_ += now - now_;
  now_ = now;
}

// Every transfer goes at its port's rate, slowed where all together ask more of HBM, or of the L2, than there
// is. HBM's time is divided fairly: nobody gets more than another that asks for more, and one that hits never
// waits.
void MemoryModel::share() {
  changed_ = false;
  double read = 0, write = 0, asked = 0;
  if (asking_ > 0) {
    for (const Transfer& t : active_) {
      read += t.read;
      write += t.write;
      asked += t.asks;
    }
  }
  const double turning = turnaround_ * std::min(read, write);
  const double hbm = asked > 0 ? hbm_rate_ / (1 + turning / asked) : hbm_rate_;  // without the turns
  const double most = asked > hbm ? fair_share(hbm) : std::numeric_limits<double>::infinity();
  double l2 = 0, soonest = std::numeric_limits<double>::infinity();
  const auto ends = [&](const Transfer& t) { soonest = std::min(soonest, std::max(t.left, 0.0) / t.rate); };
  for (Transfer& t : active_) {
    t.rate = asked > hbm && t.asks > most ? t.port * most / t.asks : t.port;
    l2 += t.rate;
    ends(t);
  }
  limit_ = asked > hbm ? Limit::kHbm : l2 > l2_rate_ ? Limit::kL2 : Limit::kPorts;
  if (l2 > l2_rate_) {
    const double l2_scale = l2_rate_ / l2;
    soonest = std::numeric_limits<double>::infinity();
    for (Transfer& t : active_) {
      t.rate *= l2_scale;
      ends(t);
    }
  }
  next_ = now_ + soonest;
}

// The most that one of those that ask gets: what is left when all that ask for less have theirs, divided by
// the others.
double MemoryModel::fair_share(double hbm) const {
  double most = hbm / asking_;
  for (;;) {
    double rest = hbm;
    int others = 0;
    for (const Transfer& t : active_) {
      if (t.asks > most)
        ++others;
      else
        rest -= t.asks;
    }
    const double raised = others ? rest / others : most;
    if (raised <= most * (1 + 1e-12)) return raised;
    most = raised;
  }
}

const std::vector<int>& MemoryModel::finish(double now) {
  finished_.clear();
  advance(now);
  for (size_t i = active_.size(); i-- > 0;) {
    if (active_[i].left > 1e-6 * active_[i].port) continue;
    finished_.push_back(active_[i].owner);
    asking_ -= active_[i].asks > 0;
    active_[i] = active_.back();
    active_.pop_back();
  }
  changed_ = true;
  return finished_;
}

}  // namespace ascend::cycles
