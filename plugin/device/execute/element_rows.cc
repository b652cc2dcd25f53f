#include "plugin/device/execute/element_rows.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "plugin/device/execute/scalar_arithmetic.h"

namespace ascend {
namespace {

constexpr int64_t kAtOnce = 2048;  // offsets: they are in the nearest cache when they are used

template <class T>
T load(const void* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// Whether all offsets are from 0 to `last`. Wherever one is not, it or what it lacks to `last` is negative.
template <class Index>
bool all_inside(const Index* offsets, int64_t n, Index last) {
  using Word = std::make_unsigned_t<Index>;
  constexpr int64_t kLanes = 16 / sizeof(Word);  // what every CPU of the portable variant has
  typedef Word Words __attribute__((vector_size(16)));
  Words signs{};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Words w;
    std::memcpy(&w, offsets + i, sizeof w);
    signs |= w | (static_cast<Word>(last) - w);
  }
  Word sign = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) sign |= signs[lane];
  for (; i < n; ++i) {
    const auto w = static_cast<Word>(load<Index>(offsets + i));
    sign |= w | (static_cast<Word>(last) - w);
  }
  return static_cast<Index>(sign) >= 0;
}

// Offsets are looked at before any is used: a loop that tests each one is about twice as long.
template <class Index, bool kSkipNegative, class F>
int64_t each_place(ElementRow r, int64_t bytes, F&& f) {  // by value: what f writes is not in it
  const auto* offsets = static_cast<const Index*>(r.offsets);
  const bool begins = r.origin >= 0 && r.origin < r.size;
  std::byte* const base = begins ? r.argument + r.origin * bytes : nullptr;
  const auto last =
      begins ? static_cast<Index>(std::min<int64_t>(r.size - 1 - r.origin, std::numeric_limits<Index>::max()))
             : Index{0};
  for (int64_t from = 0; from < r.count; from += kAtOnce) {
    const int64_t to = std::min(from + kAtOnce, r.count);
    if (begins && all_inside(offsets + from, to - from, last)) {
#pragma GCC unroll 8
      for (int64_t i = from; i < to; ++i)
        f(base + static_cast<int64_t>(load<Index>(offsets + i)) * bytes, r.row + i * bytes);
      continue;
    }
    for (int64_t i = from; i < to; ++i) {
      const auto offset = static_cast<int64_t>(load<Index>(offsets + i));
      if (kSkipNegative && offset < 0) continue;
      int64_t element;
      if (__builtin_add_overflow(r.origin, offset, &element) ||
          static_cast<uint64_t>(element) >= static_cast<uint64_t>(r.size))
        return i;
      f(r.argument + element * bytes, r.row + i * bytes);
    }
  }
  return r.count;
}

template <class T, class Index>
int64_t gather(const ElementRow& r) {
  return each_place<Index, false>(
      r, sizeof(T), [](std::byte* place, std::byte* own) { std::memcpy(own, place, sizeof(T)); });
}

template <class T, class Index>
int64_t assign(const ElementRow& r) {
  return each_place<Index, true>(
      r, sizeof(T), [](std::byte* place, const std::byte* own) { std::memcpy(place, own, sizeof(T)); });
}

template <class T, class F, class Index>
int64_t update(const ElementRow& r) {
  return each_place<Index, true>(r, sizeof(T), [](std::byte* place, const std::byte* own) {
    const T result = F::apply(load<T>(place), load<T>(own));
    std::memcpy(place, &result, sizeof result);
  });
}

template <class T, class F>
ElementRowFn update(DType index) {
  return index == DType::ki32 ? &update<T, F, int32_t> : &update<T, F, int64_t>;
}

template <class T>
ElementRowFn update(AtomicMode mode, DType index) {
  switch (mode) {
    case AtomicMode::kadd:
      return update<T, scalar::Add>(index);
    case AtomicMode::kmul:
      return update<T, scalar::Mul>(index);
    case AtomicMode::kmax:
      return update<T, scalar::Max>(index);
    case AtomicMode::kmin:
      return update<T, scalar::Min>(index);
    default:
      break;
  }
  if constexpr (std::is_integral_v<T>) {
    if (mode == AtomicMode::kand) return update<T, scalar::And>(index);
    if (mode == AtomicMode::kor) return update<T, scalar::Or>(index);
  }
  return nullptr;
}

template <class F>
ElementRowFn by_size(int bytes, F&& f) {
  switch (bytes) {
    case 1:
      return f(uint8_t());
    case 2:
      return f(uint16_t());
    case 4:
      return f(uint32_t());
    case 8:
      return f(uint64_t());
    case 16:
      struct Pair {
        uint64_t words[2];
      };
      return f(Pair());
    default:
      return nullptr;
  }
}

}  // namespace

ElementRowFn find_gather(int element_bytes, DType index) {
  return by_size(element_bytes, [&]<class T>(T) -> ElementRowFn {
    return index == DType::ki32 ? &gather<T, int32_t> : &gather<T, int64_t>;
  });
}

ElementRowFn find_scatter(AtomicMode mode, DType dtype, DType index) {
  if (mode == AtomicMode::knone) {
    return by_size(dtype_bytes(dtype), [&]<class T>(T) -> ElementRowFn {
      return index == DType::ki32 ? &assign<T, int32_t> : &assign<T, int64_t>;
    });
  }
  switch (dtype) {
    case DType::ki8:
      return update<int8_t>(mode, index);
    case DType::ki16:
      return update<int16_t>(mode, index);
    case DType::ki32:
      return update<int32_t>(mode, index);
    case DType::ki64:
      return update<int64_t>(mode, index);
    case DType::ku8:
      return update<uint8_t>(mode, index);
    case DType::ku16:
      return update<uint16_t>(mode, index);
    case DType::ku32:
      return update<uint32_t>(mode, index);
    case DType::ku64:
      return update<uint64_t>(mode, index);
    case DType::kf32:
      return update<float>(mode, index);
    case DType::kf64:
      return update<double>(mode, index);
    default:
      return nullptr;
  }
}

}  // namespace ascend
