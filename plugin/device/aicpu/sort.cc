// sort: n operands together along one dimension, by keys in order of significance. top_k: the first of each
// row.
#include <algorithm>
#include <array>

#include "plugin/device/aicpu/kernels.h"
#include "plugin/device/aicpu/lines.h"
#include "plugin/device/aicpu/order.h"

namespace ascend::aicpu {
namespace {

constexpr int64_t kMostOperands = 1 << 20;  // far beyond use

// ints: n, rank, shape..., dimension, stable, dtype per operand, number of keys, (operand, descending, total)
// per key.
struct SortInts {
  int64_t operands, rank;
  Ints shape;
  int64_t dimension;
  Ints dtypes, keys;

  explicit SortInts(Ints ints) : operands(ints[0]), rank(ints[1]), shape(ints.subspan(2, rank)) {
    dimension = ints[2 + rank];
    dtypes = ints.subspan(4 + rank, operands);
    keys = ints.subspan(5 + rank + operands);
  }
};

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

void sort(const RunContext& context, Slots slots, Ints ints) {
  const SortInts s(ints);
  if (std::find(s.shape.begin(), s.shape.end(), 0) != s.shape.end()) return;  // other extents may be huge
  int64_t outer = 1, inner = 1;
  for (int64_t d = 0; d < s.dimension; ++d) outer *= s.shape[d];
  for (int64_t d = s.dimension + 1; d < s.rank; ++d) inner *= s.shape[d];
  const int64_t count = s.shape[s.dimension], key_count = s.keys.size() / 3;
  for_each_line(context, outer * inner, count, [&](int64_t number) {
    const int64_t first = number / inner * count * inner + number % inner;
    uint64_t* keys = scratch<uint64_t, 3>(count * key_count);
    uint32_t* order = scratch<uint32_t, 4>(count);
    std::byte* line = scratch<std::byte, 5>(count * 16);
    int bytes = 0;
    for (int64_t k = 0; k < key_count; ++k) {
      const int64_t operand = s.keys[3 * k];
      const auto dtype = static_cast<DType>(s.dtypes[operand]);
      const KeyType type = key_type(dtype);
      const int size = dtype_bytes(dtype);
      bytes = type.bytes;
      read_keys(type, s.keys[3 * k + 2] != 0, s.keys[3 * k + 1] != 0,
                slots[s.operands + operand] + first * size, inner * size, count, keys + k * count);
    }
    if (key_count == 1)
      sort_by_keys(keys, bytes, count, order);
    else
      sort_by_several(keys, key_count, count, order);
    for (int64_t n = 0; n < s.operands; ++n) {  // a result may be its operand's storage
      const int size = dtype_bytes(static_cast<DType>(s.dtypes[n]));
      collect(size, line, slots[s.operands + n] + first * size, inner * size, count);
      permute(size, slots[n] + first * size, inner * size, line, order, count);
    }
  });
}

size_t verify_sort(Bytes slot_bytes, Ints ints) {
  IntReader r("sort", ints);
  const int64_t operands = r.take(1, kMostOperands, "the number of operands"),
                rank = r.take(1, 64, "the rank");
  for (int64_t d = 0; d < rank; ++d) r.take(0, INT64_MAX, "an extent");
  const Ints shape = ints.subspan(2, rank);
  const int64_t dimension = r.take(0, rank - 1, "the dimension");
  if (shape[dimension] > UINT32_MAX) r.fail("the dimension has more than 2^32 elements");
  r.take(0, 1, "stable");
  for (int64_t n = 0; n < operands; ++n) {
    const int64_t bytes = r.size(shape, dtype_bytes(r.dtype("an element type")));
    r.slot(slot_bytes, n, bytes);
    r.slot(slot_bytes, operands + n, bytes);
  }
  const int64_t keys = r.take(1, 4 * operands, "the number of keys");  // more would say nothing new
  for (int64_t k = 0; k < keys; ++k) {
    key_type(static_cast<DType>(ints[4 + rank + r.take(0, operands - 1, "the operand of a key")]));
    r.take(0, 1, "descending");
    r.take(0, 1, "total order");
  }
  r.finish();
  return static_cast<size_t>(operands);
}

// ints: dtype, rows, columns, k, largest.
void top_k(const RunContext& context, Slots slots, Ints ints) {
  const auto dtype = static_cast<DType>(ints[0]);
  const int64_t rows = ints[1], columns = ints[2], k = ints[3], size = dtype_bytes(dtype);
  if (k == 0) return;  // of any number of rows
  const KeyType type = key_type(dtype);
  for_each_line(context, rows, columns, [&](int64_t r) {
    uint64_t* keys = scratch<uint64_t, 3>(columns);
    uint32_t* order = scratch<uint32_t, 4>(columns);
    const std::byte* row = slots[2] + r * columns * size;
    read_keys(type, true, ints[4] != 0, row, size, columns, keys);
    first_by_keys(keys, type.bytes, columns, k, order);
    permute(static_cast<int>(size), slots[0] + r * k * size, size, row, order, k);
    std::memcpy(slots[1] + r * k * 4, order, k * 4);
  });
}

size_t verify_top_k(Bytes slot_bytes, Ints ints) {
  IntReader r("top_k", ints);
  const DType dtype = r.dtype("the element type");
  key_type(dtype);
  const int64_t rows = r.take(0, INT64_MAX, "rows"), columns = r.take(0, INT32_MAX, "columns");
  const int64_t k = r.take(0, columns, "k");
  r.take(0, 1, "largest");
  r.finish();
  r.slot(slot_bytes, 0, r.size(std::array{rows, k}, dtype_bytes(dtype)));
  r.slot(slot_bytes, 1, r.size(std::array{rows, k}, 4));
  r.slot(slot_bytes, 2, r.size(std::array{rows, columns}, dtype_bytes(dtype)));
  return 2;
}

}  // namespace ascend::aicpu
