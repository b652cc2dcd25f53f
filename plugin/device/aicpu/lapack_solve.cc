// Linear equations: potrf, trsm, getrf and the order it leaves, gtsv and its perturbed relative.
#include <numeric>
#include <utility>

#include "plugin/device/aicpu/lapack.h"

namespace ascend::aicpu {

// By columns the matrix is its transpose, which has the factor's transpose in the other triangle: by rows it
// is the factor itself, of complex matrices too.
void run(const RunContext& context, const PotrfParameters& p, Slots slots) {
  if (p.n == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    T* factor = s.at<T>(0);
    copy(p.n * p.n, s.at<T>(2), factor);
    const char uplo = p.lower ? 'U' : 'L';
    const int n = narrow(p.n);
    int info = 0;
    call_lapack<T>(p.kOp, 0, &uplo, &n, factor, &n, &info);
    *s.at<int>(1) = info;
  });
}

// By columns both matrices are their transposes: op(a) x = b reads x' op(a') = b' there, with a' triangular
// on the other side. A single column lies alike both ways, so real ones stay on their side.
void run(const RunContext& context, const TrsmParameters& p, Slots slots) {
  if (p.m == 0 || p.n == 0) return;
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    T* x = s.at<T>(0);
    copy(p.m * p.n, s.at<T>(2), x);
    const bool vector = p.left && p.n == 1 && !(kComplex<T> && p.transpose == 2);
    const char side = p.left && !vector ? 'R' : 'L', uplo = p.lower ? 'U' : 'L', unit = p.unit ? 'U' : 'N';
    const char transpose = vector ? (p.transpose ? 'N' : 'T') : "NTC"[p.transpose];
    const int rows = narrow(vector ? p.m : p.n), columns = narrow(vector ? p.n : p.m), k = narrow(p.k);
    const T one = 1;
    call_lapack<T>(p.kOp, 0, &side, &uplo, &transpose, &unit, &rows, &columns, &one, s.at<T>(1), &k, x,
                   &rows);
  });
}

void run(const RunContext& context, const GetrfParameters& p, Slots slots) {
  if (p.k == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.m, p.n, s.at<T>(3));
    const Private<int> pivots(scratch, p.k, s.at<int>(1));
    const int m = narrow(p.m), n = narrow(p.n);
    int info = 0;
    call_lapack<T>(p.kOp, 0, &m, &n, a, &m, pivots.get(), &info);
    *s.at<int>(2) = info;
    transpose(p.n, p.m, a, s.at<T>(0));
  });
}

void run(const RunContext& context, const PivotsToPermutationParameters& p, Slots slots) {
  if (p.m == 0) return;
  for_each_member(context, p, slots, [&](const Member& s) {
    int32_t* order = s.at<int32_t>(0);
    const int32_t* pivots = s.at<int32_t>(1);
    std::iota(order, order + p.m, 0);
    for (int64_t i = 0; i < std::min(p.k, p.m); ++i)
      std::swap(order[i], order[std::clamp<int64_t>(pivots[i], 0, p.m - 1)]);
  });
}

void run(const RunContext& context, const GtsvParameters& p, Slots slots) {
  if (p.n == 0 || p.m == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    for (size_t i = 0; i < 3; ++i) copy(p.n, s.at<T>(5 + i), s.at<T>(i));
    T* x = s.at<T>(3);
    T* b = p.m == 1 ? x : by_columns(scratch, p.n, p.m, s.at<T>(8));
    if (p.m == 1) copy(p.n, s.at<T>(8), x);
    const int n = narrow(p.n), m = narrow(p.m);
    int info = 0;
    call_lapack<T>(p.kOp, 0, &n, &m, s.at<T>(0) + 1, s.at<T>(1), s.at<T>(2), b, &n, &info);
    *s.at<int>(4) = info;
    if (p.m != 1) transpose(p.m, p.n, b, x);
  });
}

