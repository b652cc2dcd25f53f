#include "plugin/device/cycles/memory_model.h"

#include <algorithm>

namespace ascend::cycles {

MemoryModel::MemoryModel(const Kernel& kernel, const Target& target, bool warm)
    : target_(target),
      l2_rate_(target.l2_total / target.clock),
      hbm_rate_(target.hbm_bandwidth / target.clock),
      capacity_(static_cast<uint32_t>(target.l2_bytes / target.l2_line)) {
  for (const ArgumentSpec& a : kernel.arguments) {
    const int64_t lines = a.size * dtype_bytes(a.dtype) / target.l2_line + 1;
    lines_.emplace_back(lines, 0);
    dirty_.emplace_back(a.writes ? lines : 0, 0);
    if (!warm) continue;
    for (uint32_t& line : lines_.back()) line = ++fills_;
  }
}

int64_t MemoryModel::touch(const Traffic& t) {
  auto& lines = lines_[t.argument];
  int64_t moved = 0;
  for (int64_t r = 0; r < t.rows; ++r) {
    const int64_t first = t.first + r * t.row_step;
    const int64_t from = std::max<int64_t>(first / target_.l2_line, 0);
    const int64_t to = std::min<int64_t>((first + t.row_bytes - 1) / target_.l2_line, lines.size() - 1);
    for (int64_t line = from; line <= to; ++line) {
      uint32_t& stamp = lines[line];
      const bool absent = stamp == 0 || fills_ - stamp >= capacity_;
      if (absent) ++fills_;
      stamp = fills_;
      if (t.write) {
        const int64_t begin = std::max(first, line * target_.l2_line);
        const int64_t end = std::min(first + t.row_bytes, (line + 1) * target_.l2_line);
        uint16_t& dirty = dirty_[t.argument][line];
        if (absent) dirty = 0;
        const int64_t added = std::clamp<int64_t>(end - begin, 0, target_.l2_line - dirty);
        dirty += static_cast<uint16_t>(added);
        moved += added;
      } else if (absent) {
        moved += std::min(t.row_bytes, target_.l2_line);
      }
    }
  }
  return std::min(moved, t.bytes());
}

void MemoryModel::start(const Traffic& t, int owner, double now) {
  advance(now);
  const double bytes = static_cast<double>(t.bytes());
  const double moved = static_cast<double>(touch(t));
  // A segment that does not fill its lines wastes part of the port; nothing is moved in less than 32 bytes.
  const double lines = (t.row_bytes + target_.l2_line - 1) / target_.l2_line * target_.l2_line;
  const double aligned = std::clamp(t.row_bytes / lines, target_.misaligned_efficiency, 1.0);
  const double port_bytes = t.rows * std::max<double>(t.row_bytes, 32) / aligned;
  const double hbm = moved / (t.write ? target_.hbm_write_efficiency : target_.hbm_read_efficiency);
  hbm_bytes_ += moved;
  gm_bytes_ += bytes;
  active_.push_back({owner, port_bytes, t.rate, hbm / port_bytes, 0});
  share();
}

void MemoryModel::advance(double now) {
  for (Transfer& t : active_) t.left -= t.rate * (now - now_);
  now_ = now;
}

// Every transfer goes at its port's rate, slowed where all together ask more of HBM, or of the L2, than there
// is.
void MemoryModel::share() {
  double hbm = 0, l2 = 0;
  for (const Transfer& t : active_) hbm += t.port * t.hbm;
  const double hbm_scale = hbm > hbm_rate_ ? hbm_rate_ / hbm : 1;
  for (Transfer& t : active_) {
    // a transfer that hits is not slowed by those that wait for HBM
    const double own = t.hbm * t.port;
    t.rate =
        own > 0 ? t.port * std::max(hbm_scale, std::min(1.0, hbm_rate_ / (own * active_.size()))) : t.port;
    l2 += t.rate;
  }
  const double l2_scale = l2 > l2_rate_ ? l2_rate_ / l2 : 1;
  next_ = std::numeric_limits<double>::infinity();
  for (Transfer& t : active_) {
    t.rate *= l2_scale;
    next_ = std::min(next_, now_ + std::max(t.left, 0.0) / t.rate);
  }
}

const std::vector<int>& MemoryModel::finish(double now) {
  finished_.clear();
  advance(now);
  for (size_t i = active_.size(); i-- > 0;) {
    if (active_[i].left > 1e-6 * active_[i].port) continue;
    finished_.push_back(active_[i].owner);
    active_[i] = active_.back();
    active_.pop_back();
  }
  share();
  return finished_;
}

}  // namespace ascend::cycles
