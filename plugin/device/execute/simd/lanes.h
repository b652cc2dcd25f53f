// Vectors of the widest registers of the variant being compiled, and what the bodies need beyond C++
// operators.
//
// Everything lives in a namespace named after the variant: the same inline function compiled for two
// instruction sets must never be merged by the linker. For the same reason nothing here calls inline
// functions of the standard library, and no file of a variant has static data that is initialised at
// start-up.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

// The compiler's own names of instructions are used below: including <immintrin.h> in every file of every
// variant would take longer than compiling it.
#if defined(__has_builtin)
#define ASCEND_HAS_BUILTIN(x) __has_builtin(x)
#else
#define ASCEND_HAS_BUILTIN(x) 0
#endif
#define ASCEND_INLINE inline __attribute__((always_inline))

namespace ascend::SIMD_VARIANT {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif
#if defined(__FMA__) || defined(__aarch64__)
inline constexpr bool kFused = true;
#else
inline constexpr bool kFused = false;
#endif

struct f16 {
  uint16_t bits;
};
struct bf16 {
  uint16_t bits;
};
struct i1 {
  uint8_t bits;  // 0 or 1
};

template <class T, int N>
struct VectorOf {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T, int N>
using VecN = typename VectorOf<T, N>::type;
template <class T>
inline constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));
template <class T>
using Vec = VecN<T, kLanes<T>>;

using F = Vec<float>;
using I = Vec<int32_t>;
using U = Vec<uint32_t>;
using D = Vec<double>;
using L = Vec<int64_t>;

template <class C>
struct UnsignedOf;
template <>
struct UnsignedOf<int8_t> {
  using type = uint8_t;
};
template <>
struct UnsignedOf<int16_t> {
  using type = uint16_t;
};
template <>
struct UnsignedOf<int32_t> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<int64_t> {
  using type = uint64_t;
};
template <>
struct UnsignedOf<uint8_t> : UnsignedOf<int8_t> {};
template <>
struct UnsignedOf<uint16_t> : UnsignedOf<int16_t> {};
template <>
struct UnsignedOf<uint32_t> : UnsignedOf<int32_t> {};
template <>
struct UnsignedOf<uint64_t> : UnsignedOf<int64_t> {};
template <class C>
using Unsigned = typename UnsignedOf<C>::type;

template <class A, class B>
inline constexpr bool kSame = false;
template <class A>
inline constexpr bool kSame<A, A> = true;

// The type a body computes in for elements of type T, and the one its comparisons give.
template <class T>
struct Element {
  using Compute = T;
};
template <>
struct Element<f16> {
  using Compute = float;
};
template <>
struct Element<bf16> {
  using Compute = float;
};
template <>
struct Element<i1> {
  using Compute = uint8_t;
};
template <class T>
using Compute = typename Element<T>::Compute;
template <class T>
inline constexpr bool kFloat = kSame<Compute<T>, float> || kSame<T, double>;
template <class T>
inline constexpr bool kSigned = kFloat<T> || T(-1) < T(0);

template <class To, class From>
ASCEND_INLINE To bits_as(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  __builtin_memcpy(&y, &x, sizeof y);
  return y;
}

template <class C, int N = kLanes<C>>
ASCEND_INLINE VecN<C, N> splat(C x) {
  return x - VecN<C, N>{};
}
ASCEND_INLINE F f(float x) { return splat<float>(x); }

// Integers to wider ones of as many lanes. GCC makes a conversion to 512 bits of halves, and one from bytes
// to anything but 16 bits of single elements.
template <class C, class T>
ASCEND_INLINE Vec<C> widen(VecN<T, kLanes<C>> x) {
#if defined(__AVX512F__) && ASCEND_HAS_BUILTIN(__builtin_ia32_pmovzxbd512_mask)
  if constexpr (sizeof(C) == 4 && sizeof(T) == 1) {
    auto bytes = bits_as<VecN<char, 16>>(x);
    return bits_as<Vec<C>>(kSigned<T> ? __builtin_ia32_pmovsxbd512_mask(bytes, I{}, 0xffff)
                                      : __builtin_ia32_pmovzxbd512_mask(bytes, I{}, 0xffff));
  }
  if constexpr (sizeof(C) == 4 && sizeof(T) == 2) {
    auto words = bits_as<VecN<int16_t, 16>>(x);
    return bits_as<Vec<C>>(kSigned<T> ? __builtin_ia32_pmovsxwd512_mask(words, I{}, 0xffff)
                                      : __builtin_ia32_pmovzxwd512_mask(words, I{}, 0xffff));
  }
#endif
  if constexpr (sizeof(C) >= 4 && sizeof(T) == 1) {
    if constexpr (kSigned<T>)
      return __builtin_convertvector(__builtin_convertvector(x, VecN<int16_t, kLanes<C>>), Vec<C>);
    else
      return __builtin_convertvector(__builtin_convertvector(x, VecN<uint16_t, kLanes<C>>), Vec<C>);
  }
  return __builtin_convertvector(x, Vec<C>);
}

