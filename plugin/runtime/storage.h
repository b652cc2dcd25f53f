// A block of memory that buffers and work in flight share.
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "plugin/runtime/arena.h"
#include "plugin/runtime/ref.h"

namespace ascend {

// Copies to the host or to another device that still read a buffer: a launch that overwrites its memory waits
// for them. Readers belong to the buffer, not to its memory: those of the result wait for the launch
// themselves.
class Readers : public RefCounted {
 public:
  void begin() { count_.fetch_add(1, std::memory_order_acquire); }
  void end() {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) count_.notify_all();
  }
  bool any() const { return count_.load(std::memory_order_acquire) != 0; }
  void await_none() const {
    while (int count = count_.load(std::memory_order_acquire)) count_.wait(count);
  }

 private:
  std::atomic<int> count_{0};
};

class Storage : public RefCounted {
 public:
  // Memory is taken from the arena when `data` is first asked for: results of work that is queued far ahead
  // need none until the work runs.
  Storage(std::shared_ptr<Arena> arena, uint64_t bytes) : arena_(std::move(arena)), bytes_(bytes) {}
  // Memory that belongs to somebody else, who is told when the last reference goes.
  Storage(std::byte* data, uint64_t bytes, std::function<void()> on_release)
      : bytes_(bytes), data_(data), on_release_(std::move(on_release)) {}
  ~Storage();

  std::byte* data();  // throws Error{kResourceExhausted}
  uint64_t bytes() const { return bytes_; }
  bool owned() const { return arena_ != nullptr; }

 private:
  const std::shared_ptr<Arena> arena_;
  const uint64_t bytes_;
  std::atomic<std::byte*> data_{nullptr};
  std::function<void()> on_release_;
};

}  // namespace ascend
