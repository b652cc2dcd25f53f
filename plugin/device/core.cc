#include "plugin/device/core.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace ascend {
namespace {

constexpr int64_t kAlignment = 2 << 20;  // huge pages: packed operands are read with long strides

int64_t used_bytes(Loc loc) {
  int64_t most = 0;
  for (const Target& t : kTargets) most = std::max(most, memory_bytes(t, loc));
  return most * (loc == Loc::kvec ? 1 : kCubeScale);
}

int64_t host_bytes(Loc loc) {
  return (used_bytes(loc) + 8191) / 4096 * 4096;  // and a page that a kernel's last vector may overrun
}

// Lets AddressSanitizer see when a memory is left by more than such a vector: the arena is one allocation.
void guard(std::byte* memory, Loc loc) {
#ifdef __SANITIZE_ADDRESS__
  constexpr int64_t kVector = 256;
  ASAN_POISON_MEMORY_REGION(memory + used_bytes(loc) + kVector, host_bytes(loc) - used_bytes(loc) - kVector);
#endif
}

}  // namespace

Core& Core::of_this_thread() {
  thread_local Core core;
  return core;
}

Core::Core() {
  int64_t total = host_bytes(Loc::kvec) + kScratchBytes + kStripBytes;
  for (int loc = 0; loc < 7; ++loc) total += host_bytes(static_cast<Loc>(loc));
  total = (total + kAlignment - 1) / kAlignment * kAlignment;
  arena_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, total));
  if (!arena_) throw std::bad_alloc();
#ifdef __linux__
  madvise(arena_, total, MADV_HUGEPAGE);  // a wish; without it only speed suffers
#endif
  std::byte* next = arena_;
  const auto take = [&](int64_t bytes) { return std::exchange(next, next + bytes); };
  for (int loc = 0; loc < 7; ++loc) {
    memory[loc] = take(host_bytes(static_cast<Loc>(loc)));
    guard(memory[loc], static_cast<Loc>(loc));
  }
  vector_memory_[0] = memory[static_cast<int>(Loc::kvec)];
  vector_memory_[1] = take(host_bytes(Loc::kvec));
  guard(vector_memory_[1], Loc::kvec);
  strips = take(kStripBytes);
  scratch = take(kScratchBytes);
  registers.fill(0);
}

Core::~Core() { std::free(arena_); }

}  // namespace ascend
