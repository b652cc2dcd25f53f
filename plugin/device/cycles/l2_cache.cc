#include "plugin/device/cycles/l2_cache.h"

#include <algorithm>

namespace ascend::cycles {

L2Cache::L2Cache(const Target& target, int64_t bytes)
    : line_bytes_(target.l2_line),
      bytes_(bytes),
      capacity_(std::max<int64_t>(target.l2_bytes / target.l2_line, 1)),
      pages_(bytes / line_bytes_ / kPageLines + 1) {}

// A place for a line that comes.
size_t L2Cache::make_room(Moved& moved) {
  if (lines_.size() < capacity_) {
    lines_.emplace_back();
    return lines_.size() - 1;
  }
  while (lines_[hand_].touched) {
    lines_[hand_].touched = false;
    hand_ = hand_ + 1 == capacity_ ? 0 : hand_ + 1;
  }
  const Line& line = lines_[hand_];
  if (line.dirty) moved.written += line_bytes_;
  std::unique_ptr<Page>& page = pages_[line.number / kPageLines];
  page->place[line.number % kPageLines] = 0;
  if (--page->held == 0) page.reset();
  const size_t place = hand_;
  hand_ = hand_ + 1 == capacity_ ? 0 : hand_ + 1;
  return place;
}

void L2Cache::touch(int64_t first, int64_t bytes, bool write, Moved& moved) {
  const int64_t end = std::min(first + bytes, bytes_);
  first = std::max<int64_t>(first, 0);
  if (first >= end) return;
  const int64_t last = (end - 1) / line_bytes_;
  for (int64_t number = first / line_bytes_; number <= last;) {
    std::unique_ptr<Page>& held = pages_[number / kPageLines];
    if (!held) held = std::make_unique<Page>();
    Page* const page = held.get();
    for (const int64_t end = std::min(last + 1, (number / kPageLines + 1) * kPageLines); number < end;
         ++number) {
      uint32_t& place = page->place[number % kPageLines];
      if (place > 0) {
        Line& line = lines_[place - 1];
        line.touched = true;
        line.dirty |= write;
        continue;
      }
      ++page->held;  // so that the page outlives the line that makes room
      const size_t free = make_room(moved);
      lines_[free] = {number, write, false};
      place = static_cast<uint32_t>(free + 1);
      if (!write) moved.read += line_bytes_;
    }
  }
}

}  // namespace ascend::cycles
