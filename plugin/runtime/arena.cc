#include "plugin/runtime/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>

#include "plugin/error.h"

namespace ascend {
namespace {

constexpr uint64_t kSpanUnit = 64 << 10;
constexpr uint64_t kSlabBytes = 256 << 10;
constexpr uint64_t kLinearLimit = 1024;  // below, one class per 64 bytes; above, 8 classes per doubling

uint64_t round_up(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

// Index of the size class and the size of its blocks.
int size_class(uint64_t bytes, uint64_t* rounded) {
  if (bytes <= kLinearLimit) {
    *rounded = round_up(std::max<uint64_t>(bytes, 1), Arena::kAlignment);
    return static_cast<int>(*rounded / Arena::kAlignment) - 1;
  }
  int log = std::bit_width(bytes - 1) - 1;  // 2^log < bytes <= 2^(log+1)
  uint64_t step = (uint64_t{1} << log) / 8;
  *rounded = round_up(bytes, step);
  int first = kLinearLimit / Arena::kAlignment;
  return first + (log - 10) * 8 + static_cast<int>((*rounded - (uint64_t{1} << log)) / step) - 1;
}

uint64_t physical_bytes() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// What the machine can still give without swapping; "no limit" where the kernel does not say.
uint64_t host_available() {
  uint64_t kib = 0;
  bool found = false;
  if (FILE* file = std::fopen("/proc/meminfo", "r")) {
    char line[128];
    while (!found && std::fgets(line, sizeof line, file)) {
      unsigned long long value;
      if (std::sscanf(line, "MemAvailable: %llu", &value) == 1) kib = value, found = true;
    }
    std::fclose(file);
  }
  return found ? kib << 10 : UINT64_MAX;
}

}  // namespace

Arena::Arena(std::string place, uint64_t capacity, uint64_t addresses)
    : place_(std::move(place)),
      capacity_(capacity),
      cached_limit_(std::max<uint64_t>(physical_bytes() / 4, 1 << 30)) {
  // Twice the capacity, so that fragmentation cannot exhaust addresses before bytes.
  if (capacity == 0) return;  // it gives nothing
  for (range_ = round_up(std::min(capacity, addresses / 2), kSpanUnit) * 2; range_ >= kSlabBytes;
       range_ = round_up(range_ / 2, kSpanUnit)) {
    void* base =
        mmap(nullptr, range_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base != MAP_FAILED) {
      base_ = static_cast<std::byte*>(base);
      break;
    }
  }
  if (!base_) throw Error(Code::kResourceExhausted, "[" + place_ + "] no address space. Raise `ulimit -v`.");
  madvise(base_, range_, MADV_HUGEPAGE);
  uint64_t rounded;
  classes_.resize(size_class(kSmallLimit, &rounded) + 1);
  stats_.limit = capacity_;
}

Arena::~Arena() {
  if (base_) munmap(base_, range_);
}

void Arena::exhausted(uint64_t bytes) const {
  throw Error(Code::kResourceExhausted,
              "[" + place_ + "] out of memory: requested " + std::to_string(bytes) + " bytes; " +
                  std::to_string(capacity_ - stats_.in_use) + " bytes free of " + std::to_string(capacity_) +
                  ". Delete arrays, donate arguments, or set JAX_ASCEND_HBM_BYTES.");
}

std::byte* Arena::allocate(uint64_t bytes) {
  uint64_t charged = round_up(std::max<uint64_t>(bytes, 1), kAlignment);
  std::lock_guard lock(mutex_);
  if (charged > capacity_ - stats_.in_use) exhausted(bytes);
  std::byte* data;
  if (charged <= kSmallLimit) {
    uint64_t rounded;
    int index = size_class(charged, &rounded);
    data = take_small(rounded, index);
  } else {
    data = base_ + take_span(round_up(charged, kSpanUnit));
  }
  stats_.in_use += charged;
  stats_.peak = std::max(stats_.peak, stats_.in_use);
  stats_.largest = std::max(stats_.largest, charged);
  ++stats_.allocations;
  return data;
}

void Arena::deallocate(std::byte* data, uint64_t bytes) {
  uint64_t charged = round_up(std::max<uint64_t>(bytes, 1), kAlignment);
  std::lock_guard lock(mutex_);
  stats_.in_use -= charged;
  if (charged <= kSmallLimit) {
    uint64_t rounded;
    int index = size_class(charged, &rounded);
    classes_[index].free.push_back(data);
  } else {
    give_span(data - base_, round_up(charged, kSpanUnit));
  }
}

void Arena::check_available(uint64_t bytes) const {
  std::lock_guard lock(mutex_);
  if (bytes > capacity_ - stats_.in_use) exhausted(bytes);
}

std::byte* Arena::take_small(uint64_t rounded, int index) {
  SizeClass& c = classes_[index];
  if (!c.free.empty()) {
    std::byte* data = c.free.back();
    c.free.pop_back();
    return data;
  }
  if (c.slab_left < rounded) {
    uint64_t slab = round_up(std::max(kSlabBytes, rounded), kSpanUnit);
    c.slab = base_ + take_span(slab);
    c.slab_left = slab;
  }
  std::byte* data = c.slab;
  c.slab += rounded;
  c.slab_left -= rounded;
  return data;
}

uint64_t Arena::take_span(uint64_t bytes) {
  auto fit = by_size_.lower_bound({bytes, 0});
  if (fit != by_size_.end()) {
    auto [size, offset] = *fit;
    erase_span(by_offset_.find(offset));
    cached_ -= std::min(cached_, bytes);
    if (size > bytes) {
      by_offset_.emplace(offset + bytes, size - bytes);
      by_size_.emplace(size - bytes, offset + bytes);
    }
    return offset;
  }
  if (bytes > range_ - top_) exhausted(bytes);
  // Touching fresh pages that the machine does not have would end the process, so refuse large ones here.
  if (bytes >= (256u << 20) && top_ + bytes > top_seen_ && bytes > host_available()) {
    throw Error(Code::kResourceExhausted,
                "[" + place_ + "] the emulating machine is out of memory: requested " +
                    std::to_string(bytes) + " bytes, " + std::to_string(host_available()) +
                    " free bytes. Delete arrays or run on a larger machine.");
  }
  uint64_t offset = top_;
  top_ += bytes;
  top_seen_ = std::max(top_seen_, top_);
  return offset;
}

void Arena::give_span(uint64_t offset, uint64_t bytes) {
  cached_ += bytes;
  auto next = by_offset_.lower_bound(offset);
  if (next != by_offset_.end() && next->first == offset + bytes) {
    bytes += next->second;
    erase_span(next);
  }
  auto before = by_offset_.lower_bound(offset);
  if (before != by_offset_.begin() && (--before)->first + before->second == offset) {
    offset = before->first;
    bytes += before->second;
    erase_span(before);
  }
  if (offset + bytes == top_) {
    top_ = offset;
  } else {
    by_offset_.emplace(offset, bytes);
    by_size_.emplace(bytes, offset);
  }
  if (cached_ > cached_limit_) release_pages();
}

void Arena::erase_span(Spans::iterator span) {
  by_size_.erase({span->second, span->first});
  by_offset_.erase(span);
}

void Arena::release_pages() {
  for (auto [offset, bytes] : by_offset_) madvise(base_ + offset, bytes, MADV_DONTNEED);
  madvise(base_ + top_, top_seen_ - top_, MADV_DONTNEED);
  top_seen_ = top_;
  cached_ = 0;
}

MemoryStats Arena::stats() const {
  std::lock_guard lock(mutex_);
  MemoryStats stats = stats_;
  stats.reserved = top_seen_;
  return stats;
}

void Arena::clear_stats() {
  std::lock_guard lock(mutex_);
  stats_.peak = stats_.in_use;
  stats_.largest = stats_.allocations = 0;
}

}  // namespace ascend
