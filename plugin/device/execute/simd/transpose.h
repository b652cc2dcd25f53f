// Transposition of a square of vectors in registers.
#pragma once
#include "plugin/device/execute/simd/lanes.h"

namespace ascend::SIMD_VARIANT {

// N vectors of N lanes, by log2(N) rounds of interleaving vectors i and i + N/2: each round rotates the bits
// of (vector, lane).
template <class T, int N>
ASCEND_INLINE void transpose_lanes(VecN<T, N>* x) {
  using V = VecN<T, N>;
  using Index = VecN<Unsigned<T>, N>;
  Index low, high;
  for (int i = 0; i < N; ++i) {
    low[i] = i / 2 + (i % 2) * N;
    high[i] = low[i] + N / 2;
  }
  V y[N];
#pragma GCC unroll 8
  for (int round = 1; round < N; round *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < N / 2; ++i) {
      y[2 * i] = __builtin_shuffle(x[i], x[i + N / 2], low);
      y[2 * i + 1] = __builtin_shuffle(x[i], x[i + N / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) x[i] = y[i];
  }
}

}  // namespace ascend::SIMD_VARIANT
