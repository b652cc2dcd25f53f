// The L2 as all cores share it, line by line: which lines of the device's memory it holds, and which of them
// HBM has not seen yet. Its state lives on from one launch of a program to the next.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "isa.gen.h"

namespace ascend::cycles {

class L2Cache {
 public:
  struct Moved {  // bytes between HBM and the L2, whole lines
    int64_t read = 0, written = 0;
    int64_t bytes() const { return read + written; }
  };

  // Holds nothing yet of a memory of `bytes`.
  L2Cache(const Target& target, int64_t bytes);

  // Reads or writes `bytes` contiguous bytes from `first`, as far as they lie in the memory, and adds what
  // HBM moves for it to `moved`. A read fetches lines that are absent; a write takes a line without fetching
  // it. The oldest line that was not touched since it was last passed over makes room ("clock", as caches
  // approximate least recently used), and is written back if it was written.
  void touch(int64_t first, int64_t bytes, bool write, Moved& moved) {
    if (first >= 0 && bytes > 0 && first + bytes <= bytes_) {  // as a rule it is in one line that is there
      const int64_t number = line_of(first);
      if (line_of(first + bytes - 1) == number) {
        Page* page = pages_[number / kPageLines].get();
        if (page && page->state[number % kPageLines] & kHeld) {
          page->state[number % kPageLines] |= write ? kTouched | kDirty : kTouched;
          return;
        }
      }
    }
    touch_lines(first, bytes, write, moved);
  }

 private:
  static constexpr int64_t kPageLines = 1024;
  static constexpr uint8_t kHeld = 1, kTouched = 2, kDirty = 4;
  struct Page {
    uint8_t state[kPageLines] = {};  // of each line
    int64_t held = 0;                // lines
  };
  static bool all_held(const uint8_t* states, int64_t count);
  void touch_lines(int64_t first, int64_t bytes, bool write, Moved& moved);
  size_t make_room(Moved& moved);
  int64_t line_of(int64_t byte) const { return shift_ >= 0 ? byte >> shift_ : byte / line_bytes_; }

  int64_t line_bytes_, bytes_;
  int shift_;  // of a byte's number to its line's; -1 where lines are no power of two
  size_t capacity_;
  std::vector<std::unique_ptr<Page>> pages_;  // those that hold a line
  std::vector<int64_t> lines_;                // numbers of those that are held, as they came, around `hand_`
  size_t hand_ = 0;
};

}  // namespace ascend::cycles
