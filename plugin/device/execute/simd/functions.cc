// Transcendental functions, powers and remainders of floats: f32 in vectors, f16 and bf16 through f32, f64 by
// libm.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/functions_f32.h"

extern "C" {  // declared here since <cmath> would bring inline functions
float fmodf(float, float);
double exp(double);
double expm1(double);
double log(double);
double log1p(double);
double cbrt(double);
double sin(double);
double cos(double);
double tan(double);
double tanh(double);
double erf(double);
double erfc(double);
double pow(double, double);
double atan2(double, double);
double fmod(double, double);
}

namespace ascend::SIMD_VARIANT {

// A finite f32 is m 2^e with a 24-bit m. Of x * 2/pi only the bits below 4 matter: those of 2/pi from 2^(1 -
// e) on. 96 of them leave at least 70 bits of fraction.
void reduce_large(const float* xs, float* rest, int32_t* n) {
  static constexpr uint64_t kTwoOverPi[] = {0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
                                            0xfe5163abdebbc561, 0};
  using Wide = unsigned __int128;
  for (int lane = 0; lane < kLanes<float>; ++lane) {
    uint32_t bits = bits_as<uint32_t>(xs[lane]), exponent = bits >> 23 & 255;
    rest[lane] = xs[lane] - xs[lane];  // NaN for what is not finite
    n[lane] = 0;
    if (exponent == 255 || exponent < 140) continue;
    int e = static_cast<int>(exponent) - 150;  // -10 .. 104
    int first = e > 2 ? e - 2 : 0;             // bits of 2/pi to leave out: multiples of 4
    int word = first / 64, shift = first % 64;
    uint64_t a = kTwoOverPi[word], b = kTwoOverPi[word + 1], c = kTwoOverPi[word + 2];
    if (shift > 0) {
      a = a << shift | b >> (64 - shift);
      b = b << shift | c >> (64 - shift);
    }
    Wide window = (Wide{a} << 32) | (b >> 32);  // weight of its lowest bit: 2^-(first + 96)
    Wide product = window * ((bits & 0x7fffff) | 0x800000);
    int below = first + 96 - e;  // bits of fraction: 94, or up to 106 for small e
    uint32_t quarter = below < 128 ? static_cast<uint32_t>(product >> below) & 3 : 0;
    Wide fraction = product & ((Wide{1} << below) - 1);
    uint64_t top = static_cast<uint64_t>(below > 64 ? fraction >> (below - 64) : fraction);
    bool up = top >> 63;
    double part = static_cast<double>(static_cast<int64_t>(top)) * 0x1p-64;  // in [-1/2, 1/2)
    double angle = part * 0x1.921fb54442d18p+0;
    int32_t turns = static_cast<int32_t>(quarter + up) & 3;
    bool negative = bits >> 31;
    rest[lane] = static_cast<float>(negative ? -angle : angle);
    n[lane] = negative ? -turns : turns;
  }
}

namespace {

double logistic(double x) { return 1 / (1 + exp(-x)); }

template <F (*kFunction)(F)>
struct Vector1 : Heavy {
  template <class C>
  static ASCEND_INLINE F apply(F x) {
    return kFunction(x);
  }
};
struct Atan2 : Heavy {
  template <class C>
  static ASCEND_INLINE F apply(F y, F x) {
    return atan2_of(y, x);
  }
};
struct Pow : Heavy {
  template <class C>
  static ASCEND_INLINE D apply(D x, D y) {
    return pow_of(x, y);
  }
};
struct Rem : Heavy {
  template <class C>
  static ASCEND_INLINE F apply(F a, F b) {
    F r = remainder_near(a, b);
    auto near = absolute<float>(a) < 0x1p22f * absolute<float>(b);
    near &= absolute<float>(b) < __builtin_inff();
    near &= absolute<float>(b) > 0x1p-100f;
    if (reduce_lanes<int32_t>(near, [](int32_t p, int32_t q) { return p & q; }) == 0) [[unlikely]]
      for (int i = 0; i < kLanes<float>; ++i)
        if (near[i] == 0) r[i] = fmodf(a[i], b[i]);
    return r;
  }
};

template <F (*kFunction)(F)>
void row_f32(const Row& r) {
  map_row<Vector1<kFunction>, float, float>(r.dst, r.n, Stream<float, float>(r.src[0]));
}
// In all lanes: what the others hold must not take a slow way.
template <F (*kFunction)(F)>
float one(float x) {
  return kFunction(f(x))[0];
}
void row_pow(const Row& r) {
  map_row<Pow, double, float>(r.dst, r.n, Stream<double, float>(r.src[0]), Stream<double, float>(r.src[1]));
}

template <class C, C (*kFunction)(C)>
void each_unary(const Row& r) {
  auto* dst = reinterpret_cast<C*>(r.dst);
  auto* a = reinterpret_cast<const C*>(r.src[0]);
  for (int64_t i = 0; i < r.n; ++i) dst[i] = kFunction(a[i]);
}
template <class C, C (*kFunction)(C, C)>
void each_binary(const Row& r) {
  auto* dst = reinterpret_cast<C*>(r.dst);
  auto* a = reinterpret_cast<const C*>(r.src[0]);
  auto* b = reinterpret_cast<const C*>(r.src[1]);
  for (int64_t i = 0; i < r.n; ++i) dst[i] = kFunction(a[i], b[i]);
}

template <F (*kF32)(F), double (*kF64)(double)>
VectorBody unary(DType t) {
  switch (t) {
    case DType::kf32:
      return {&instruction<row_f32<kF32>, kSizes1<float>>, stages_of_one<Vector1<kF32>, float>(), &one<kF32>};
    case DType::kf64:
      return &instruction<each_unary<double, kF64>, kSizes1<double>>;
    case DType::kf16:
      return &instruction<row_through_f32<row_f32<kF32>, f16, 1>, kSizes1<f16>>;
    case DType::kbf16:
      return &instruction<row_through_f32<row_f32<kF32>, bf16, 1>, kSizes1<bf16>>;
    default:
      return nullptr;
  }
}
template <RowFn kF32, double (*kF64)(double, double)>
VectorBody binary(DType t) {
  switch (t) {
    case DType::kf32:
      return &instruction<kF32, kSizes2<float>>;
    case DType::kf64:
      return &instruction<each_binary<double, kF64>, kSizes2<double>>;
    case DType::kf16:
      return &instruction<row_through_f32<kF32, f16, 2>, kSizes2<f16>>;
    case DType::kbf16:
      return &instruction<row_through_f32<kF32, bf16, 2>, kSizes2<bf16>>;
    default:
      return nullptr;
  }
}

// x rem 0 is x; the least number rem -1 is 0.
template <class T>
T remainder_of(T x, T y) {
  if (y == 0) return x;
  if (kSigned<T> && y == T(-1)) return 0;
  return static_cast<T>(x % y);
}
// Wraps. To a negative power: 1 and -1 have one, all others give 0.
template <class T>
T power_of(T x, T y) {
  if (kSigned<T> && y < 0) return x == 1 ? T(1) : x == T(-1) ? (y & 1 ? T(-1) : T(1)) : T(0);
  Unsigned<T> base = static_cast<Unsigned<T>>(x), result = 1, n = static_cast<Unsigned<T>>(y);
  for (; n != 0; n = static_cast<Unsigned<T>>(n >> 1)) {
    if (n & 1) result = static_cast<Unsigned<T>>(uint64_t{result} * base);
    base = static_cast<Unsigned<T>>(uint64_t{base} * base);
  }
  return static_cast<T>(result);
}
template <class T, T (*kFunction)(T, T)>
VectorBody integers() {
  return &instruction<each_binary<T, kFunction>, kSizes2<T>>;
}

}  // namespace

VectorBody find_function(const VectorKey& key) {
  using enum Opcode;
  DType t = key.dst;
  switch (key.opcode) {
    case ktexp:
      return unary<exp_of, exp>(t);
    case ktexpm1:
      return unary<expm1_of, expm1>(t);
    case ktlog:
      return unary<log_of, log>(t);
    case ktlog1p:
      return unary<log1p_of, log1p>(t);
    case ktcbrt:
      return unary<cbrt_of, cbrt>(t);
    case ktsin:
      return unary<sin_of, sin>(t);
    case ktcos:
      return unary<cos_of, cos>(t);
    case kttan:
      return unary<tan_of, tan>(t);
    case kttanh:
      return unary<tanh_of, tanh>(t);
    case kterf:
      return unary<erf_of, erf>(t);
    case kterfc:
      return unary<erfc_of, erfc>(t);
    case ktlogistic:
      return unary<logistic_of, logistic>(t);
    case ktatan2:
      return binary<row_binary<Atan2, float>, atan2>(t);
    case ktpow:
      if (VectorBody f = binary<row_pow, pow>(t)) return f;
      return pick(t, []<class T>()
                    requires kInt<T>
                  { return integers<T, power_of<T>>(); });
    case ktrem:
      if (VectorBody f = binary<row_binary<Rem, float>, fmod>(t)) return f;
      return pick(t, []<class T>()
                    requires kInt<T>
                  { return integers<T, remainder_of<T>>(); });
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
