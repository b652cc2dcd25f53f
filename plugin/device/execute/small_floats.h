// Element types whose numbers are coded in 16 bits or less: f16, bf16, the f8 and f4 formats, 4- and 2-bit
// integers.
//
// A format is decoded to f32 by what it means and encoded by rounding the f32 to nearest, ties to even.
// Formats of up to eight bits take one byte of storage and are decoded through a table that the compiler
// computes.
#pragma once
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace ascend {

enum class Special {
  kIeee,          // infinities and NaNs in the largest exponent
  kFinite,        // fn: no infinities; all ones is NaN
  kUnsignedZero,  // fnuz: no infinities, no -0, whose code is NaN
  kNone,          // neither; out of range gives the largest number
};

constexpr float power_of_two(int e) {
  float x = 1;
  for (; e > 0; --e) x *= 2;
  for (; e < 0; ++e) x /= 2;
  return x;
}

template <int kExponent, int kMantissa, int kBias, Special kSpecial>
struct SmallFloat {
  using Storage = std::conditional_t < kExponent + kMantissa<8, uint8_t, uint16_t>;
  static constexpr bool kIsInt = false;
  static constexpr unsigned kSign = 1u << (kExponent + kMantissa), kAll = kSign - 1;
  static constexpr unsigned kInfinity = ((1u << kExponent) - 1) << kMantissa;
  static constexpr unsigned kLargest = kSpecial == Special::kIeee     ? kInfinity - 1
                                       : kSpecial == Special::kFinite ? kAll - 1
                                                                      : kAll;

  static constexpr float decode(unsigned code) {
    unsigned a = code & kAll, e = a >> kMantissa, m = a & ((1u << kMantissa) - 1);
    bool nan = kSpecial == Special::kUnsignedZero ? (code & (kSign | kAll)) == kSign
                                                  : kSpecial != Special::kNone && a > kLargest;
    if (kSpecial == Special::kIeee && a == kInfinity) nan = false;
    float x = nan                                            ? std::numeric_limits<float>::quiet_NaN()
              : kSpecial == Special::kIeee && a == kInfinity ? std::numeric_limits<float>::infinity()
              : e == 0 ? static_cast<float>(m) * power_of_two(1 - kBias) * power_of_two(-kMantissa)
                       : static_cast<float>(m + (1u << kMantissa)) *
                             power_of_two(static_cast<int>(e) - kBias - kMantissa);
    return code & kSign ? -x : x;
  }

  static Storage encode(float x) {
    uint32_t u = std::bit_cast<uint32_t>(x), a = u & 0x7fffffff;
    unsigned sign = u >> 31 ? kSign : 0;
    if (a > 0x7f800000) {
      if (kSpecial == Special::kUnsignedZero) return kSign;
      if (kSpecial == Special::kNone) return static_cast<Storage>(sign ^ kSign);
      return static_cast<Storage>(
          sign | (kSpecial == Special::kFinite ? kAll : kInfinity | (1u << (kMantissa - 1))));
    }
    constexpr int least = 1 - kBias;  // exponent of the smallest normal number
    int e = static_cast<int>(a >> 23) - 127;
    uint32_t m = a & 0x7fffff;
    if (e == -127)
      e = -126;
    else
      m |= 0x800000;
    int shift = 23 - kMantissa + (e < least ? least - e : 0);
    uint32_t code = 0;
    if (shift <= 25) {
      uint32_t below_half = (1u << (shift - 1)) - 1;
      code = (m + below_half + ((m >> shift) & 1)) >> shift;
      if (e > least) code += static_cast<uint32_t>(e - least) << kMantissa;
    }
    if (code > kLargest) {
      if (kSpecial == Special::kUnsignedZero) return kSign;
      code = kSpecial == Special::kIeee ? kInfinity : kSpecial == Special::kFinite ? kAll : kLargest;
    }
    if (kSpecial == Special::kUnsignedZero && code == 0) sign = 0;
    return static_cast<Storage>(sign | code);
  }
};

// A power of two, all of whose bits are the exponent; 255 is NaN, as is what has no logarithm.
struct F8e8m0fnu {
  using Storage = uint8_t;
  static constexpr bool kIsInt = false;
  static constexpr float decode(unsigned code) {
    return code == 255 ? std::numeric_limits<float>::quiet_NaN() : power_of_two(static_cast<int>(code) - 127);
  }
  static uint8_t encode(float x) {  // half-way goes up
    uint32_t u = std::bit_cast<uint32_t>(x);
    if (u == 0 || u >= 0x7f800000) return 255;
    if (u < 0x00800000) return u > 0x00400000;  // as ml_dtypes has it
    return static_cast<uint8_t>((u + 0x400000) >> 23);
  }
};

// Integers in the low bits of a byte; what is above them is not read, and written as zero.
template <int kBits, bool kIsSigned>
struct SmallInt {
  using Storage = uint8_t;
  static constexpr bool kIsInt = true;
  static constexpr int kMask = (1 << kBits) - 1, kHighest = kIsSigned ? kMask >> 1 : kMask,
                       kLowest = kHighest - kMask;
  static constexpr float decode(unsigned code) {
    int x = static_cast<int>(code) & kMask;
    return static_cast<float>(x > kHighest ? x - kMask - 1 : x);
  }
  static uint8_t encode(float x) {  // towards zero, saturated
    int y = x != x ? 0 : x < kLowest ? kLowest : x > kHighest ? kHighest : static_cast<int>(x);
    return static_cast<uint8_t>(y & kMask);
  }
};

using F16 = SmallFloat<5, 10, 15, Special::kIeee>;
using BF16 = SmallFloat<8, 7, 127, Special::kIeee>;
using F8e5m2 = SmallFloat<5, 2, 15, Special::kIeee>;
using F8e4m3 = SmallFloat<4, 3, 7, Special::kIeee>;
using F8e3m4 = SmallFloat<3, 4, 3, Special::kIeee>;
using F8e4m3fn = SmallFloat<4, 3, 7, Special::kFinite>;
using F8e4m3b11fnuz = SmallFloat<4, 3, 11, Special::kUnsignedZero>;
using F8e5m2fnuz = SmallFloat<5, 2, 16, Special::kUnsignedZero>;
using F8e4m3fnuz = SmallFloat<4, 3, 8, Special::kUnsignedZero>;
using F4e2m1fn = SmallFloat<2, 1, 1, Special::kNone>;

}  // namespace ascend
