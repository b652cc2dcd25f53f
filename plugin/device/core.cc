#include "plugin/device/core.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "plugin/error.h"
#include "plugin/isa/message.h"

#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace ascend {
namespace {

constexpr int64_t kAlignment = 2 << 20;  // huge pages: packed operands are read with long strides

// A kernel's last vector may go beyond what it uses by less than a page.
int64_t pages(int64_t bytes) { return (bytes + 8191) / 4096 * 4096; }

// Lets AddressSanitizer see when a memory is left by more than such a vector: the arena is one allocation.
void guard([[maybe_unused]] std::byte* memory, [[maybe_unused]] int64_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  constexpr int64_t kVector = 256;
  ASAN_POISON_MEMORY_REGION(memory + bytes + kVector, pages(bytes) - bytes - kVector);
#endif
}

}  // namespace

CoreBytes CoreBytes::of(const Target& target) {
  CoreBytes bytes;
  for (size_t i = 0; i < bytes.memory.size(); ++i) {
    const Loc loc = static_cast<Loc>(i);
    bytes.memory[i] = memory_bytes(target, loc) * (loc == Loc::kvec ? 1 : kCubeScale);
  }
  // A load to L1 may pass all of a tile, widened from one byte to four, and a store a few rows in up to three
  // types.
  bytes.scratch = std::max(kScratchBytes, 4 * std::max({target.l1_bytes, target.ub_bytes, target.l0c_bytes}));
  return bytes;
}

Core& Core::of_this_thread() {
  thread_local Core core;
  return core;
}

void Core::grow(const CoreBytes& needed) {
  CoreBytes wanted = needed;
  wanted.scratch = std::max(wanted.scratch, bytes_.scratch);
  for (size_t i = 0; i < wanted.memory.size(); ++i)
    wanted.memory[i] = std::max(wanted.memory[i], bytes_.memory[i]);
  const int64_t vector = wanted.memory[static_cast<int>(Loc::kvec)];
  int64_t total = pages(vector) + pages(wanted.scratch) + pages(kStripBytes);
  for (int64_t bytes : wanted.memory) total += pages(bytes);
  total = (total + kAlignment - 1) / kAlignment * kAlignment;
  auto* arena = static_cast<std::byte*>(std::aligned_alloc(kAlignment, total));
  if (!arena)
    throw Error(Code::kResourceExhausted,
                concat("[core] no memory for what is on chip; expected ", total, " bytes for each thread. ",
                       "Choose a target with smaller memories."));
#ifdef __linux__
  madvise(arena, total, MADV_HUGEPAGE);  // a wish; without it only speed suffers
#endif
  std::free(std::exchange(arena_, arena));
  bytes_ = wanted;
  std::byte* next = arena_;
  const auto take = [&](int64_t bytes) {
    guard(next, bytes);
    return std::exchange(next, next + pages(bytes));
  };
  for (size_t i = 0; i < wanted.memory.size(); ++i) memory[i] = take(wanted.memory[i]);
  vector_memory_[0] = memory[static_cast<int>(Loc::kvec)];
  vector_memory_[1] = take(vector);
  strips = take(kStripBytes);
  scratch = take(wanted.scratch);
}

Core::~Core() { std::free(arena_); }

}  // namespace ascend
