// tcvt between native element types; those below a byte and f8 are in convert_small.cc.
//
// A conversion is one to three row bodies through a hub: f32 for floats and short integers, f64 for f64, i32
// or i64 between integers. Where the hub is wider than the result but narrower than the source (f64, i32, i64
// to f16, bf16 and below) the step into f32 rounds to odd, so that the second rounding gives what one would
// have given.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/forms.h"
#include "plugin/device/execute/simd/reduction.h"

namespace ascend::SIMD_VARIANT {
namespace {

struct Identity : Heavy {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return x;
  }
};
struct Stored : Light {  // of a type that is computed in as it is
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    return x;
  }
};
struct NotZero : Heavy {
  template <class C>
  static ASCEND_INLINE auto apply(Vec<C> x) {
    return x != 0;
  }
};
template <RoundMode kMode>
struct Integral : Heavy {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> x) {
    if constexpr (kMode == RoundMode::kfloor) return down<C>(x);
    if constexpr (kMode == RoundMode::kceil) return up<C>(x);
    return nearest<C>(x);
  }
};
template <class C, RoundMode kMode>
void round_row(const Row& r) {
  map_row<Integral<kMode>, C, C>(r.dst, r.n, Stream<C, C>(r.src[0]));
}

// S to R in lanes of C.
template <class S, class C, class R>
void cast(const Row& r) {
  map_row<Identity, C, R>(r.dst, r.n, Stream<C, S>(r.src[0]));
}
template <class S>
void is_nonzero(const Row& r) {
  map_row<NotZero, Compute<S>, mask>(r.dst, r.n, Stream<Compute<S>, S>(r.src[0]));
}
// f32 to an integer of at most 32 bits: truncated, saturated, NaN to 0.
template <class R>
struct Saturate : Heavy {
  template <class>
  static ASCEND_INLINE I apply(F x) {
    x = x == x ? x : F{};
    if constexpr (sizeof(R) < 4) {
      constexpr float low = kSigned<R> ? -(1 << (8 * sizeof(R) - 1)) : 0,
                      high = low + ((1 << (8 * sizeof(R))) - 1);
      x = x < low ? F{} + low : x;
      x = x > high ? F{} + high : x;
      return __builtin_convertvector(x, I);
    } else if constexpr (kSigned<R>) {
      x = x < -0x1p31f ? F{} - 0x1p31f : x;
      I y = __builtin_convertvector(x < 0x1p31f ? x : F{}, I);
      return x < 0x1p31f ? y : I{} + INT32_MAX;
    } else {
      x = x < 0 ? F{} : x;
      I low = __builtin_convertvector(x < 0x1p31f ? x : F{}, I);
      F above = x - 0x1p31f;
      I high = __builtin_convertvector((above >= 0) & (above < 0x1p31f) ? above : F{}, I) ^ INT32_MIN;
      I y = x < 0x1p31f ? low : high;
      return x < 0x1p32f ? y : ~I{};
    }
  }
};
template <class R>
void saturate(const Row& r) {
  map_row<Saturate<R>, float, R>(r.dst, r.n, Stream<float, float>(r.src[0]));
}
// f32 or f64 to any integer, one by one.
template <class S, class R>
void saturate_each(const Row& r) {
  constexpr int width = 8 * sizeof(R) - (kSigned<R> ? 1 : 0);
  constexpr double low = kSigned<R> ? -2.0 * (uint64_t{1} << (width - 1)) : 0,
                   limit = 2.0 * (uint64_t{1} << (width - 1));
  auto* src = reinterpret_cast<const S*>(r.src[0]);
  auto* dst = reinterpret_cast<R*>(r.dst);
  for (int64_t i = 0; i < r.n; ++i) {
    double x = __builtin_trunc(static_cast<double>(src[i]));
    dst[i] = x != x ? R(0) : x >= limit ? greatest<R>() : x <= low ? least<R>() : static_cast<R>(x);
  }
}

