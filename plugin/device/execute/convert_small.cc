// Conversions from and to f8, f4, 4- and 2-bit types, element by element through f32.
//
// Nothing here is worth a SIMD variant. Wide numbers become f32 rounded to odd, so that rounding to the small
// type gives what rounding once would have given; between integers the low bits are kept.
#include "plugin/device/execute/convert_small.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "plugin/device/execute/small_floats.h"

namespace ascend {
namespace {

constexpr int64_t kChunk = 256;

struct Codec {  // n <= kChunk elements of a type to f32 or i64 and back
  int size;
  bool is_int, is_small;
  void (*to_f32)(const std::byte*, float*, int64_t);
  void (*from_f32)(std::byte*, const float*, int64_t);
  void (*to_i64)(const std::byte*, int64_t*, int64_t);
  void (*from_i64)(std::byte*, const int64_t*, int64_t);
};

// To f32, to odd: truncated, with the lowest bit set where anything was lost.
float odd(double x) {
  float y = static_cast<float>(x);
  double back = y;
  if (back == x || std::isnan(x)) return y;
  uint32_t u = std::bit_cast<uint32_t>(y);
  if (std::abs(back) > std::abs(x)) --u;  // an infinity becomes the largest number
  return std::bit_cast<float>(u | 1);
}
template <class T>
float odd_f32(T x) {
  if constexpr (sizeof(T) < 8 || std::is_same_v<T, double>) {
    return odd(static_cast<double>(x));
  } else {  // 52 high bits, the lowest a sticky one, are exact in f64
    bool negative = std::is_signed_v<T> && x < 0;
    uint64_t a = negative ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
    if (a >> 52) a = (a & ~uint64_t{0xfff}) | ((a & 0xfff) != 0 ? 0x1000 : 0);
    double d = static_cast<double>(a);
    return odd(negative ? -d : d);
  }
}
template <class T>
T saturated(float x) {
  if constexpr (std::is_same_v<T, bool>) {
    return x != 0;
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(x);
  } else {
    using Limits = std::numeric_limits<T>;
    constexpr double low = static_cast<double>(Limits::min());
    double y = std::trunc(static_cast<double>(x)), limit = std::ldexp(1.0, Limits::digits);
    if (std::isnan(y)) return 0;
    return y >= limit ? Limits::max() : y <= low ? Limits::min() : static_cast<T>(y);
  }
}

template <class T>
constexpr Codec native() {
  return {sizeof(T),
          !std::is_floating_point_v<T>,
          false,
          [](const std::byte* p, float* x, int64_t n) {
            auto* s = reinterpret_cast<const T*>(p);
            for (int64_t i = 0; i < n; ++i) x[i] = odd_f32(s[i]);
          },
          [](std::byte* p, const float* x, int64_t n) {
            auto* d = reinterpret_cast<T*>(p);
            for (int64_t i = 0; i < n; ++i) d[i] = saturated<T>(x[i]);
          },
          [](const std::byte* p, int64_t* x, int64_t n) {
            auto* s = reinterpret_cast<const T*>(p);
            for (int64_t i = 0; i < n; ++i) x[i] = static_cast<int64_t>(s[i]);
          },
          [](std::byte* p, const int64_t* x, int64_t n) {
            auto* d = reinterpret_cast<T*>(p);
            for (int64_t i = 0; i < n; ++i) d[i] = static_cast<T>(x[i]);
          }};
}
template <class T>
constexpr std::array<float, 256> decoded() {
  std::array<float, 256> values{};
  for (unsigned code = 0; code < 256; ++code) values[code] = T::decode(code);
  return values;
}
template <class T>
constexpr Codec coded(bool is_small = true) {
  return {sizeof(typename T::Storage),
          T::kIsInt,
          is_small,
          [](const std::byte* p, float* x, int64_t n) {
            auto* s = reinterpret_cast<const typename T::Storage*>(p);
            if constexpr (sizeof(typename T::Storage) == 1) {
              static constexpr std::array<float, 256> table = decoded<T>();
              for (int64_t i = 0; i < n; ++i) x[i] = table[s[i]];
            } else {
              for (int64_t i = 0; i < n; ++i) x[i] = T::decode(s[i]);
            }
          },
          [](std::byte* p, const float* x, int64_t n) {
            auto* d = reinterpret_cast<typename T::Storage*>(p);
            for (int64_t i = 0; i < n; ++i) d[i] = T::encode(x[i]);
          },
          [](const std::byte* p, int64_t* x, int64_t n) {
            for (int64_t i = 0; i < n; ++i)
              x[i] = static_cast<int64_t>(T::decode(static_cast<unsigned>(p[i])));
          },
          [](std::byte* p, const int64_t* x, int64_t n) {
            if constexpr (T::kIsInt)
              for (int64_t i = 0; i < n; ++i) p[i] = static_cast<std::byte>(x[i] & T::kMask);
          }};
}

template <DType kType>
constexpr Codec codec() {
  if constexpr (kType == DType::ki1) return native<bool>();
  if constexpr (kType == DType::ki8) return native<int8_t>();
  if constexpr (kType == DType::ki16) return native<int16_t>();
  if constexpr (kType == DType::ki32) return native<int32_t>();
  if constexpr (kType == DType::ki64) return native<int64_t>();
  if constexpr (kType == DType::ku8) return native<uint8_t>();
  if constexpr (kType == DType::ku16) return native<uint16_t>();
  if constexpr (kType == DType::ku32) return native<uint32_t>();
  if constexpr (kType == DType::ku64) return native<uint64_t>();
  if constexpr (kType == DType::kf32) return native<float>();
  if constexpr (kType == DType::kf64) return native<double>();
  if constexpr (kType == DType::kf16) return coded<F16>(false);
  if constexpr (kType == DType::kbf16) return coded<BF16>(false);
  if constexpr (kType == DType::kf8e5m2) return coded<F8e5m2>();
  if constexpr (kType == DType::kf8e4m3) return coded<F8e4m3>();
  if constexpr (kType == DType::kf8e3m4) return coded<F8e3m4>();
  if constexpr (kType == DType::kf8e4m3fn) return coded<F8e4m3fn>();
  if constexpr (kType == DType::kf8e4m3b11fnuz) return coded<F8e4m3b11fnuz>();
  if constexpr (kType == DType::kf8e5m2fnuz) return coded<F8e5m2fnuz>();
  if constexpr (kType == DType::kf8e4m3fnuz) return coded<F8e4m3fnuz>();
  if constexpr (kType == DType::kf8e8m0fnu) return coded<F8e8m0fnu>();
  if constexpr (kType == DType::kf4e2m1fn) return coded<F4e2m1fn>();
  if constexpr (kType == DType::ki4) return coded<SmallInt<4, true>>();
  if constexpr (kType == DType::ku4) return coded<SmallInt<4, false>>();
  if constexpr (kType == DType::ki2) return coded<SmallInt<2, true>>();
  if constexpr (kType == DType::ku2) return coded<SmallInt<2, false>>();
}

[[gnu::noinline]] void convert(const VectorArgs& a, const Codec& from, const Codec& to, bool to_bool,
                               RoundMode mode) {
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t c = 0; c < a.columns; c += kChunk) {
      int64_t n = std::min(kChunk, a.columns - c);
      const std::byte* src = a.src[0] + r * a.src_stride[0] + c * from.size;
      std::byte* dst = a.dst + r * a.dst_stride + c * to.size;
      if (from.is_int && to.is_int && !to_bool) {
        int64_t x[kChunk];
        from.to_i64(src, x, n);
        to.from_i64(dst, x, n);
        continue;
      }
      float x[kChunk];
      from.to_f32(src, x, n);
      if (to.is_int && !to_bool)
        for (int64_t i = 0; i < n; ++i)
          x[i] = mode == RoundMode::krint    ? std::nearbyint(x[i])
                 : mode == RoundMode::kfloor ? std::floor(x[i])
                 : mode == RoundMode::kceil  ? std::ceil(x[i])
                                             : x[i];
      to.from_f32(dst, x, n);
    }
}
template <DType kFrom, DType kTo, RoundMode kMode>
void convert_pair(const VectorArgs& a) {
  static constexpr Codec from = codec<kFrom>(), to = codec<kTo>();
  convert(a, from, to, kTo == DType::ki1, kMode);
}

constexpr DType kAll[] = {DType::ki1,         DType::ki8,         DType::ki16,
                          DType::ki32,        DType::ki64,        DType::ku8,
                          DType::ku16,        DType::ku32,        DType::ku64,
                          DType::kf16,        DType::kbf16,       DType::kf32,
                          DType::kf64,        DType::kf8e5m2,     DType::kf8e4m3,
                          DType::kf8e3m4,     DType::kf8e4m3fn,   DType::kf8e4m3b11fnuz,
                          DType::kf8e5m2fnuz, DType::kf8e4m3fnuz, DType::kf8e8m0fnu,
                          DType::kf4e2m1fn,   DType::ki4,         DType::ku4,
                          DType::ki2,         DType::ku2};
constexpr int kCount = std::size(kAll);
constexpr int kModes = 4;  // trunc is none

template <int kIndex>
constexpr VectorFn entry() {
  constexpr DType from = kAll[kIndex / kModes / kCount], to = kAll[kIndex / kModes % kCount];
  constexpr Codec s = codec<from>(), d = codec<to>();
  constexpr bool rounds = !s.is_int && d.is_int && to != DType::ki1;
  if constexpr (!s.is_small && !d.is_small)
    return nullptr;
  else
    return &convert_pair<from, to, static_cast<RoundMode>(rounds ? kIndex % kModes : 0)>;
}
template <int... kIndices>
constexpr std::array<VectorFn, sizeof...(kIndices)> entries(std::integer_sequence<int, kIndices...>) {
  return {entry<kIndices>()...};
}

}  // namespace

VectorFn find_small_conversion(const VectorKey& key) {
  static constexpr auto table = entries(std::make_integer_sequence<int, kCount * kCount * kModes>());
  if (key.opcode != Opcode::ktcvt) return nullptr;
  auto* from = std::find(std::begin(kAll), std::end(kAll), key.src);
  auto* to = std::find(std::begin(kAll), std::end(kAll), key.dst);
  if (from == std::end(kAll) || to == std::end(kAll)) return nullptr;
  return table[((from - kAll) * kCount + (to - kAll)) * kModes + key.mode % kModes];
}

}  // namespace ascend
