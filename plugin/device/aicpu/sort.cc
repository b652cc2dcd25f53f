// sort: n operands together along one dimension, by keys in order of significance. top_k: the first of each
// row.
#include <algorithm>
#include <array>

#include "plugin/device/aicpu/kernels.h"
#include "plugin/device/aicpu/lines.h"
#include "plugin/device/aicpu/order.h"

namespace ascend::aicpu {
namespace {

constexpr size_t kMostOperands = 1 << 20, kMostRank = 64;  // far beyond use

void permute(int size, std::byte* dst, int64_t stride, const std::byte* line, const uint32_t* order,
             int64_t count) {
  const auto each = [&]<class T>(T) {
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(dst + i * stride, line + int64_t{order[i]} * size, sizeof(T));
  };
  switch (size) {
    case 1:
      return each(uint8_t{});
    case 2:
      return each(uint16_t{});
    case 4:
      return each(uint32_t{});
    case 8:
      return each(uint64_t{});
    default:
      return each(std::array<uint64_t, 2>{});
  }
}

void collect(int size, std::byte* line, const std::byte* src, int64_t stride, int64_t count) {
  if (stride == size)
    std::memcpy(line, src, count * size);
  else
    for (int64_t i = 0; i < count; ++i) std::memcpy(line + i * size, src + i * stride, size);
}

// The order of a line by several keys: numbers compared key by key.
void sort_by_several(const uint64_t* keys, int64_t key_count, int64_t count, uint32_t* order) {
  for (int64_t i = 0; i < count; ++i) order[i] = static_cast<uint32_t>(i);
  std::sort(order, order + count, [=](uint32_t a, uint32_t b) {
    for (int64_t k = 0; k < key_count; ++k) {
      const uint64_t x = keys[k * count + a], y = keys[k * count + b];
      if (x != y) return x < y;
    }
    return a < b;
  });
}

}  // namespace

void run(const RunContext& context, const SortParameters& s, Slots slots) {
  if (std::find(s.shape.begin(), s.shape.end(), 0) != s.shape.end()) return;  // other extents may be huge
  int64_t outer = 1, inner = 1;
  const size_t operands = s.dtypes.size(), key_count = s.keys.size(),
               dimension = static_cast<size_t>(s.dimension);
  for (size_t d = 0; d < dimension; ++d) outer *= s.shape[d];
  for (size_t d = dimension + 1; d < s.shape.size(); ++d) inner *= s.shape[d];
  const int64_t count = s.shape[dimension];
  for_each_line(context, outer * inner, count, [&](int64_t number) {
    const int64_t first = number / inner * count * inner + number % inner;
    uint64_t* keys = scratch<uint64_t, 3>(count * key_count);
    uint32_t* order = scratch<uint32_t, 4>(count);
    std::byte* line = scratch<std::byte, 5>(count * 16);
    int bytes = 0;
    for (size_t k = 0; k < key_count; ++k) {
      const auto operand = static_cast<size_t>(s.keys[k]);
      const KeyType type = key_type(s.dtypes[operand]);
      const int size = dtype_bytes(s.dtypes[operand]);
      bytes = type.bytes;
      read_keys(type, s.total_order[k], s.descending[k], slots[operands + operand] + first * size,
                inner * size, count, keys + k * count);
    }
    if (key_count == 1)
      sort_by_keys(keys, bytes, count, order);
    else
      sort_by_several(keys, key_count, count, order);
    for (size_t n = 0; n < operands; ++n) {  // a result may be its operand's storage
      const int size = dtype_bytes(s.dtypes[n]);
      collect(size, line, slots[operands + n] + first * size, inner * size, count);
      permute(size, slots[n] + first * size, inner * size, line, order, count);
    }
  });
}

void verify(const SortParameters& s, Bytes slot_bytes) {
  const size_t operands = s.dtypes.size(), rank = s.shape.size();
  if (operands < 1 || operands > kMostOperands)
    fail(s.kOp, "sorts " + std::to_string(operands) + " operands; expected 1 to 2^20");
  if (rank < 1 || rank > kMostRank) fail(s.kOp, "the rank is " + std::to_string(rank) + "; expected 1 to 64");
  if (s.dimension >= static_cast<int64_t>(rank))
    fail(s.kOp,
         "the dimension is " + std::to_string(s.dimension) + "; expected less than " + std::to_string(rank));
  if (s.shape[s.dimension] > UINT32_MAX) fail(s.kOp, "the dimension has more than 2^32 elements");
  for (size_t n = 0; n < operands; ++n) {
    const int64_t bytes = size(s.kOp, s.shape, dtype_bytes(s.dtypes[n]));
    need(s.kOp, slot_bytes, n, bytes);
    need(s.kOp, slot_bytes, operands + n, bytes);
  }
  const size_t keys = s.keys.size();
  if (keys < 1 || keys > 4 * operands)  // more would say nothing new
    fail(s.kOp, "has " + std::to_string(keys) + " keys; expected 1 to four per operand");
  if (s.descending.size() != keys || s.total_order.size() != keys)
    fail(s.kOp, "descending and total_order; expected one for each of " + std::to_string(keys) + " keys");
  for (int64_t key : s.keys) {
    if (key >= static_cast<int64_t>(operands)) fail(s.kOp, "a key is operand " + std::to_string(key));
    key_type(s.dtypes[key]);
  }
}

void run(const RunContext& context, const TopKParameters& p, Slots slots) {
  if (p.k == 0) return;  // of any number of rows
  const int64_t size = dtype_bytes(p.dtype), columns = p.columns, k = p.k;
  const KeyType type = key_type(p.dtype);
  for_each_line(context, p.rows, columns, [&](int64_t r) {
    uint64_t* keys = scratch<uint64_t, 3>(columns);
    uint32_t* order = scratch<uint32_t, 4>(columns);
    const std::byte* row = slots[2] + r * columns * size;
    read_keys(type, true, p.largest, row, size, columns, keys);
    first_by_keys(keys, type.bytes, columns, k, order);
    permute(static_cast<int>(size), slots[0] + r * k * size, size, row, order, k);
    std::memcpy(slots[1] + r * k * 4, order, k * 4);
  });
}

void verify(const TopKParameters& p, Bytes slot_bytes) {
  key_type(p.dtype);
  if (p.k > p.columns)
    fail(p.kOp, "k is " + std::to_string(p.k) + " of " + std::to_string(p.columns) + " columns");
  need(p.kOp, slot_bytes, 0, size(p.kOp, std::array{p.rows, p.k}, dtype_bytes(p.dtype)));
  need(p.kOp, slot_bytes, 1, size(p.kOp, std::array{p.rows, p.k}, 4));
  need(p.kOp, slot_bytes, 2, size(p.kOp, std::array{p.rows, p.columns}, dtype_bytes(p.dtype)));
}

}  // namespace ascend::aicpu