// To f32, to odd: truncated, with the lowest bit set where anything was lost.
float odd(double x) {
  float y = static_cast<float>(x);
  double back = y;
  if (back == x || x != x) return y;
  uint32_t u = bits_as<uint32_t>(y);
  if (__builtin_fabs(back) > __builtin_fabs(x)) --u;  // an infinity becomes the largest number
  return bits_as<float>(u | 1);
}
template <class S>
void to_odd(const Row& r) {
  auto* src = reinterpret_cast<const S*>(r.src[0]);
  auto* dst = reinterpret_cast<float*>(r.dst);
  for (int64_t i = 0; i < r.n; ++i) {
    if constexpr (sizeof(S) == 8 && !kSame<S, double>) {
      // 40 high bits and a sticky one are exact in f64.
      bool negative = kSigned<S> && src[i] < 0;
      uint64_t magnitude = negative ? 0 - static_cast<uint64_t>(src[i]) : static_cast<uint64_t>(src[i]);
      if (magnitude >> 52)
        magnitude = (magnitude & ~uint64_t{0xfff}) | ((magnitude & 0xfff) != 0 ? 0x1000 : 0);
      double x = static_cast<double>(magnitude);
      dst[i] = odd(negative ? -x : x);
    } else {
      dst[i] = odd(static_cast<double>(src[i]));
    }
  }
}

// ---- which bodies
// ---------------------------------------------------------------------------------------------

struct Steps {
  RowFn body[3] = {};
  int size[4] = {};  // bytes per element before the first and after each
  int count = 0;

  constexpr Steps then(RowFn f, int bytes) const {
    Steps s = *this;
    s.body[s.count++] = f;
    s.size[s.count] = bytes;
    return s;
  }
};

void run_steps(const Row& r, const Steps& steps) {
  constexpr int64_t chunk = 512;
  alignas(64) std::byte hub[2][chunk * 8];
  for (int64_t i = 0; i < r.n; i += chunk) {
    int64_t n = r.n - i < chunk ? r.n - i : chunk;
    const std::byte* from = r.src[0] + i * steps.size[0];
    for (int k = 0; k < steps.count; ++k) {
      std::byte* to = k == steps.count - 1 ? r.dst + i * steps.size[k + 1] : hub[k % 2];
      steps.body[k](Row{to, {from, nullptr, nullptr}, n, r.args});
      from = to;
    }
  }
}

template <class T>
inline constexpr int kWidth = 8 * sizeof(T);

// S as f32, exact or (i32 and above, f64) to odd.
template <class S>
constexpr Steps into_f32() {
  Steps s{.size = {sizeof(S)}};
  if constexpr (kSame<S, float>)
    return s;
  else if constexpr (kIsBool<S>)
    return s.then(cast<uint8_t, float, float>, 4);
  else if constexpr (kHalf<S> || kWidth<S> <= 16)
    return s.then(cast<S, float, float>, 4);
  else
    return s.then(to_odd<S>, 4);
}
// f32, rounded to an integer already if R is one, as R.
template <class R>
constexpr Steps out_of_f32(Steps s) {
  if constexpr (kSame<R, float>)
    return s;
  else if constexpr (kSame<R, double>)
    return s.then(cast<float, double, double>, 8);
  else if constexpr (kHalf<R>)
    return s.then(cast<float, float, R>, 2);
  else if constexpr (kWidth<R> == 64)
    return s.then(saturate_each<float, R>, 8);
  else
    return s.then(saturate<R>, sizeof(R));
}
// Between integers the bits decide: through the hub H, unless a type is as wide as the hub.
template <class S, class R, class H>
constexpr Steps through_hub(Steps s) {
  if constexpr (sizeof(S) == sizeof(H))
    return s.then(cast<Unsigned<S>, Unsigned<H>, Unsigned<R>>, sizeof(R));
  else if constexpr (sizeof(R) == sizeof(H))
    return s.then(cast<S, H, H>, sizeof(H));
  else
    return s.then(cast<S, H, H>, sizeof(H)).then(cast<Unsigned<H>, Unsigned<H>, Unsigned<R>>, sizeof(R));
}

