// Elementary functions of f32 vectors. Error bounds stand in docs/numerics.md.
//
// The coefficients are those that fit_coefficients.py, next to this file, prints. Special values are those of
// C99, and every function is right for subnormals; a NaN gives a NaN.
#pragma once
#include "plugin/device/execute/simd/forms.h"

namespace ascend::SIMD_VARIANT {

// c[0] + c[1] x + ...
template <class V>
ASCEND_INLINE V polynomial(V x, auto... c) {
  using C = __typeof__(x[0] + 0);
  constexpr int n = sizeof...(c);
  const C coefficients[n] = {static_cast<C>(c)...};
  V y = V{} + coefficients[n - 1];
#pragma GCC unroll 16
  for (int i = n - 2; i >= 0; --i) y = madd(y, x, V{} + coefficients[i]);
  return y;
}

// An integer n as float and as int.
struct Rounded {
  F value;
  I biased;  // n + 127 in the low bits

  // Defined, and without meaning, for |x| >= 2^21 too: unsigned arithmetic wraps.
  ASCEND_INLINE I integer() const { return bits_as<I>(bits_as<U>(biased) - 0x4b40007fu); }
  ASCEND_INLINE F power() const { return bits_as<F>(biased << 23); }  // 2^n for -126 <= n <= 127
};
// x rounded to an integer, for |x| < 2^21: the low bits of x + 1.5 * 2^23.
inline constexpr float kShift = 0x1.8p23f + 127;
ASCEND_INLINE Rounded rounded_from(F shifted) { return {shifted - kShift, bits_as<I>(shifted)}; }
ASCEND_INLINE Rounded rounded(F x) { return rounded_from(x + kShift); }
ASCEND_INLINE Rounded rounded_product(F x, float y) { return rounded_from(madd(x, f(y), f(kShift))); }
// 2^n for -126 <= n <= 127.
ASCEND_INLINE F power_of_two(I n) { return bits_as<F>((n + 127) << 23); }

// x * 2^n for |n| < 254; 2^n itself need not be a normal number.
ASCEND_INLINE F scaled(F x, Rounded n) {
#if defined(__AVX512F__)
  return __builtin_ia32_scalefps512_mask(x, n.value, F{}, 0xffff, 4);
#else
  I half = n.integer() >> 1;
  return x * power_of_two(half) * power_of_two(n.integer() - half);
#endif
}

// e^r - 1, |r| <= ln2 / 2.
ASCEND_INLINE F expm1_core(F r) {
  F q = polynomial(r, 0x1.fffffcp-2f, 0x1.555490p-3f, 0x1.5558f6p-5f, 0x1.123a8ep-7f, 0x1.6a2318p-10f);
  return madd(r * r, q, r);
}
// x - n ln2, for the integer n nearest to x / ln2; n ln2_hi is exact.
ASCEND_INLINE F minus_ln2(F x, F n) { return madd(n, f(-0x1.7f7d1cp-20f), madd(n, f(-0x1.62e4p-1f), x)); }

ASCEND_INLINE F exp_of(F x) {
  x = at_most(at_least(x, -104.0f), 89.0f);  // which give 0 and infinity
  Rounded n = rounded_product(x, 0x1.715476p+0f);
  return scaled(expm1_core(minus_ln2(x, n.value)) + 1, n);
}
ASCEND_INLINE F expm1_of(F x) {
  F y = at_most(at_least(x, -18.0f), 89.0f);  // which give -1 and infinity
  Rounded n = rounded_product(y, 0x1.715476p+0f);
  F p = expm1_core(minus_ln2(y, n.value));
  F half = power_of_two(n.integer() - 1);  // 2^n itself may be 2^128
  F z = 2 * madd(p, half, half - 0.5f);
  return with_sign<float>(n.integer() == 0 ? p : z, x);
}

// log(1 + f) given 1 + f in [sqrt(1/2), sqrt(2)), plus n ln2.
ASCEND_INLINE F log_core(F t, F n) {
  F p = polynomial(t, 0x1.555554p-2f, -0x1.000228p-2f, 0x1.99a006p-3f, -0x1.547232p-3f, 0x1.22da50p-3f,
                   -0x1.0d863ap-3f, 0x1.055a68p-3f, -0x1.38ad58p-4f);
  F square = t * t;
  F low = madd(n, f(0x1.7f7d1cp-20f), madd(p * square, t, -0.5f * square));
  return madd(n, f(0x1.62e4p-1f), t + low);
}
// The exponent n of positive normal x = m 2^n with m in [sqrt(1/2), sqrt(2)), and m. Of other x too their
// bits go through this: unsigned, they may wrap.
ASCEND_INLINE I exponent_of(F x) { return bits_as<I>(bits_as<U>(x) - 0x3f3504f3u) >> 23; }
ASCEND_INLINE F significand_of(F x, I n) { return bits_as<F>(bits_as<U>(x) - (bits_as<U>(n) << 23)); }

ASCEND_INLINE F log_of(F x) {
  auto small = x < 0x1p-126f;
  F y = small ? x * 0x1p25f : x;
  I n = exponent_of(y);
  F m = significand_of(y, n);
  F r = log_core(m - 1, __builtin_convertvector(n, F) - (small ? f(25) : F{}));
  r = x == 0 ? f(-__builtin_inff()) : r;
  r = x == __builtin_inff() ? x : r;
  return x >= 0 ? r : f(__builtin_nanf(""));
}

ASCEND_INLINE F log1p_of(F x) {
  F u = 1 + x;
  // What rounding u lost, exactly.
  F lost = x < 1.0f ? x - (u - 1) : 1 - (u - x);
  I n = exponent_of(u);
  F m = significand_of(u, n);
  F shrink = bits_as<F>((127u << 23) - (bits_as<U>(n < 126 ? n : I{} + 126) << 23));
  F t = n == 0 ? x : madd(lost, shrink, m - 1);
  F r = log_core(t, __builtin_convertvector(n, F));
  r = x == -1.0f ? f(-__builtin_inff()) : r;
  r = x == __builtin_inff() ? x : r;
  r = x >= -1.0f ? r : f(__builtin_nanf(""));
  return absolute<float>(x) < 0x1p-25f ? x : r;
}

// With |x| = n ln2 / 2 + r and t = tanh r, e^2|x| is 2^n (1 + t) / (1 - t).
ASCEND_INLINE F tanh_of(F x) {
  F a = at_most(absolute<float>(x), 9.5f);
  Rounded n = rounded_product(a, 0x1.715476p+1f);
  F r = madd(n.value, f(-0x1.62e43p-2f), a), s = r * r;
  F t = madd(s * r, polynomial(s, -0x1.55554ep-2f, 0x1.11059ep-3f, -0x1.afdbfep-5f), r);
  F power = n.power(), less = power - 1, more = power + 1;
  return with_sign<float>(madd(t, more, less) / madd(t, less, more), x);
}

ASCEND_INLINE F logistic_of(F x) {
  F a = absolute<float>(x);
  F y = at_least(-a, -104.0f);
  Rounded n = rounded_product(y, 0x1.715476p+0f);
  F e = scaled(expm1_core(minus_ln2(y, n.value)) + 1, n);
  F r = (x < 0 ? e : f(1)) / (1 + e);
  return x == x ? r : x;
}

// erf(x) / x - 1 below 0.9.
ASCEND_INLINE F erf_near(F x) {
  return polynomial(x * x, 0x1.06eba8p-3f, -0x1.812742p-2f, 0x1.ce2e0ap-4f, -0x1.b80e92p-6f, 0x1.54c7f8p-8f,
                    -0x1.aa3f4ap-11f, 0x1.5cd500p-14f);
}
ASCEND_INLINE F erf_of(F x) {
  F a = absolute<float>(x), t = at_most(a, 4.0f);
  F z = polynomial(t, 0x1.ea9a48p-13f, -0x1.a12424p+0f, -0x1.d3eb70p-1f, -0x1.3f8582p-3f, 0x1.27d098p-5f,
                   -0x1.872032p-8f, 0x1.433df6p-11f, -0x1.efa3aep-16f);  // log2 erfc
  Rounded n = rounded(z);
  F p = expm1_core((z - n.value) * 0x1.62e430p-1f), scale = n.power();
  F far = (1 - scale) - p * scale;
  F r = t < 0.9f ? madd(t, erf_near(t), t) : far;
  return with_sign<float>(x == x ? r : x, x);
}

// From 0.45 on e^(-a^2) times a polynomial; what a * a is rounded by counts, since e^88 times as much is seen
// of it.
ASCEND_INLINE F erfc_of(F x) {
  F a = at_most(absolute<float>(x), 11.0f), t = 1 / (1 + 0.4f * a);
  F high = bits_as<F>(bits_as<I>(a) & ~0xfff), low = a - high, square = a * a;
  F rest = (high * high - square) + 2 * high * low + low * low;
  F q = t * polynomial(t, 0x1.ce3048p-3f, 0x1.ce0374p-3f, 0x1.abaccp-3f, 0x1.4c78c4p-3f, 0x1.4e66fep-3f,
                       -0x1.9e1bb8p-5f, 0x1.c7e7d8p-3f, -0x1.bc8804p-3f, 0x1.e5b0ccp-5f);  // erfc(a) e^(a^2)
  F far = exp_of(-square) * (q - q * rest);
  F r = a < 0.45f ? 1 - madd(x, erf_near(a), x) : (x < 0 ? 2 - far : far);
  return x == x ? r : x;
}

ASCEND_INLINE F cbrt_of(F x) {
  F a = absolute<float>(x);
  auto small = a < 0x1p-126f, large = a > 0x1p100f;
  F y = a * (small ? f(0x1p24f) : (large ? f(0x1p-24f) : f(1)));
  // A third of the exponent, with a constant that makes the first guess good to 3.2 %.
  F third = __builtin_convertvector(bits_as<I>(y), F) * (1.0f / 3.0f);
  F g = bits_as<F>(__builtin_convertvector(third, I) + 0x2a5119f2);
  for (int i = 0; i < 2; ++i) {  // Halley's iteration triples the digits
    F cube = g * g * g;
    g = g - g * ((cube - y) / (cube + cube + y));
  }
  g = g * (small ? f(0x1p-8f) : (large ? f(0x1p8f) : f(1)));
  return with_sign<float>(a == 0 || !(a < __builtin_inff()) ? a : g, x);
}

// ---- sine, cosine, tangent
// ------------------------------------------------------------------------------------

// x = n pi/2 + rest with |rest| <= pi/4; only n modulo 4 matters. For any finite x, one by one, with as many
// bits of 2/pi as it takes (functions_f32.cc).
void reduce_large(const float* x, float* rest, int32_t* n);

struct Quadrant {
  F rest;
  I n;
};
ASCEND_INLINE Quadrant quadrant(F x) {
  // pi/2 in three f32; n times the first is exact in the fused operation, and so is the difference.
  Rounded n = rounded(x * 0x1.45f306p-1f);
  F r = fused(n.value, f(-0x1.921fb6p+0f), x);
  r = fused(n.value, f(0x1.777a5cp-25f), r);
  r = fused(n.value, f(0x1.ee59dap-50f), r);
  Quadrant q{r, n.integer()};
  auto large = !(absolute<float>(x) <= 1e5f);
  if (reduce_lanes<int32_t>(large, [](int32_t a, int32_t b) { return a | b; }) != 0) [[unlikely]] {
    float in[kLanes<float>], rest[kLanes<float>];
    int32_t quarter[kLanes<float>];
    __builtin_memcpy(in, &x, sizeof x);
    reduce_large(in, rest, quarter);
    F far;
    I far_n;
    __builtin_memcpy(&far, rest, sizeof far);
    __builtin_memcpy(&far_n, quarter, sizeof far_n);
    q.rest = large ? far : q.rest;
    q.n = large ? far_n : q.n;
  }
  return q;
}
ASCEND_INLINE F sin_core(F r) {
  F s = r * r;
  return madd(s * r, polynomial(s, -0x1.555546p-3f, 0x1.110734p-7f, -0x1.994134p-13f), r);
}
ASCEND_INLINE F cos_core(F r) {
  F s = r * r;
  F tail = s * s * polynomial(s, 0x1.55554ap-5f, -0x1.6c0c2cp-10f, 0x1.99e92ap-16f);
  F half = 0.5f * s, w = 1 - half;
  return w + (((1 - w) - half) + tail);
}
// The sine `turn` quarter turns further: 0 sine, 1 cosine.
ASCEND_INLINE F sine(F x, int turn) {
  Quadrant q = quadrant(x);
  I n = q.n + turn;
  F y = (n & 1) != 0 ? cos_core(q.rest) : sin_core(q.rest);
  y = bits_as<F>(bits_as<I>(y) ^ ((n & 2) << 30));
  return turn == 0 ? (x == 0 ? x : y) : y;
}
ASCEND_INLINE F sin_of(F x) { return sine(x, 0); }
ASCEND_INLINE F cos_of(F x) { return sine(x, 1); }
ASCEND_INLINE F tan_of(F x) {
  Quadrant q = quadrant(x);
  F r = q.rest, s = r * r;
  F t = madd(s * r,
             polynomial(s, 0x1.5554dep-2f, 0x1.112e00p-3f, 0x1.b5825ep-5f, 0x1.90866cp-6f, 0x1.9583f2p-9f,
                        0x1.340e28p-7f),
             r);
  return x == 0 ? x : ((q.n & 1) != 0 ? -1 / t : t);
}

// The angle of (x, y).
ASCEND_INLINE F atan2_of(F y, F x) {
  F ax = absolute<float>(x), ay = absolute<float>(y);
  F high = ax > ay ? ax : ay, low = ax > ay ? ay : ax;
  auto both_infinite = (ax == __builtin_inff()) & (ay == __builtin_inff());
  low = both_infinite ? f(1) : low;
  high = both_infinite ? f(1) : high;
  // Keep low / high and what is computed from them among the normal numbers.
  F scale = high > 0x1p100f ? f(0x1p-64f) : (high < 0x1p-60f ? f(0x1p64f) : f(1));
  low = low * scale;
  high = high * scale;
  auto beyond = low > 0x1.a8279ap-2f * high;  // tan(pi/8)
  F t = (beyond ? low - high : low) / (beyond ? low + high : high);
  t = high == 0 ? F{} : t;
  F s = t * t;
  F r = madd(s * t, polynomial(s, -0x1.555452p-2f, 0x1.99244ep-3f, -0x1.1c31e6p-3f, 0x1.49bdfep-4f), t);
  // The result is base + sign * r, with base a multiple of pi/4 in two parts.
  auto steep = ay >= ax, left = bits_as<I>(x) < 0;
  F k = beyond ? f(1) : F{};
  k = steep & (ay != 0) ? 2 - k : k;
  r = steep & (ay != 0) ? -r : r;
  k = left ? 4 - k : k;
  r = left ? -r : r;
  F angle = k * 0x1.921fb6p-1f + madd(k, f(-0x1.777a5cp-26f), r);
  angle = (x != x) | (y != y) ? x + y : angle;
  return with_sign<float>(angle, y);
}

// ---- powers, in f64
// --------------------------------------------------------------------------------------------

// log2(a) for positive finite a that is normal in f64; relative error about 1e-11.
ASCEND_INLINE D log2_f64(D a) {
  L bits = bits_as<L>(a);
  constexpr uint64_t root_half = 0x3fe6a09e667f3bcd;
  // The exponent, offset so that it stays positive, by a logical shift (AVX2 has no other for 64 bits).
  auto offset = (bits_as<Vec<uint64_t>>(bits) - root_half + (uint64_t{1} << 62)) >> 52;
  L n = bits_as<L>(offset) - (int64_t{1} << 10);
  D m = bits_as<D>(bits - (n << 52));
  D whole = bits_as<D>(n + 0x4338000000000000) - 0x1.8p52;
  D s = (m - 1) / (m + 1), t = s * s;
  D tail = polynomial(t, 0.33333332819641476, 0.20000168357776857, 0.14268602228117627, 0.117921260944281);
  return madd(2 * 0x1.71547652b82fep+0 * s, madd(tail, t, D{} + 1), whole);
}
// 2^z for |z| <= 1000.
ASCEND_INLINE D exp2_f64(D z) {
  D shifted = z + 0x1.8p52, whole = shifted - 0x1.8p52, d = z - whole;
  D p = madd(d,
             polynomial(d, 0.6931471807045325, 0.24022651066561473, 0.05550410365991363, 0.00961803813201037,
                        0.0013333935055341998, 0.00015466756331521296, 1.5196156617718841e-05),
             D{} + 1);
  L scale = (bits_as<L>(shifted) - 0x4338000000000000 + 1023) << 52;
  return p * bits_as<D>(scale);
}
// x to the y, both f32 values.
ASCEND_INLINE D pow_of(D x, D y) {
  constexpr double infinity = __builtin_inf();
  D a = absolute<double>(x), b = absolute<double>(y);
  D l = log2_f64(a);
  l = a == 0 ? D{} - infinity : l;
  l = a < infinity ? l : a;  // infinite or NaN
  D z = y * l;
  z = z > 400.0 ? D{} + 400.0 : z;
  z = z < -400.0 ? D{} - 400.0 : z;
  D r = exp2_f64(z);
  r = z == z ? r : z;
  r = z == 400.0 ? D{} + infinity : r;
  r = z == -400.0 ? D{} : r;
  // A negative base (or -0) needs an integer exponent; an odd one keeps the sign. From 2^24 on every y is
  // even.
  D floor_y = down<double>(y), half = 0.5 * y;
  auto integral = (floor_y == y) | (b == infinity);
  auto odd = integral & (down<double>(half) != half) & (b < 0x1p24);
  auto negative = bits_as<L>(x) < 0;
  r = bits_as<D>(bits_as<L>(r) ^ (negative & odd & INT64_MIN));
  r = (x < 0) & ~integral & (a < infinity) & (y == y) ? D{} + __builtin_nan("") : r;
  auto one = (x == 1) | (y == 0) | ((x == -1) & (b == infinity));
  return one ? D{} + 1 : r;
}

// The remainder of the division truncated towards zero, with the sign of a, where the quotient is below 2^22;
// lanes beyond (or not finite) are left to fmodf.
ASCEND_INLINE F remainder_near(F a, F b) {
  F q = toward_zero<float>(a / b);
  F r = fused(-q, b, a);
  // The rounded quotient may be one too large; the remainder then has the other sign.
  auto wrong = (bits_as<I>(r) ^ bits_as<I>(a)) < 0;
  r = wrong & (r != 0) ? r + with_sign<float>(b, a) : r;
  return with_sign<float>(r, a);
}

}  // namespace ascend::SIMD_VARIANT
