// How a discrete Fourier transform of a given length is computed: plans, their tables, and a cache of them.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace ascend::aicpu {

// One step of Stockham's algorithm (Cooley and Tukey with the reordering in the stores): transforms of length
// radix, m * radix being what is left of the length before it.
struct FourierStep {
  int64_t radix, m;
  int64_t twiddles;  // where in the plan's table its m * (radix - 1) factors start, (re, im) each
  int64_t roots;     // where in the table the `radix` roots of unity start, for a radix above 5
};

// A transform of one of three kinds:
//  - steps: of a length whose prime factors are small, in registers, a line to a lane;
//  - inner and outer: of a length that is their product: outer.n transforms of length inner.n over lines that
//  lie side
//    by side, a multiplication by twiddles, inner.n transforms of length outer.n;
//  - chirp: of a length with a large prime factor, as a convolution of the longer length of `inner`
//  (Bluestein, 1970).
template <class T>
struct FourierPlan {
  int64_t n = 1;
  std::vector<FourierStep> steps;
  std::vector<T> table;  // of the steps; or twiddles[inner.n, outer.n]; or chirp[n], then spectrum[inner.n]
  std::shared_ptr<const FourierPlan> inner, outer;

  bool in_registers() const { return !inner; }
  bool by_convolution() const { return inner && !outer; }
};

// The plan for a length of at least 1 where `lines` lines are transformed; kept for the next time. Takes
// memory in proportion to n.
template <class T>
std::shared_ptr<const FourierPlan<T>> fourier_plan(int64_t n, int64_t lines);

// e^(-2 pi i k / n) for k < count, (re, im) each; kept like a plan.
template <class T>
std::shared_ptr<const std::vector<T>> fourier_roots(int64_t n, int64_t count);

}  // namespace ascend::aicpu
