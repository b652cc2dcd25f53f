// The AICPU kernels, and how each reads its static integers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "isa.gen.h"
#include "plugin/device/run_context.h"

namespace ascend::aicpu {

using Slots = std::span<std::byte* const>;
using Ints = std::span<const int64_t>;
using Bytes = std::span<const int64_t>;

// A verifier returns how many slots its kernel writes, the first ones.
void sort(const RunContext& context, Slots slots, Ints ints);
size_t verify_sort(Bytes slot_bytes, Ints ints);
void top_k(const RunContext& context, Slots slots, Ints ints);
size_t verify_top_k(Bytes slot_bytes, Ints ints);

// Takes static integers one after the other while verifying; throws Error with the kernel's name.
class IntReader {
 public:
  IntReader(const char* kernel, Ints ints) : kernel_(kernel), ints_(ints) {}

  int64_t take(int64_t low, int64_t high, const char* what);
  DType dtype(const char* what);
  void finish() const;
  [[noreturn]] void fail(const std::string& message) const;
  // The product of extents times `unit`, refused where it leaves 2^62.
  int64_t size(std::span<const int64_t> extents, int64_t unit) const;
  void slot(Bytes slot_bytes, size_t number, int64_t needed) const;

 private:
  const char* kernel_;
  Ints ints_;
  size_t next_ = 0;
};

}  // namespace ascend::aicpu