template <class S, class R, RoundMode kMode>
constexpr Steps steps() {
  Steps s{.size = {sizeof(S)}};
  constexpr bool from_int = !kFloat<Compute<S>>, to_int = !kFloat<Compute<R>>;
  if constexpr (kSame<R, i1>) {
    if constexpr (kInt<S>)
      return s.then(is_nonzero<Unsigned<S>>, 1);
    else
      return s.then(is_nonzero<S>, 1);
  } else if constexpr (kSame<S, R>) {
    if constexpr (sizeof(S) == 1)
      return s.then(cast<uint8_t, uint8_t, uint8_t>, 1);
    else if constexpr (sizeof(S) == 2)
      return s.then(cast<uint16_t, uint16_t, uint16_t>, 2);
    else if constexpr (sizeof(S) == 4)
      return s.then(cast<uint32_t, uint32_t, uint32_t>, 4);
    else
      return s.then(cast<uint64_t, uint64_t, uint64_t>, 8);
  } else if constexpr (from_int && to_int) {
    using N = Compute<S>;
    if constexpr (sizeof(N) == 8 || sizeof(R) == 8)
      return through_hub<N, R, int64_t>(s);
    else
      return through_hub<N, R, int32_t>(s);
  } else if constexpr (from_int) {
    if constexpr (kInt<S> && (kSame<R, float> || kSame<R, double>))
      return s.then(cast<S, R, R>, sizeof(R));
    else
      return out_of_f32<R>(into_f32<S>());
  } else if constexpr (kSame<S, double>) {
    if constexpr (to_int) {
      if constexpr (kMode == RoundMode::knone)
        return s.then(saturate_each<double, R>, sizeof(R));
      else
        return s.then(round_row<double, kMode>, 8).then(saturate_each<double, R>, sizeof(R));
    } else if constexpr (kSame<R, float>) {
      return s.then(cast<double, double, float>, 4);
    } else {
      return out_of_f32<R>(into_f32<double>());
    }
  } else if constexpr (to_int && kMode != RoundMode::knone) {
    return out_of_f32<R>(into_f32<S>().then(round_row<float, kMode>, 4));
  } else {
    return out_of_f32<R>(into_f32<S>());
  }
}

template <class S, class R, RoundMode kMode>
void stepped(const Row& r) {
  static constexpr Steps s = steps<S, R, kMode>();
  run_steps(r, s);
}
template <class S, class R, RoundMode kMode>
VectorBody conversion() {
  if constexpr ((kHalf<S> && kSame<R, float>) || (kSame<S, float> && kHalf<R>))
    return {&instruction<row_unary<Stored, S, R>, kSizes1<S, R>>,
            make_stages<S, float, R>(operate<Stored, float, InRegister>, nullptr, nullptr)};
  constexpr Steps s = steps<S, R, kMode>();
  constexpr Sizes sizes{sizeof(R), {sizeof(S), 0, 0}, kLanes<float>};
  if constexpr (s.count == 1)
    return &instruction<s.body[0], sizes>;
  else
    return &instruction<stepped<S, R, kMode>, sizes>;
}

}  // namespace

VectorBody find_convert(const VectorKey& key) {
  if (key.opcode != Opcode::ktcvt) return nullptr;
  auto mode = static_cast<RoundMode>(key.mode);
  return pick(key.src, [&]<class S>() {
    return pick(key.dst, [&]<class R>() {
      if constexpr (kFloat<Compute<S>> && kInt<R>) {
        if (mode == RoundMode::krint) return conversion<S, R, RoundMode::krint>();
        if (mode == RoundMode::kfloor) return conversion<S, R, RoundMode::kfloor>();
        if (mode == RoundMode::kceil) return conversion<S, R, RoundMode::kceil>();
      }
      return conversion<S, R, RoundMode::knone>();
    });
  });
}

}  // namespace ascend::SIMD_VARIANT
