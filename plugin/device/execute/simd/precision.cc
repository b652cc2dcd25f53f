// treduceprecision: rounding to another floating-point format, on the bits.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/rows.h"

namespace ascend::SIMD_VARIANT {
namespace {

// U holds the bits of a float with kExponent and kMantissa bits; param is the format to round to. Ties go to
// even; what is too large becomes infinite, what is below the format's normal numbers zero; NaN stays, but is
// infinite in a format without a mantissa.
template <class U, int kExponent, int kMantissa>
void reduce_precision(const Row& r) {
  constexpr U one = 1, sign = one << (kExponent + kMantissa), infinity = sign - (one << kMantissa);
  const int64_t exponent = r.args->param[0], mantissa = r.args->param[1];
  const int drop = mantissa < kMantissa ? static_cast<int>(kMantissa - mantissa) : 0;
  const U half = drop ? static_cast<U>((one << (drop - 1)) - 1) : U{0};
  const U odd = drop ? one : U{0}, kept = static_cast<U>(~((one << drop) - 1));
  const bool narrow = exponent < kExponent;
  const U bias = (one << (kExponent - 1)) - 1,
          reduced = narrow ? static_cast<U>((one << (exponent - 1)) - 1) : bias;
  const U largest = narrow ? static_cast<U>((bias + reduced) << kMantissa) : infinity;
  const U below = narrow ? static_cast<U>((bias - reduced) << kMantissa) : U{0};
  auto* src = reinterpret_cast<const U*>(r.src[0]);
  auto* dst = reinterpret_cast<U*>(r.dst);
  for (int64_t i = 0; i < r.n; ++i) {
    const U x = src[i], size = x & static_cast<U>(~sign);
    const U rounded = static_cast<U>(size + half + (static_cast<U>(size >> drop) & odd)) & kept;
    const U field = rounded & infinity;
    U y = field > largest ? infinity : rounded;
    y = narrow && field <= below ? U{0} : y;
    const U other = mantissa ? size : infinity;
    dst[i] = static_cast<U>((size > infinity ? other : y) | (x & sign));
  }
}

template <class T, class U, int kExponent, int kMantissa>
constexpr VectorBody precision = &instruction<reduce_precision<U, kExponent, kMantissa>, kSizes1<T>>;

}  // namespace

VectorBody find_precision(const VectorKey& key) {
  if (key.opcode != Opcode::ktreduceprecision) return nullptr;
  switch (key.dst) {
    case DType::kf16:
      return precision<f16, uint16_t, 5, 10>;
    case DType::kbf16:
      return precision<bf16, uint16_t, 8, 7>;
    case DType::kf32:
      return precision<float, uint32_t, 8, 23>;
    case DType::kf64:
      return precision<double, uint64_t, 11, 52>;
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
