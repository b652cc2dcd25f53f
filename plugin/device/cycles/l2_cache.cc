#include "plugin/device/cycles/l2_cache.h"

#include <algorithm>
#include <bit>

namespace ascend::cycles {

L2Cache::L2Cache(const Target& target, int64_t bytes)
    : line_bytes_(target.l2_line),
      bytes_(bytes),
      shift_(std::has_single_bit(static_cast<uint64_t>(line_bytes_))
                 ? std::countr_zero(static_cast<uint64_t>(line_bytes_))
                 : -1),
      capacity_(std::max<int64_t>(target.l2_bytes / target.l2_line, 1)),
      pages_(bytes / line_bytes_ / kPageLines + 1) {}

// Many lines at once, in a loop for vector instructions.
bool L2Cache::all_held(const uint8_t* states, int64_t count) {
  uint8_t all = kHeld;
  for (int64_t i = 0; i < count; ++i) all &= states[i];
  return all;
}

// A place for a line that comes.
size_t L2Cache::make_room(Moved& moved) {
  if (lines_.size() < capacity_) {
    lines_.emplace_back();
    return lines_.size() - 1;
  }
  for (;;) {
    const size_t place = hand_;
    hand_ = hand_ + 1 == capacity_ ? 0 : hand_ + 1;
    std::unique_ptr<Page>& page = pages_[lines_[place] / kPageLines];
    uint8_t& state = page->state[lines_[place] % kPageLines];
    if (state & kTouched) {
      state &= ~kTouched;
      continue;
    }
    if (state & kDirty) moved.written += line_bytes_;
    state = 0;
    if (--page->held == 0) page.reset();
    return place;
  }
}

void L2Cache::touch_lines(int64_t first, int64_t bytes, bool write, Moved& moved) {
  const int64_t end = std::min(first + bytes, bytes_);
  first = std::max<int64_t>(first, 0);
  if (first >= end) return;
  const uint8_t hit = write ? kTouched | kDirty : kTouched;
  const int64_t last = line_of(end - 1);
  for (int64_t number = line_of(first); number <= last;) {
    std::unique_ptr<Page>& held = pages_[number / kPageLines];
    if (!held) held = std::make_unique<Page>();
    Page* const page = held.get();
    const int64_t from = number % kPageLines, count = std::min(last + 1 - number, kPageLines - from);
    uint8_t* const states = page->state + from;
    if (count >= 16 && all_held(states, count)) {
      for (int64_t i = 0; i < count; ++i) states[i] |= hit;
    } else {
      page->held += count;  // so that the page outlives the lines that make room
      for (int64_t i = 0; i < count; ++i) {
        if (states[i] & kHeld) {
          states[i] |= hit;
          --page->held;
          continue;
        }
        lines_[make_room(moved)] = number + i;
        states[i] = write ? kHeld | kDirty : kHeld;
        if (!write) moved.read += line_bytes_;
      }
    }
    number += count;
  }
}

}  // namespace ascend::cycles