// Integers to bytes, modulo 256. What GCC does with single elements it does better in two steps.
template <class C, class V>
ASCEND_INLINE auto low_bytes(V x) {
  using Bytes = VecN<int8_t, kLanes<C>>;
#if defined(__AVX512F__) && ASCEND_HAS_BUILTIN(__builtin_ia32_pmovdb512_mask)
  if constexpr (sizeof(C) == 4)
    return bits_as<Bytes>(__builtin_ia32_pmovdb512_mask(bits_as<I>(x), VecN<char, 16>{}, 0xffff));
  else
#endif
      if constexpr (sizeof(C) == 4)
    return __builtin_convertvector(__builtin_convertvector(x, VecN<int16_t, kLanes<C>>), Bytes);
  else
    return __builtin_convertvector(x, Bytes);
}

// ---- f16 and bf16 to and from f32, to nearest, ties to even
// ----------------------------------------------------

using H = VecN<uint16_t, kLanes<float>>;

ASCEND_INLINE F widen_bf16(H h) { return bits_as<F>(widen<uint32_t, uint16_t>(h) << 16); }

ASCEND_INLINE H narrow_bf16(F x) {
#if ASCEND_HAS_BUILTIN(__builtin_ia32_cvtneps2bf16_v16sf) && defined(__AVX512BF16__)
  constexpr int kSubnormal = 0x20;  // class of vfpclassps; the conversion would take them for zeros
  if (__builtin_ia32_fpclassps512_mask(x, kSubnormal, 0xffff) == 0) [[likely]]
    return bits_as<H>(__builtin_ia32_cvtneps2bf16_v16sf(x));
#endif
  U u = bits_as<U>(x);
  U rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  U nan = (u >> 16) | 0x40;
  return __builtin_convertvector(bits_as<U>(x == x ? bits_as<I>(rounded) : bits_as<I>(nan)), H);
}

ASCEND_INLINE F widen_f16(H h) {
#if defined(__AVX512F__)
  return __builtin_ia32_vcvtph2ps512_mask((VecN<int16_t, 16>)h, F{}, 0xffff, 4);
#elif defined(__F16C__)
  return __builtin_ia32_vcvtph2ps256((VecN<int16_t, 8>)h);
#else
  U u = __builtin_convertvector(h, U);
  U sign = (u & 0x8000) << 16, rest = (u & 0x7fff) << 13;
  // Exponents are 112 apart; multiplying by 2^112 also renormalises subnormals.
  F x = bits_as<F>(rest) * 0x1p112f;
  I special = bits_as<I>(rest) >= 0x7c00 << 13;
  U y = bits_as<U>(special ? bits_as<I>(rest | 0x7f800000u) : bits_as<I>(x));
  return bits_as<F>(y | sign);
#endif
}

