#include "plugin/device/execute/simd/rows.h"

namespace ascend::SIMD_VARIANT {
namespace {

constexpr int64_t kPacked = 256;  // elements packed at a time

template <class T>
void copy_rows(std::byte* dst, int64_t dst_stride, const std::byte* src, int64_t src_stride, int64_t rows,
               int64_t columns) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      __builtin_memcpy(dst + r * dst_stride + c * sizeof(T), src + r * src_stride + c * sizeof(T), sizeof(T));
}

void copy_rows(int size, std::byte* dst, int64_t dst_stride, const std::byte* src, int64_t src_stride,
               int64_t rows, int64_t columns) {
  switch (size) {
    case 1:
      return copy_rows<uint8_t>(dst, dst_stride, src, src_stride, rows, columns);
    case 2:
      return copy_rows<uint16_t>(dst, dst_stride, src, src_stride, rows, columns);
    case 4:
      return copy_rows<uint32_t>(dst, dst_stride, src, src_stride, rows, columns);
    default:
      return copy_rows<uint64_t>(dst, dst_stride, src, src_stride, rows, columns);
  }
}

// Copies up to 64 bytes in two pieces that overlap.
ASCEND_INLINE void copy_few(std::byte* dst, const std::byte* src, int64_t bytes) {
  const auto ends = [&](auto piece) {
    decltype(piece) first, last;
    __builtin_memcpy(&first, src, sizeof piece);
    __builtin_memcpy(&last, src + bytes - sizeof piece, sizeof piece);
    __builtin_memcpy(dst, &first, sizeof piece);
    __builtin_memcpy(dst + bytes - sizeof piece, &last, sizeof piece);
  };
  struct Half {
    uint64_t words[4];
  };
  struct Quarter {
    uint64_t words[2];
  };
  if (bytes >= 32) return ends(Half{});
  if (bytes >= 16) return ends(Quarter{});
  if (bytes >= 8) return ends(uint64_t{});
  if (bytes >= 4) return ends(uint32_t{});
  if (bytes >= 2) return ends(uint16_t{});
  if (bytes == 1) *dst = *src;
}

// One row of less than a vector, as an instruction on a few elements has; sources as of run_packed.
void run_narrow(const VectorArgs& a, RowFn body, const Sizes& sizes, unsigned repeated, unsigned untouched) {
  alignas(64) std::byte packed[4][512];
  Row row{packed[3], {nullptr, nullptr, nullptr}, sizes.lanes, &a};
  for (int k = 0; k < 3; ++k) {
    if (sizes.src[k] == 0) continue;
    row.src[k] = untouched >> k & 1 ? a.src[k] : packed[k];
    if (row.src[k] != packed[k]) continue;
    struct alignas(64) Block {
      uint64_t words[8];
    };
    for (int64_t i = 0; i < sizes.lanes * sizes.src[k]; i += sizeof(Block))
      *reinterpret_cast<Block*>(packed[k] + i) = {};
    if (repeated >> k & 1) {
      for (int64_t c = 0; c < a.columns; ++c) copy_few(packed[k] + c * sizes.src[k], a.src[k], sizes.src[k]);
    } else {
      copy_few(packed[k], a.src[k], a.columns * sizes.src[k]);
    }
  }
  body(row);
  copy_few(a.dst, packed[3], a.columns * sizes.dst);
}

// Packs narrow rows side by side, runs the body on many at once and spreads its result. Bit k of `repeated`
// says that source k has one element per row, which is written once per column.
void run_packed(const VectorArgs& a, RowFn body, const Sizes& sizes, unsigned repeated, unsigned untouched) {
  int widest = sizes.dst;
  for (int size : sizes.src) widest = size > widest ? size : widest;
  if (a.rows == 1 && a.columns * widest <= 64) return run_narrow(a, body, sizes, repeated, untouched);
  alignas(64) std::byte packed[4][kPacked * 8];
  int64_t at_once = kPacked / a.columns;
  for (int64_t r = 0; r < a.rows; r += at_once) {
    int64_t rows = a.rows - r < at_once ? a.rows - r : at_once;
    int64_t n = rows * a.columns;
    Row row{packed[3], {nullptr, nullptr, nullptr}, n < sizes.lanes ? sizes.lanes : n, &a};
    for (int k = 0; k < 3; ++k) {
      if (sizes.src[k] == 0) continue;
      const std::byte* src = a.src[k] + r * a.src_stride[k];
      row.src[k] = packed[k];
      if (untouched >> k & 1) {
        row.src[k] = a.src[k];
      } else if (repeated >> k & 1) {
        for (int64_t c = 0; c < a.columns; ++c)
          copy_rows(sizes.src[k], packed[k] + c * sizes.src[k], a.columns * sizes.src[k], src,
                    a.src_stride[k], rows, 1);
      } else {
        copy_rows(sizes.src[k], packed[k], a.columns * sizes.src[k], src, a.src_stride[k], rows, a.columns);
      }
      if (n < sizes.lanes && row.src[k] == packed[k])
        __builtin_memset(packed[k] + n * sizes.src[k], 0, (sizes.lanes - n) * sizes.src[k]);
    }
    body(row);
    copy_rows(sizes.dst, a.dst + r * a.dst_stride, a.dst_stride, packed[3], a.columns * sizes.dst, rows,
              a.columns);
  }
}

// Rows from one to the next without a gap, in every operand but those of bit set `except`.
bool contiguous(const VectorArgs& a, const Sizes& sizes, unsigned except) {
  bool yes = a.dst_stride == a.columns * sizes.dst;
  for (int k = 0; k < 3; ++k)
    yes &= sizes.src[k] == 0 || (except >> k & 1) || a.src_stride[k] == a.columns * sizes.src[k];
  return yes;
}

void each_row(const VectorArgs& a, RowFn body) {
  Row row{a.dst, {a.src[0], a.src[1], a.src[2]}, a.columns, &a};
  for (int64_t r = 0; r < a.rows; ++r) {
    body(row);
    row.dst += a.dst_stride;
    for (int k = 0; k < 3; ++k) row.src[k] += a.src_stride[k];
  }
}

}  // namespace

void run_rows(const VectorArgs& a, RowFn body, const Sizes& sizes) {
  if (a.rows <= 0 || a.columns <= 0) return;
  if (a.rows > 1 && contiguous(a, sizes, 0) && a.rows * a.columns >= sizes.lanes)
    body(Row{a.dst, {a.src[0], a.src[1], a.src[2]}, a.rows * a.columns, &a});
  else if (a.columns < sizes.lanes)
    run_packed(a, body, sizes, 0, 0);
  else
    each_row(a, body);
}

void run_rows_splat(const VectorArgs& a, RowFn splat, RowFn full, const Sizes& sizes) {
  if (a.rows <= 0 || a.columns <= 0) return;
  bool one = a.src_stride[1] == 0;
  if (a.rows > 1 && one && contiguous(a, sizes, 2) && a.rows * a.columns >= sizes.lanes)
    splat(Row{a.dst, {a.src[0], a.src[1], a.src[2]}, a.rows * a.columns, &a});
  else if (a.columns < sizes.lanes)
    run_packed(a, one ? splat : full, sizes, one ? 0 : 2, one ? 2 : 0);
  else
    each_row(a, splat);
}

}  // namespace ascend::SIMD_VARIANT
