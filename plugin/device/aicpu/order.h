// Elements as unsigned integers of the same order, and sorting by such keys.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "isa.gen.h"
#include "plugin/device/execute/small_floats.h"

namespace ascend::aicpu {

// How an element type is compared: the order of floats has NaN last; -0 equals +0 and all NaNs are equal
// unless `total`, which orders by sign bit: -NaN, -inf, ..., -0, +0, ..., inf, NaN.
enum class KeyKind { kUnsigned, kSigned, kFloat, kDecoded };

struct KeyType {
  KeyKind kind;
  int bytes;
  int mantissa = 0;                          // kFloat
  float (*decode)(unsigned code) = nullptr;  // kDecoded: through f32
};

KeyType key_type(DType t);  // throws Error for types without an order

// Reads `count` elements `stride` bytes apart as keys; `descending` inverts them.
void read_keys(const KeyType& type, bool total, bool descending, const std::byte* src, int64_t stride,
               int64_t count, uint64_t* keys);

// Sorts numbers 0..count-1 by one key each, equal keys by number; the result is in `order`. Scratch memory is
// kept by the thread.
void sort_by_keys(const uint64_t* keys, int key_bytes, int64_t count, uint32_t* order);

// The same for the first k of the order alone.
void first_by_keys(const uint64_t* keys, int key_bytes, int64_t count, int64_t k, uint32_t* order);

// An array kept by the thread from call to call, so that launches do not allocate.
template <class T, int kPurpose>
T* scratch(int64_t count) {
  thread_local std::vector<T> memory;
  if (memory.size() < static_cast<size_t>(count)) memory.resize(count);
  return memory.data();
}

}  // namespace ascend::aicpu
