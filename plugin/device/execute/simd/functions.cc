// Transcendental functions, powers and remainders.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/forms.h"

extern "C" {
float expf(float);
float expm1f(float);
float logf(float);
float log1pf(float);
float cbrtf(float);
float sinf(float);
float cosf(float);
float tanf(float);
float tanhf(float);
float erff(float);
float powf(float, float);
float atan2f(float, float);
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
double pow(double, double);
double atan2(double, double);
double fmod(double, double);
}

namespace ascend::SIMD_VARIANT {
namespace {

double logistic(double x) { return 1 / (1 + exp(-x)); }
float logisticf(float x) { return static_cast<float>(1 / (1 + exp(-static_cast<double>(x)))); }

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

template <RowFn kF32, RowFn kF64>
VectorFn unary(DType t) {
  switch (t) {
    case DType::kf32:
      return &instruction<kF32, kSizes1<float>>;
    case DType::kf64:
      return &instruction<kF64, kSizes1<double>>;
    case DType::kf16:
      return &instruction<row_through_f32<kF32, f16, 1>, kSizes1<f16>>;
    case DType::kbf16:
      return &instruction<row_through_f32<kF32, bf16, 1>, kSizes1<bf16>>;
    default:
      return nullptr;
  }
}
template <RowFn kF32, RowFn kF64>
VectorFn binary(DType t) {
  switch (t) {
    case DType::kf32:
      return &instruction<kF32, kSizes2<float>>;
    case DType::kf64:
      return &instruction<kF64, kSizes2<double>>;
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

}  // namespace

VectorFn find_function(const VectorKey& key) {
  using enum Opcode;
  DType t = key.dst;
  switch (key.opcode) {
    case ktexp:
      return unary<each_unary<float, expf>, each_unary<double, exp>>(t);
    case ktexpm1:
      return unary<each_unary<float, expm1f>, each_unary<double, expm1>>(t);
    case ktlog:
      return unary<each_unary<float, logf>, each_unary<double, log>>(t);
    case ktlog1p:
      return unary<each_unary<float, log1pf>, each_unary<double, log1p>>(t);
    case ktcbrt:
      return unary<each_unary<float, cbrtf>, each_unary<double, cbrt>>(t);
    case ktsin:
      return unary<each_unary<float, sinf>, each_unary<double, sin>>(t);
    case ktcos:
      return unary<each_unary<float, cosf>, each_unary<double, cos>>(t);
    case kttan:
      return unary<each_unary<float, tanf>, each_unary<double, tan>>(t);
    case kttanh:
      return unary<each_unary<float, tanhf>, each_unary<double, tanh>>(t);
    case kterf:
      return unary<each_unary<float, erff>, each_unary<double, erf>>(t);
    case ktlogistic:
      return unary<each_unary<float, logisticf>, each_unary<double, logistic>>(t);
    case ktatan2:
      return binary<each_binary<float, atan2f>, each_binary<double, atan2>>(t);
    case ktpow:
      if (VectorFn f = binary<each_binary<float, powf>, each_binary<double, pow>>(t)) return f;
      return pick(t, []<class T>()
                    requires(kInt<T>)
                  { return VectorFn(&instruction<each_binary<T, power_of<T>>, kSizes2<T>>); });
    case ktrem:
      if (VectorFn f = binary<each_binary<float, fmodf>, each_binary<double, fmod>>(t)) return f;
      return pick(t, []<class T>()
                    requires(kInt<T>)
                  { return VectorFn(&instruction<each_binary<T, remainder_of<T>>, kSizes2<T>>); });
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
