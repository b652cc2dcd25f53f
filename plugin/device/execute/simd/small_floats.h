// Element types below 16 bits, one byte of storage each: f8 and f4 formats, 4- and 2-bit integers.
//
// Each is decoded to f32 through a table of 256 values, computed by the compiler, and encoded by rounding the
// f32.
#pragma once
#include "plugin/device/execute/simd/lanes.h"

namespace ascend::SIMD_VARIANT {

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

struct Table {
  float values[256];
};

template <int kExponent, int kMantissa, int kBias, Special kSpecial>
struct SmallFloat {
  uint8_t bits;
  static constexpr bool kSmall = true, kIsInt = false;
  static constexpr int kWidth = 1 + kExponent + kMantissa;
  static constexpr unsigned kSign = 1u << (kWidth - 1), kAll = kSign - 1;
  static constexpr unsigned kInfinity = ((1u << kExponent) - 1) << kMantissa;
  static constexpr unsigned kLargest = kSpecial == Special::kIeee     ? kInfinity - 1
                                       : kSpecial == Special::kFinite ? kAll - 1
                                                                      : kAll;

  static constexpr Table decoded() {
    Table t{};
    for (unsigned code = 0; code < 256; ++code) {
      unsigned a = code & kAll, e = a >> kMantissa, m = a & ((1u << kMantissa) - 1);
      float x = e == 0 ? static_cast<float>(m) * power_of_two(1 - kBias - kMantissa)
                       : static_cast<float>(m + (1u << kMantissa)) *
                             power_of_two(static_cast<int>(e) - kBias - kMantissa);
      if (kSpecial == Special::kIeee && a == kInfinity) x = __builtin_inff();
      bool nan = kSpecial == Special::kUnsignedZero ? (code & (kSign | kAll)) == kSign
                                                    : kSpecial != Special::kNone && a > kLargest &&
                                                          !(kSpecial == Special::kIeee && a == kInfinity);
      if (nan) x = __builtin_nanf("");
      t.values[code] = code & kSign ? -x : x;
    }
    return t;
  }

  static uint8_t encode(float x) {
    uint32_t u;
    __builtin_memcpy(&u, &x, sizeof u);
    unsigned sign = u >> 31 ? kSign : 0;
    uint32_t a = u & 0x7fffffff;
    if (a > 0x7f800000) {
      if (kSpecial == Special::kUnsignedZero) return kSign;
      if (kSpecial == Special::kNone) return static_cast<uint8_t>(sign ^ kSign);
      return static_cast<uint8_t>(
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
      uint32_t half = (1u << (shift - 1)) - 1;
      code = (m + half + ((m >> shift) & 1)) >> shift;
      if (e >= least) code += static_cast<uint32_t>(e - least) << kMantissa;
    }
    if (code > kLargest) {
      if (kSpecial == Special::kUnsignedZero) return kSign;
      code = kSpecial == Special::kIeee ? kInfinity : kSpecial == Special::kFinite ? kAll : kLargest;
    }
    if (kSpecial == Special::kUnsignedZero && code == 0) sign = 0;
    return static_cast<uint8_t>(sign | code);
  }
};

// A power of two, all of whose bits are the exponent; 255 is NaN, as is what has no logarithm.
struct f8e8m0fnu {
  uint8_t bits;
  static constexpr bool kSmall = true, kIsInt = false;
  static constexpr Table decoded() {
    Table t{};
    for (int code = 0; code < 255; ++code) t.values[code] = power_of_two(code - 127);
    t.values[255] = __builtin_nanf("");
    return t;
  }
  static uint8_t encode(float x) {  // half-way goes up
    uint32_t u;
    __builtin_memcpy(&u, &x, sizeof u);
    if (u == 0 || u >= 0x7f800000) return 255;
    if (u < 0x00800000) return u > 0x00600000 - 1;
    uint32_t code = (u + 0x400000) >> 23;
    return static_cast<uint8_t>(code);
  }
};

// Integers of kWidth bits in the low bits of a byte; what is above them is not read and written as zero.
template <int kBits, bool kIsSigned>
struct SmallInt {
  uint8_t bits;
  static constexpr bool kSmall = true, kIsInt = true;
  static constexpr int kMask = (1 << kBits) - 1, kHighest = kIsSigned ? kMask >> 1 : kMask,
                       kLowest = kHighest - kMask;
  static constexpr Table decoded() {
    Table t{};
    for (int code = 0; code < 256; ++code) {
      int x = code & kMask;
      t.values[code] = static_cast<float>(x > kHighest ? x - kMask - 1 : x);
    }
    return t;
  }
  static uint8_t encode(float x) {  // towards zero, saturated
    int y = x != x ? 0 : x < kLowest ? kLowest : x > kHighest ? kHighest : static_cast<int>(x);
    return static_cast<uint8_t>(y & kMask);
  }
};

using f8e5m2 = SmallFloat<5, 2, 15, Special::kIeee>;
using f8e4m3 = SmallFloat<4, 3, 7, Special::kIeee>;
using f8e3m4 = SmallFloat<3, 4, 3, Special::kIeee>;
using f8e4m3fn = SmallFloat<4, 3, 7, Special::kFinite>;
using f8e4m3b11fnuz = SmallFloat<4, 3, 11, Special::kUnsignedZero>;
using f8e5m2fnuz = SmallFloat<5, 2, 16, Special::kUnsignedZero>;
using f8e4m3fnuz = SmallFloat<4, 3, 8, Special::kUnsignedZero>;
using f4e2m1fn = SmallFloat<2, 1, 1, Special::kNone>;
using i4 = SmallInt<4, true>;
using u4 = SmallInt<4, false>;
using i2 = SmallInt<2, true>;
using u2 = SmallInt<2, false>;

template <class T>
inline constexpr bool kIsSmall = requires { T::kSmall; };
template <class T>
inline constexpr Table kDecoded = T::decoded();

}  // namespace ascend::SIMD_VARIANT
