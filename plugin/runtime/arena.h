// Device memory: an arena over one reserved address range that reuses what was freed.
//
// Fresh pages cost more than most kernels, so freed memory is kept and given out again, most recently used
// first. Up to kSmallLimit blocks come from free lists by size class; above, from the best-fitting free span,
// merged with its neighbours when freed. Capacity is that of the device; pages exist only where something was
// written.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace ascend {

struct MemoryStats {
  uint64_t in_use = 0, peak = 0, allocations = 0, largest = 0, limit = 0, reserved = 0;
};

class Arena {
 public:
  static constexpr uint64_t kAlignment = 64;
  static constexpr uint64_t kSmallLimit = 1 << 20;

  // `place` names the memory in messages, e.g. "ascend:0 hbm". Takes at most `addresses` bytes of address
  // space.
  Arena(std::string place, uint64_t capacity, uint64_t addresses = UINT64_MAX);
  ~Arena();
  Arena(const Arena&) = delete;

  // Returns 64-byte aligned memory; throws Error{kResourceExhausted} with the requested and the free bytes.
  std::byte* allocate(uint64_t bytes);
  void deallocate(std::byte* data, uint64_t bytes);
  // Throws as allocate would if `bytes` cannot be had now.
  void check_available(uint64_t bytes) const;

  MemoryStats stats() const;
  void clear_stats();

 private:
  struct SizeClass {
    std::vector<std::byte*> free;
    std::byte* slab = nullptr;  // what is left of the slab being carved
    uint64_t slab_left = 0;
  };
  using Spans = std::map<uint64_t, uint64_t>;  // offset -> bytes

  [[noreturn]] void exhausted(uint64_t bytes) const;
  std::byte* take_small(uint64_t rounded, int size_class);
  uint64_t take_span(uint64_t bytes);
  void give_span(uint64_t offset, uint64_t bytes);
  void erase_span(Spans::iterator span);
  void release_pages();

  const std::string place_;
  const uint64_t capacity_;
  const uint64_t cached_limit_;  // free bytes kept resident at most
  std::byte* base_ = nullptr;
  uint64_t range_ = 0;     // bytes of address space
  uint64_t top_ = 0;       // nothing at or above was ever given out, or all of it came back
  uint64_t top_seen_ = 0;  // highest top_ since pages were last released
  uint64_t cached_ = 0;    // bytes of free spans that may be resident
  mutable std::mutex mutex_;
  Spans by_offset_;
  std::set<std::pair<uint64_t, uint64_t>> by_size_;  // (bytes, offset)
  std::vector<SizeClass> classes_;
  MemoryStats stats_;
};

}  // namespace ascend
