#include "plugin/device/execute/element_rows.h"

#include <cstring>

#include "plugin/device/execute/scalar_arithmetic.h"

namespace ascend {
namespace {

template <class Index, bool kSkipNegative, class F>
int64_t each_place(const ElementRow& r, int64_t bytes, F&& f) {
  const auto* offsets = static_cast<const Index*>(r.offsets);
  for (int64_t i = 0; i < r.count; ++i) {
    Index offset;
    std::memcpy(&offset, offsets + i, sizeof offset);
    if (kSkipNegative && offset < 0) continue;
    int64_t element;
    if (__builtin_add_overflow(r.origin, static_cast<int64_t>(offset), &element) ||
        static_cast<uint64_t>(element) >= static_cast<uint64_t>(r.size))
      return i;
    f(r.argument + element * bytes, r.row + i * bytes);
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
    T old, term;
    std::memcpy(&old, place, sizeof old);
    std::memcpy(&term, own, sizeof term);
    old = F::apply(old, term);
    std::memcpy(place, &old, sizeof old);
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
