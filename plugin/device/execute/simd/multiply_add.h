// What the matmul microkernel multiplies: how a lane of sums takes in the elements of k that lie together in
// a panel (panel_group), a unit. Units of bf16 and of bytes are multiplied whole where the CPU has an
// instruction for it; elsewhere find_widened makes f32 and i32 of them first.
#pragma once
#include "plugin/device/execute/simd/matmul.h"

#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
#include <immintrin.h>
#define JAX_ASCEND_UNIT_PRODUCTS 1
#else
#define JAX_ASCEND_UNIT_PRODUCTS 0
#endif

namespace ascend::SIMD_VARIANT {
namespace {

template <class T>
struct Lanes {
  typedef T type __attribute__((vector_size(kRegisterBytes)));
  typedef T loose __attribute__((vector_size(kRegisterBytes), aligned(sizeof(T)), may_alias));
};
template <class T>
using Vector = typename Lanes<T>::type;

// A unit is one element.
template <class T>
struct Single {
  using Element = T;
  using Unit = T;
  using Sum = T;
  static constexpr int64_t kGroup = 1;  // elements of a unit
  static constexpr bool kBiased = false;
  static Vector<T> prepare(Vector<T> right) { return right; }
  static Vector<T> multiply_add(Vector<T> sum, Vector<T> left, Vector<T> right) { return sum + left * right; }
};

#if JAX_ASCEND_UNIT_PRODUCTS
// vdpbf16ps: two products, each added to the sum in f32. It takes subnormal numbers as zero and gives none.
struct Bf16Pair {
  using Element = uint16_t;
  using Unit = uint32_t;
  using Sum = float;
  static constexpr int64_t kGroup = 2;
  static constexpr bool kBiased = false;
  static Vector<Unit> prepare(Vector<Unit> right) { return right; }
  static Vector<float> multiply_add(Vector<float> sum, Vector<Unit> left, Vector<Unit> right) {
    return reinterpret_cast<Vector<float>>(_mm512_dpbf16_ps(
        reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(left), reinterpret_cast<__m512bh>(right)));
  }
};

// vpdpbusd: four products of unsigned by signed bytes, added to the sum modulo 2^32. Of two operands that are
// both signed or both unsigned the right one is moved by 128, which inverts its upper bit; what that adds to
// every sum of a row depends on the left operand alone, and the sums start from its negative.
template <bool kLeftSigned, bool kRightSigned>
struct ByteQuad {
  using Element = uint8_t;
  using Unit = uint32_t;
  using Sum = uint32_t;
  static constexpr int64_t kGroup = 4;
  static constexpr bool kBiased = kLeftSigned == kRightSigned;
  static Vector<Unit> prepare(Vector<Unit> right) { return kBiased ? right ^ 0x80808080u : right; }
  static Vector<Sum> multiply_add(Vector<Sum> sum, Vector<Unit> left, Vector<Unit> right) {
    return reinterpret_cast<Vector<Sum>>(dot(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(left),
                                             reinterpret_cast<__m512i>(right)));
  }
  // What the sums of a row of the left operand start from.
  static uint32_t start(const uint8_t* row, int64_t k) {
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i sum = _mm512_setzero_si512();
    for (int64_t i = 0; i < k; i += 64) {
      const auto there = k - i < 64 ? (__mmask64{1} << (k - i)) - 1 : ~__mmask64{0};
      sum = dot(sum, _mm512_maskz_loadu_epi8(there, row + i), ones);
    }
    const auto lanes = reinterpret_cast<Vector<Sum>>(sum);
    uint32_t total = 0;
    for (int i = 0; i < static_cast<int>(sizeof lanes / sizeof total); ++i) total += lanes[i];
    return kLeftSigned ? -128 * total : 128 * total;
  }

 private:
  static __m512i dot(__m512i sum, __m512i left, __m512i right) {
    return kLeftSigned ? _mm512_dpbusd_epi32(sum, right, left) : _mm512_dpbusd_epi32(sum, left, right);
  }
};
#endif

}  // namespace
}  // namespace ascend::SIMD_VARIANT
