// scatter: windows of updates assigned to, or combined with, the places of the operand that indices name.
//
// A window that does not lie inside the operand as a whole changes nothing. Windows are applied in order.
#include <array>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "plugin/device/aicpu/kernels.h"
#include "plugin/device/execute/small_floats.h"
#include "plugin/error.h"

namespace ascend::aicpu {
namespace {

enum class Combine { kAssign, kAdd, kMul, kMin, kMax, kAnd, kOr };
constexpr int kMostDimensions = 64;

// ints: dtype, index dtype, combine, rank, shape..., B, d, the d dimensions indexed..., number of window
// dimensions, (operand dimension, extent) per window dimension.
struct ScatterInts {
  DType dtype, index_dtype;
  Combine combine;
  int64_t rank;
  Ints shape;
  int64_t count, indexed;
  Ints dimensions;
  int64_t windows;
  Ints window;  // pairs

  explicit ScatterInts(Ints v)
      : dtype(static_cast<DType>(v[0])),
        index_dtype(static_cast<DType>(v[1])),
        combine(static_cast<Combine>(v[2])),
        rank(v[3]),
        shape(v.subspan(4, rank)),
        count(v[4 + rank]),
        indexed(v[5 + rank]),
        dimensions(v.subspan(6 + rank, indexed)),
        windows(v[6 + rank + indexed]),
        window(v.subspan(7 + rank + indexed, 2 * windows)) {}
};

template <Combine kCombine, class T>
T combined(T a, T b) {
  if constexpr (kCombine == Combine::kAdd) {
    if constexpr (std::is_same_v<T, bool>)
      return a || b;
    else if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
    else
      return a + b;
  } else if constexpr (kCombine == Combine::kMul) {
    if constexpr (std::is_same_v<T, bool>)
      return a && b;
    else if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    else
      return a * b;
  } else if constexpr (kCombine == Combine::kMin) {
    return a != a ? a : b < a || b != b ? b : a;
  } else if constexpr (kCombine == Combine::kMax) {
    return a != a ? a : b > a || b != b ? b : a;
  } else if constexpr (std::is_integral_v<T>) {
    return kCombine == Combine::kAnd ? a & b : a | b;
  } else {
    return b;
  }
}

// One element: `Storage` in memory, computed as T.
template <Combine kCombine, class T>
void combine_row(std::byte* dst, int64_t stride, const std::byte* src, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    T a, b;
    std::memcpy(&a, dst + i * stride, sizeof a);
    std::memcpy(&b, src + i * sizeof b, sizeof b);
    a = combined<kCombine, T>(a, b);
    std::memcpy(dst + i * stride, &a, sizeof a);
  }
}
template <Combine kCombine, class Format>
void combine_coded(std::byte* dst, int64_t stride, const std::byte* src, int64_t n) {
  using S = typename Format::Storage;
  for (int64_t i = 0; i < n; ++i) {
    S a, b;
    std::memcpy(&a, dst + i * stride, sizeof a);
    std::memcpy(&b, src + i * sizeof b, sizeof b);
    a = Format::encode(combined<kCombine, float>(Format::decode(a), Format::decode(b)));
    std::memcpy(dst + i * stride, &a, sizeof a);
  }
}
template <int kSize>
void assign_row(std::byte* dst, int64_t stride, const std::byte* src, int64_t n) {
  if (stride == kSize) {
    std::memcpy(dst, src, n * kSize);
  } else {
    for (int64_t i = 0; i < n; ++i) std::memcpy(dst + i * stride, src + i * kSize, kSize);
  }
}

using RowFn = void (*)(std::byte* dst, int64_t stride, const std::byte* src, int64_t n);

template <Combine kCombine>
RowFn row_function(DType t) {
  switch (t) {
    case DType::ki1:
      return combine_row<kCombine, bool>;
    case DType::ki8:
      return combine_row<kCombine, int8_t>;
    case DType::ki16:
      return combine_row<kCombine, int16_t>;
    case DType::ki32:
      return combine_row<kCombine, int32_t>;
    case DType::ki64:
      return combine_row<kCombine, int64_t>;
    case DType::ku8:
      return combine_row<kCombine, uint8_t>;
    case DType::ku16:
      return combine_row<kCombine, uint16_t>;
    case DType::ku32:
      return combine_row<kCombine, uint32_t>;
    case DType::ku64:
      return combine_row<kCombine, uint64_t>;
    default:
      break;
  }
  if (kCombine == Combine::kAnd || kCombine == Combine::kOr) return nullptr;
  switch (t) {
    case DType::kf16:
      return combine_coded<kCombine, F16>;
    case DType::kbf16:
      return combine_coded<kCombine, BF16>;
    case DType::kf32:
      return combine_row<kCombine, float>;
    case DType::kf64:
      return combine_row<kCombine, double>;
    default:
      return nullptr;
  }
}

RowFn row_function(Combine combine, DType t) {
  switch (combine) {
    case Combine::kAssign:
      switch (dtype_bytes(t)) {
        case 1:
          return assign_row<1>;
        case 2:
          return assign_row<2>;
        case 4:
          return assign_row<4>;
        case 8:
          return assign_row<8>;
        default:
          return assign_row<16>;
      }
    case Combine::kAdd:
      return row_function<Combine::kAdd>(t);
    case Combine::kMul:
      return row_function<Combine::kMul>(t);
    case Combine::kMin:
      return row_function<Combine::kMin>(t);
    case Combine::kMax:
      return row_function<Combine::kMax>(t);
    case Combine::kAnd:
      return row_function<Combine::kAnd>(t);
    case Combine::kOr:
      return row_function<Combine::kOr>(t);
  }
  return nullptr;
}

}  // namespace

