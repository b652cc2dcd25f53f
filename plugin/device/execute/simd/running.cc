// Along each row: the column of its largest or smallest element, and running sums, products, maxima and
// minima.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/reduction.h"

namespace ascend::SIMD_VARIANT {
namespace {

// What elements are compared as: lanes wide enough for a column number.
template <class T>
struct Indexed {
  using C = Compute<T>;
};
template <>
struct Indexed<int8_t> {
  using C = int32_t;
};
template <>
struct Indexed<int16_t> {
  using C = int32_t;
};
template <>
struct Indexed<uint8_t> {
  using C = uint32_t;
};
template <>
struct Indexed<uint16_t> {
  using C = uint32_t;
};

// The best element of every lane and its column; ties and NaNs go to the lower column.
template <class T, bool kLargest>
void arg_rows(const VectorArgs& a) {
  using C = typename Indexed<T>::C;
  using B = Bits<C>;
  constexpr int N = kLanes<C>;
  auto better = [](Vec<C> x, Vec<C> best) {
    auto strictly = kLargest ? x > best : x < best;
    if constexpr (kFloat<C>)
      return (strictly | (x != x)) & (best == best);
    else
      return strictly;
  };
  for (int64_t r = 0; r < a.rows; ++r) {
    auto* src = reinterpret_cast<const T*>(a.src[0] + r * a.src_stride[0]);
    Vec<C> best = splat<C>(load_part<C>(src, 1)[0]);
    Vec<B> at = {}, column;
    for (int i = 0; i < N; ++i) column[i] = static_cast<B>(i);
    int64_t c = 0;
    for (; c < a.columns; c += N, column += static_cast<B>(N)) {
      Vec<C> x = c + N <= a.columns ? load<C>(src + c) : load_part<C>(src + c, a.columns - c);
      auto take = better(x, best);
      if (c + N > a.columns) take &= column < Vec<B>{} + static_cast<B>(a.columns);
      best = take ? x : best;
      at = take ? column : at;
    }
    C value = best[0];
    B index = at[0];
    for (int i = 1; i < N; ++i) {
      bool nan = value != value, other_nan = best[i] != best[i];
      bool wins = nan || other_nan
                      ? other_nan && (!nan || at[i] < index)
                      : (kLargest ? best[i] > value : best[i] < value) || (best[i] == value && at[i] < index);
      if (wins) value = best[i], index = at[i];
    }
    int32_t result = static_cast<int32_t>(index);
    __builtin_memcpy(a.dst + r * a.dst_stride, &result, sizeof result);
  }
}

// Float sums run in f64, so each is rounded once.
template <class T>
struct RunningType {
  using type = Compute<T>;
};
template <>
struct RunningType<float> {
  using type = double;
};
template <>
struct RunningType<f16> {
  using type = double;
};
template <>
struct RunningType<bf16> {
  using type = double;
};

template <Opcode kOpcode, class T>
void running(const VectorArgs& a) {
  using C = Compute<T>;
  using R = typename RunningType<T>::type;
  for (int64_t r = 0; r < a.rows; ++r) {
    const std::byte* src = a.src[0] + r * a.src_stride[0];
    std::byte* dst = a.dst + r * a.dst_stride;
    R sum = 0;
    C value = 0;
    for (int64_t c = 0; c < a.columns; ++c) {
      C x = load_one<T>(src + c * sizeof(T));
      if constexpr (kOpcode == Opcode::ktrowcumsum) {
        sum += static_cast<R>(x);
        value = static_cast<C>(sum);
      } else if constexpr (kOpcode == Opcode::ktrowcumprod) {
        value = c == 0 ? x : static_cast<C>(value * x);
      } else if constexpr (kOpcode == Opcode::ktrowcummax) {
        value = c == 0 || x > value || x != x ? x : value;
      } else {
        value = c == 0 || x < value || x != x ? x : value;
      }
      store_one<T>(dst + c * sizeof(T), value);
      if (kFloat<C> && kOpcode != Opcode::ktrowcumsum && value != value) {
        for (++c; c < a.columns; ++c) store_one<T>(dst + c * sizeof(T), value);
      }
    }
  }
}

template <Opcode kOpcode>
VectorBody cumulative(DType t) {
  constexpr bool wraps = kOpcode == Opcode::ktrowcumsum || kOpcode == Opcode::ktrowcumprod;
  return pick(wraps ? signless(t) : t, []<class T>()
                requires(!kIsBool<T> && (!wraps || kFloat<Compute<T>> || !kSigned<Compute<T>>))
              { return VectorBody(&running<kOpcode, T>); });
}
template <bool kLargest>
VectorBody arg(DType t) {
  return pick(t == DType::ki1 ? DType::ku8 : t, []<class T>()
                requires(!kIsBool<T>)
              { return VectorBody(&arg_rows<T, kLargest>); });
}

}  // namespace

VectorBody find_running(const VectorKey& key) {
  using enum Opcode;
  switch (key.opcode) {
    case ktrowargmax:
      return arg<true>(key.src);
    case ktrowargmin:
      return arg<false>(key.src);
    case ktrowcumsum:
      return cumulative<ktrowcumsum>(key.dst);
    case ktrowcumprod:
      return cumulative<ktrowcumprod>(key.dst);
    case ktrowcummax:
      return cumulative<ktrowcummax>(key.dst);
    case ktrowcummin:
      return cumulative<ktrowcummin>(key.dst);
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