ASCEND_INLINE H narrow_f16(F x) {
#if defined(__AVX512F__)
  return (H)__builtin_ia32_vcvtps2ph512_mask(x, 8, VecN<int16_t, 16>{}, 0xffff);
#elif defined(__F16C__)
  return (H)__builtin_ia32_vcvtps2ph256(x, 0);
#else
  U u = bits_as<U>(x), sign = (u >> 16) & 0x8000, magnitude = u & 0x7fffffff;
  I a = bits_as<I>(magnitude);
  // Normal results: rebias and round the low 13 bits away. Subnormal ones: let the adder align and round.
  I normal = bits_as<I>((magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13);
  I subnormal = bits_as<I>(bits_as<F>(a) + 0.5f) - 0x3f000000;
  I h = a < 113 << 23 ? subnormal : normal;
  h = a >= 0x477ff000 ? I{} + 0x7c00 : h;
  h = a > 0x7f800000 ? ((a >> 13) & 0x3ff) | 0x7e00 : h;
  return __builtin_convertvector(bits_as<U>(h) | sign, H);
#endif
}

// ---- memory
// -----------------------------------------------------------------------------------------------------

// The storage of a comparison's result: an i1 from lanes of zeros and ones.
struct mask {
  uint8_t bits;
};

// The kLanes<C> elements at p as type C; and back.
template <class C, class T>
ASCEND_INLINE Vec<C> load(const T* p) {
  if constexpr (kSame<T, f16> || kSame<T, bf16>) {
    H h;
    __builtin_memcpy(&h, p, sizeof h);
    if constexpr (kSame<T, f16>)
      return widen_f16(h);
    else
      return widen_bf16(h);
  } else if constexpr (kSame<C, T> || kSame<T, i1>) {
    Vec<C> x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  } else {
    VecN<T, kLanes<C>> x;
    __builtin_memcpy(&x, p, sizeof x);
    if constexpr (kSame<C, float> && !kFloat<T> && sizeof(T) < 4)
      return __builtin_convertvector(widen<int32_t, T>(x), F);
    else if constexpr (!kFloat<C> && !kFloat<T> && sizeof(T) < sizeof(C))
      return widen<C, T>(x);
    else
      return __builtin_convertvector(x, Vec<C>);
  }
}
template <class C, class T, class V>
ASCEND_INLINE void store(T* p, V x) {
  if constexpr (kSame<T, f16>) {
    H h = narrow_f16(x);
    __builtin_memcpy(p, &h, sizeof h);
  } else if constexpr (kSame<T, bf16>) {
    H h = narrow_bf16(x);
    __builtin_memcpy(p, &h, sizeof h);
  } else if constexpr (kSame<C, T> || kSame<T, i1>) {
    __builtin_memcpy(p, &x, sizeof x);
  } else if constexpr (kSame<T, mask>) {
    auto y = -low_bytes<C>(x);
    __builtin_memcpy(p, &y, sizeof y);
  } else {
    auto y = __builtin_convertvector(x, VecN<T, kLanes<C>>);
    __builtin_memcpy(p, &y, sizeof y);
  }
}

// A vector of which only the first n elements are in memory; the others are zero. n < lanes.
template <class C, class T>
ASCEND_INLINE auto load_part(const T* p, int64_t n) {
  T part[kLanes<C>] = {};
  __builtin_memcpy(part, p, n * sizeof(T));
  return load<C>(part);
}
template <class C, class T, class V>
ASCEND_INLINE void store_part(T* p, V x, int64_t n) {
  T part[kLanes<C>];
  store<C>(part, x);
  __builtin_memcpy(p, part, n * sizeof(T));
}

template <class T>
ASCEND_INLINE Compute<T> load_one(const std::byte* p) {
  if constexpr (kSame<Compute<T>, T>) {
    T x;
    __builtin_memcpy(&x, p, sizeof x);
    return x;
  }
  T part[kLanes<Compute<T>>] = {};
  __builtin_memcpy(part, p, sizeof(T));
  return load<Compute<T>>(part)[0];
}
template <class T>
ASCEND_INLINE void store_one(std::byte* p, Compute<T> x) {
  T part[kLanes<Compute<T>>];
  store<Compute<T>>(part, splat<Compute<T>>(x));
  __builtin_memcpy(p, part, sizeof(T));
}

// ---- arithmetic beyond operators
// ------------------------------------------------------------------------------

// a * b + c: fused where the CPU does it, else rounded twice.
ASCEND_INLINE F madd(F a, F b, F c) {
#if ASCEND_HAS_BUILTIN(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#elif defined(__AVX512F__)
  return __builtin_ia32_vfmaddps512_mask(a, b, c, 0xffff, 4);
#elif defined(__FMA__)
  return __builtin_ia32_vfmaddps256(a, b, c);
#elif defined(__aarch64__)
  return (F)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}
ASCEND_INLINE D madd(D a, D b, D c) {
#if ASCEND_HAS_BUILTIN(__builtin_elementwise_fma)
  return __builtin_elementwise_fma(a, b, c);
#elif defined(__AVX512F__)
  return __builtin_ia32_vfmaddpd512_mask(a, b, c, 0xff, 4);
#elif defined(__FMA__)
  return __builtin_ia32_vfmaddpd256(a, b, c);
#elif defined(__aarch64__)
  return (D)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
  return a * b + c;
#endif
}
// a * b + c with an exact product on every CPU (portable: through f64, whose product of two f32 is exact).
ASCEND_INLINE F fused(F a, F b, F c) {
  if constexpr (kFused) return madd(a, b, c);
  using W = VecN<double, kLanes<float>>;
  return __builtin_convertvector(
      __builtin_convertvector(a, W) * __builtin_convertvector(b, W) + __builtin_convertvector(c, W), F);
}

// x, or the bound that it exceeds; a NaN stays. One instruction of its own, which GCC does not make of a
// choice.
ASCEND_INLINE F at_most(F x, float bound) {
#if defined(__AVX512F__)
  return __builtin_ia32_minps512_mask(f(bound), x, F{}, 0xffff, 4);
#elif defined(__AVX2__)
  return __builtin_ia32_minps256(f(bound), x);
#elif defined(__SSE2__)
  return __builtin_ia32_minps(f(bound), x);
#else
  return x > bound ? f(bound) : x;
#endif
}
ASCEND_INLINE F at_least(F x, float bound) {
#if defined(__AVX512F__)
  return __builtin_ia32_maxps512_mask(f(bound), x, F{}, 0xffff, 4);
#elif defined(__AVX2__)
  return __builtin_ia32_maxps256(f(bound), x);
#elif defined(__SSE2__)
  return __builtin_ia32_maxps(f(bound), x);
#else
  return x < bound ? f(bound) : x;
#endif
}

// Whether a comparison holds in any lane.
ASCEND_INLINE bool any(I x) {
#if defined(__AVX512F__)
  return __builtin_ia32_ptestmd512(x, x, 0xffff) != 0;
#elif defined(__AVX2__)
  return __builtin_ia32_movmskps256(bits_as<F>(x)) != 0;
#else
  int32_t all = 0;
  for (int i = 0; i < kLanes<int32_t>; ++i) all |= x[i];
  return all != 0;
#endif
}

ASCEND_INLINE F root(F x) {
#if defined(__AVX512F__)
  return __builtin_ia32_sqrtps512_mask(x, F{}, 0xffff, 4);
#elif defined(__AVX2__)
  return __builtin_ia32_sqrtps256(x);
#elif defined(__SSE2__)
  return __builtin_ia32_sqrtps(x);
#else
  for (int i = 0; i < kLanes<float>; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}
ASCEND_INLINE D root(D x) {
#if defined(__AVX512F__)
  return __builtin_ia32_sqrtpd512_mask(x, D{}, 0xff, 4);
#elif defined(__AVX2__)
  return __builtin_ia32_sqrtpd256(x);
#elif defined(__SSE2__)
  return __builtin_ia32_sqrtpd(x);
#else
  for (int i = 0; i < kLanes<double>; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}

// The integer type as wide as a floating-point one, what comparisons of it give.
template <class C>
struct BitsOf {
  using type = C;
};
template <>
struct BitsOf<float> {
  using type = int32_t;
};
template <>
struct BitsOf<double> {
  using type = int64_t;
};
template <class C>
using Bits = typename BitsOf<C>::type;
template <class C>
inline constexpr Bits<C> kSignBit = Bits<C>(1) << (8 * sizeof(C) - 1);
template <>
inline constexpr int32_t kSignBit<float> = INT32_MIN;
template <>
inline constexpr int64_t kSignBit<double> = INT64_MIN;

template <class C>
ASCEND_INLINE Vec<C> absolute(Vec<C> x) {
  return bits_as<Vec<C>>(bits_as<Vec<Bits<C>>>(x) & ~kSignBit<C>);
}
// The magnitude of x with the sign of s, both floating point.
template <class C>
ASCEND_INLINE Vec<C> with_sign(Vec<C> x, Vec<C> s) {
  using B = Vec<Bits<C>>;
  return bits_as<Vec<C>>((bits_as<B>(x) & ~kSignBit<C>) | (bits_as<B>(s) & kSignBit<C>));
}

// Nearest integer, ties to even: adding 1.5 * 2^23 leaves no fraction bits.
template <class C>
ASCEND_INLINE Vec<C> nearest(Vec<C> x) {
  constexpr C big = kSame<C, float> ? C(0x1p23) : C(0x1p52);
  Vec<C> a = absolute<C>(x);
  Vec<C> y = (a + big) - big;
  return with_sign<C>(a < big ? y : a, x);
}
template <class C>
ASCEND_INLINE Vec<C> toward_zero(Vec<C> x) {
  Vec<C> a = absolute<C>(x), y = nearest<C>(a);
  return with_sign<C>(y > a ? y - 1 : y, x);
}
template <class C>
ASCEND_INLINE Vec<C> down(Vec<C> x) {
  Vec<C> y = nearest<C>(x);
  return with_sign<C>(y > x ? y - 1 : y, x);
}
template <class C>
ASCEND_INLINE Vec<C> up(Vec<C> x) {
  Vec<C> y = nearest<C>(x);
  return with_sign<C>(y < x ? y + 1 : y, x);
}

template <class C>
ASCEND_INLINE C reduce_lanes(Vec<C> x, auto combine) {
  C lanes[kLanes<C>];
  __builtin_memcpy(lanes, &x, sizeof x);
  for (int half = kLanes<C> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] = combine(lanes[i], lanes[i + half]);
  return lanes[0];
}

}  // namespace ascend::SIMD_VARIANT