void scatter(Slots slots, Ints ints) {
  const ScatterInts s(ints);
  const int64_t size = dtype_bytes(s.dtype);
  std::array<int64_t, kMostDimensions> stride, window_stride, extent, at, reach;
  int64_t elements = 1;
  for (int64_t d = s.rank - 1; d >= 0; --d) {
    stride[d] = elements;
    elements *= s.shape[d];
    reach[d] = 1;
  }
  if (slots[0] != slots[1]) std::memcpy(slots[0], slots[1], elements * size);
  int64_t window_elements = 1;
  for (int64_t w = 0; w < s.windows; ++w) {
    window_stride[w] = stride[s.window[2 * w]];
    extent[w] = s.window[2 * w + 1];
    reach[s.window[2 * w]] = extent[w];
    window_elements *= extent[w];
  }
  if (window_elements == 0 || elements == 0) return;
  // The innermost dimension of the window is a row of updates; the others are counted through in `at`.
  const int64_t outer = s.windows - 1, row = s.windows > 0 ? extent[outer] : 1;
  const int64_t row_stride = (s.windows > 0 ? window_stride[outer] : 1) * size;
  const RowFn apply = row_function(s.combine, s.dtype);
  const std::byte* update = slots[3];
  for (int64_t b = 0; b < s.count; ++b, update += window_elements * size) {
    int64_t offset = 0;
    bool inside = true;
    for (int64_t k = 0; k < s.indexed; ++k) {
      const int64_t number = b * s.indexed + k, d = s.dimensions[k];
      int64_t index;
      if (s.index_dtype == DType::ki64) {
        std::memcpy(&index, slots[2] + number * 8, 8);
      } else {
        int32_t narrow;
        std::memcpy(&narrow, slots[2] + number * 4, 4);
        index = narrow;
      }
      inside &= index >= 0 && index <= s.shape[d] - reach[d];
      offset += inside ? index * stride[d] : 0;
    }
    if (!inside) continue;
    at.fill(0);
    const std::byte* from = update;
    for (;;) {
      apply(slots[0] + offset * size, row_stride, from, row);
      from += row * size;
      int64_t w = outer - 1;
      for (; w >= 0; --w) {
        offset += window_stride[w];
        if (++at[w] < extent[w]) break;
        offset -= extent[w] * window_stride[w];
        at[w] = 0;
      }
      if (w < 0) break;
    }
  }
}

void verify_scatter(Bytes slot_bytes, Ints ints) {
  IntReader r("scatter", ints);
  const DType dtype = r.dtype("the element type"), index = r.dtype("the index type");
  if (index != DType::ki32 && index != DType::ki64) r.fail("indices are i32 or i64");
  const auto combine = static_cast<Combine>(r.take(0, 6, "the combination"));
  if (row_function(combine, dtype) == nullptr)
    r.fail(std::string("does not combine elements of ") + dtype_name(dtype));
  const int64_t rank = r.take(0, kMostDimensions, "the rank");
  std::array<int64_t, kMostDimensions> reach;
  for (int64_t d = 0; d < rank; ++d) {
    r.take(0, INT64_MAX, "an extent");
    reach[d] = 1;
  }
  const Ints shape = ints.subspan(4, rank);
  const int64_t count = r.take(0, INT64_MAX, "the number of windows"),
                indexed = r.take(0, rank, "indexed dimensions");
  uint64_t seen = 0;
  for (int64_t k = 0; k < indexed; ++k) {
    const int64_t d = r.take(0, rank - 1, "an indexed dimension");
    if (seen >> d & 1) r.fail("indexes dimension " + std::to_string(d) + " twice");
    seen |= uint64_t{1} << d;
  }
  const int64_t windows = r.take(0, rank, "window dimensions");
  uint64_t in_window = 0;
  int64_t update_bytes = r.size(std::array{count}, dtype_bytes(dtype));
  for (int64_t w = 0; w < windows; ++w) {
    const int64_t d = r.take(0, rank - 1, "a window dimension");
    if (in_window >> d & 1) r.fail("names window dimension " + std::to_string(d) + " twice");
    in_window |= uint64_t{1} << d;
    reach[d] = r.take(0, shape[d], "the extent of a window");
    update_bytes = update_bytes == 0 ? 0 : r.size(std::array{reach[d]}, update_bytes);
  }
  r.finish();
  const int64_t bytes = r.size(shape, dtype_bytes(dtype));
  r.slot(slot_bytes, 0, bytes);
  r.slot(slot_bytes, 1, bytes);
  r.slot(slot_bytes, 2, r.size(std::array{count, indexed}, dtype_bytes(index)));
  r.slot(slot_bytes, 3, update_bytes);
}

}  // namespace ascend::aicpu