namespace {

// A row of the upper factor: its pivot and the two elements after it.
template <class T>
struct UpperRow {
  T pivot, next, after;
};

// Moves a pivot away from zero, by more and more, until dividing by it cannot overflow, as lagts does with
// job -1; a pivot that is tiny beside an equally tiny right side is scaled up together with it.
template <class T>
void perturb(Real<T> by, T& pivot, T* right, int64_t count) {
  using R = Real<T>;
  const R safe = std::numeric_limits<R>::min(), big = 1 / safe;
  if (std::abs(pivot) >= 1) return;
  by = std::copysign(std::max(std::abs(by), safe), std::real(pivot));
  R largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(right[i]));
  while (std::abs(pivot) < 1) {
    const R size = std::abs(pivot);
    if (size < safe && size != 0 && largest * safe <= size) {
      pivot *= big;
      for (int64_t i = 0; i < count; ++i) right[i] *= big;
      return;
    }
    if (size >= safe && largest <= size * big) return;
    pivot += by;
    by *= 2;
    if (!std::isfinite(by)) return;  // the right side is not finite
  }
}

// Elimination with rows exchanged, as lagtf does it, on the right sides at once; then substitution with
// pivots that are perturbed by what the largest element of the factor is rounded by.
template <class T>
void solve_perturbed(int64_t n, int64_t count, const T* lower, const T* diagonal, const T* upper, T* x) {
  using R = Real<T>;
  Scratch scratch;
  UpperRow<T>* u = scratch.take<UpperRow<T>>(n);
  const auto above = [&](int64_t i) { return i + 1 < n ? upper[i] : T(0); };
  u[0] = {diagonal[0], above(0), T(0)};
  R scale = std::abs(u[0].pivot) + std::abs(u[0].next), largest = 0;
  for (int64_t i = 0; i + 1 < n; ++i) {
    UpperRow<T>&row = u[i], &below = u[i + 1];
    const T left = lower[i + 1];
    T *here = x + i * count, *there = here + count;
    const R next_scale = std::abs(left) + std::abs(diagonal[i + 1]) + std::abs(above(i + 1));
    const R first = row.pivot == T(0) ? R(0) : std::abs(row.pivot) / scale;
    if (left == T(0) || std::abs(left) / next_scale <= first) {
      const T factor = left == T(0) ? T(0) : left / row.pivot;
      below = {diagonal[i + 1] - factor * row.next, above(i + 1), T(0)};
      for (int64_t j = 0; j < count; ++j) there[j] -= factor * here[j];
      scale = next_scale;
    } else {
      const T factor = row.pivot / left;
      below = {row.next - factor * diagonal[i + 1], -factor * above(i + 1), T(0)};
      row = {left, diagonal[i + 1], above(i + 1)};
      for (int64_t j = 0; j < count; ++j) {
        const T kept = here[j];
        here[j] = there[j];
        there[j] = kept - factor * there[j];
      }
      scale = std::abs(below.pivot) + std::abs(below.next);
    }
  }
  for (int64_t i = 0; i < n; ++i)
    largest = std::max({largest, std::abs(u[i].pivot), std::abs(u[i].next), std::abs(u[i].after)});
  const R by = std::numeric_limits<R>::epsilon() * largest;
  for (int64_t i = n - 1; i >= 0; --i) {
    T* right = x + i * count;
    for (int64_t j = 0; j < count; ++j) {
      if (i + 1 < n) right[j] -= u[i].next * right[j + count];
      if (i + 2 < n) right[j] -= u[i].after * right[j + 2 * count];
    }
    T pivot = u[i].pivot;
    perturb(by, pivot, right, count);
    for (int64_t j = 0; j < count; ++j) right[j] /= pivot;
  }
}

}  // namespace

void run(const RunContext& context, const GtsvPerturbedParameters& p, Slots slots) {
  if (p.n == 0 || p.m == 0) return;
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    T* x = s.at<T>(0);
    copy(p.n * p.m, s.at<T>(4), x);
    solve_perturbed(p.n, p.m, s.at<T>(1), s.at<T>(2), s.at<T>(3), x);
  });
}

}  // namespace ascend::aicpu
