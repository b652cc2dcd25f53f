#include "plugin/device/aicpu/fourier_plan.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <mutex>
#include <numbers>
#include <utility>

namespace ascend::aicpu {
namespace {

using Wide = long double;

constexpr int64_t kLongest = 2048;     // of a line in registers: two copies of 16 lines fit a core's L2 cache
constexpr int64_t kLargestRadix = 61;  // beyond it a convolution takes fewer operations than radix^2
constexpr int64_t kLanesWanted = 16;   // fewer lines leave lanes of f32 idle
constexpr int64_t kWorthSplitting = 64;
constexpr size_t kPlansKept = 32;

struct Root {
  Wide re, im;
};

// e^(-2 pi i k / n), exact to the type: angles are reduced to an eighth of a turn in integers.
Root root(int64_t k, int64_t n) {
  __int128 eighths = static_cast<__int128>(k) * 8;
  const int64_t octant = static_cast<int64_t>(eighths / n);
  const Wide rest = static_cast<Wide>(static_cast<int64_t>(eighths % n)) / static_cast<Wide>(n);
  const Wide quarter = std::numbers::pi_v<Wide> / 4;
  const bool odd = octant & 1;  // mirrored, so that the angle stays below an eighth
  const Wide angle = quarter * (odd ? 1 - rest : rest);
  Wide c = std::cos(angle), s = std::sin(angle);
  if (odd) std::swap(c, s);
  switch (octant / 2) {
    case 0:
      return {c, -s};
    case 1:
      return {-s, -c};
    case 2:
      return {-c, s};
    default:
      return {s, c};
  }
}

// The n-th roots of unity, from two short tables: a product of two has the error of one rounding of Wide.
class Roots {
 public:
  explicit Roots(int64_t n) : n_(n) {
    while (int64_t{1} << (2 * shift_) < n) ++shift_;
    for (int64_t k = 0; k < int64_t{1} << shift_; ++k) fine_.push_back(root(std::min(k, n - 1), n));
    for (int64_t k = 0; k < n; k += int64_t{1} << shift_) coarse_.push_back(root(k, n));
  }
  Root operator()(int64_t k) const {  // 0 <= k < n
    const Root a = coarse_[k >> shift_], b = fine_[k & ((int64_t{1} << shift_) - 1)];
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
  int64_t n() const { return n_; }

 private:
  int64_t n_;
  int shift_ = 0;
  std::vector<Root> fine_, coarse_;
};

template <class T>
void append(std::vector<T>& table, Root r) {
  table.push_back(static_cast<T>(r.re));
  table.push_back(static_cast<T>(r.im));
}

// Prime factors in ascending order; what is left of n once those up to kLargestRadix are out.
std::pair<std::vector<int64_t>, int64_t> factors(int64_t n) {
  std::vector<int64_t> found;
  for (int64_t p = 2; p <= kLargestRadix; ++p)
    for (; n % p == 0; n /= p) found.push_back(p);
  return {found, n};
}

bool fits_registers(int64_t n) { return n <= kLongest && factors(n).second == 1; }

// The largest divisor of n up to `most` whose own factors are small, not 1 or n; 0 if there is none.
int64_t divisor(int64_t n, int64_t most) {
  for (int64_t d = std::min(most, n / 2); d > 1; --d)
    if (n % d == 0 && factors(d).second == 1) return d;
  return 0;
}

// A length of at least `least` that is cheap to transform: 2^a 3^b 5^c.
int64_t smooth(int64_t least) {
  int64_t best = INT64_MAX;
  for (int64_t five = 1; five < 2 * least; five *= 5)
    for (int64_t three = five; three < 2 * least; three *= 3) {
      int64_t n = three;
      while (n < least) n *= 2;
      best = std::min(best, n);
    }
  return best;
}

template <class T>
FourierPlan<T> steps_of(int64_t n) {
  FourierPlan<T> plan;
  plan.n = n;
  std::vector<int64_t> radices = factors(n).first;
  const size_t twos = std::count(radices.begin(), radices.end(), 2);
  radices.erase(radices.begin(), radices.begin() + twos);
  radices.insert(radices.begin(), twos % 2, 2);
  radices.insert(radices.begin(), twos / 2, 4);
  const Roots roots(n);
  int64_t left = n;
  for (int64_t radix : radices) {
    const int64_t m = left / radix, turn = n / left;
    FourierStep step{radix, m, static_cast<int64_t>(plan.table.size()), 0};
    for (int64_t p = 0; p < m; ++p)
      for (int64_t k = 1; k < radix; ++k) append(plan.table, roots(p * k * turn));
    step.roots = static_cast<int64_t>(plan.table.size());
    if (radix > 5)
      for (int64_t k = 0; k < radix; ++k) append(plan.table, root(k, radix));
    plan.steps.push_back(step);
    left = m;
  }
  return plan;
}

template <class T>
std::shared_ptr<const FourierPlan<T>> make(int64_t n, bool few_lines);

template <class T>
FourierPlan<T> split(int64_t n, int64_t inner) {
  FourierPlan<T> plan;
  plan.n = n;
  const int64_t outer = n / inner;
  plan.inner = make<T>(inner, outer < kLanesWanted);
  plan.outer = make<T>(outer, inner < kLanesWanted);
  const Roots roots(n);
  plan.table.reserve(2 * n);
  for (int64_t k = 0; k < inner; ++k)
    for (int64_t j = 0; j < outer; ++j) append(plan.table, roots(k * j));
  return plan;
}

// In place, by the plan's own definition; for tables only.
void transform_slowly(std::vector<Root>& x);

template <class T>
FourierPlan<T> convolution(int64_t n) {
  FourierPlan<T> plan;
  plan.n = n;
  const int64_t m = smooth(2 * n - 1);
  plan.inner = make<T>(m, false);
  std::vector<Root> around(m);
  for (int64_t k = 0; k < n; ++k) {
    const Root r = root(static_cast<int64_t>(static_cast<__int128>(k) * k % (2 * n)), 2 * n);
    append(plan.table, r);
    around[k] = around[(m - k) % m] = {r.re / static_cast<Wide>(m), -r.im / static_cast<Wide>(m)};
  }
  transform_slowly(around);
  for (const Root& r : around) append(plan.table, r);
  return plan;
}

// Recursive Cooley and Tukey in Wide, for a length of factors 2, 3 and 5.
void transform_into(const Roots& roots, const Root* src, int64_t stride, int64_t n, Root* dst) {
  if (n == 1) {
    dst[0] = src[0];
    return;
  }
  const int64_t radix = n % 2 == 0 ? 2 : n % 3 == 0 ? 3 : 5, m = n / radix;
  for (int64_t r = 0; r < radix; ++r) transform_into(roots, src + r * stride, stride * radix, m, dst + r * m);
  for (int64_t k = 0; k < m; ++k) {
    Root part[5], sum[5];
    for (int64_t r = 0; r < radix; ++r) part[r] = dst[r * m + k];
    for (int64_t q = 0; q < radix; ++q) {
      sum[q] = part[0];
      for (int64_t r = 1; r < radix; ++r) {
        const Root w = roots(r * (k + q * m) % n * (roots.n() / n));
        sum[q].re += w.re * part[r].re - w.im * part[r].im;
        sum[q].im += w.re * part[r].im + w.im * part[r].re;
      }
    }
    for (int64_t q = 0; q < radix; ++q) dst[q * m + k] = sum[q];
  }
}

void transform_slowly(std::vector<Root>& x) {
  const int64_t n = static_cast<int64_t>(x.size());
  const std::vector<Root> src = x;
  transform_into(Roots(n), src.data(), 1, n, x.data());
}

template <class T>
std::shared_ptr<const FourierPlan<T>> make(int64_t n, bool few_lines) {
  const auto shared = [](FourierPlan<T> plan) {
    return std::make_shared<const FourierPlan<T>>(std::move(plan));
  };
  const bool whole = fits_registers(n);
  if (!whole || (few_lines && n >= kWorthSplitting)) {
    const int64_t root = static_cast<int64_t>(std::sqrt(static_cast<double>(n)));
    // Near the root both halves have lines to fill lanes with; else the largest, which leaves the least to
    // the rest.
    int64_t inner = divisor(n, std::min(root, kLongest));
    if (!whole && inner < kLanesWanted) inner = divisor(n, kLongest);
    if (inner >= (whole ? 4 : 2)) return shared(split<T>(n, inner));
    if (!whole) return shared(convolution<T>(n));
  }
  return shared(steps_of<T>(n));
}

// The last kPlansKept of what was asked for, by key; most recent first.
template <class Key, class Value>
class Recent {
 public:
  template <class F>
  Value get(const Key& key, const F& make) {
    {
      const std::lock_guard lock(mutex_);
      for (auto i = kept_.begin(); i != kept_.end(); ++i)
        if (i->first == key) {
          kept_.splice(kept_.begin(), kept_, i);
          return i->second;
        }
    }
    Value made = make();  // perhaps by two threads at once; either will do
    const std::lock_guard lock(mutex_);
    kept_.emplace_front(key, made);
    if (kept_.size() > kPlansKept) kept_.pop_back();
    return made;
  }

 private:
  std::mutex mutex_;
  std::list<std::pair<Key, Value>> kept_;
};

}  // namespace

template <class T>
std::shared_ptr<const FourierPlan<T>> fourier_plan(int64_t n, int64_t lines) {
  static Recent<std::pair<int64_t, bool>, std::shared_ptr<const FourierPlan<T>>> recent;
  const bool few = lines < kLanesWanted;
  return recent.get({n, few}, [=] { return make<T>(n, few); });
}

template <class T>
std::shared_ptr<const std::vector<T>> fourier_roots(int64_t n, int64_t count) {
  static Recent<std::pair<int64_t, int64_t>, std::shared_ptr<const std::vector<T>>> recent;
  return recent.get({n, count}, [=] {
    auto table = std::make_shared<std::vector<T>>();
    const Roots roots(n);
    for (int64_t k = 0; k < count; ++k) append(*table, roots(k));
    return std::shared_ptr<const std::vector<T>>(std::move(table));
  });
}

template std::shared_ptr<const FourierPlan<float>> fourier_plan(int64_t, int64_t);
template std::shared_ptr<const FourierPlan<double>> fourier_plan(int64_t, int64_t);
template std::shared_ptr<const std::vector<float>> fourier_roots(int64_t, int64_t);
template std::shared_ptr<const std::vector<double>> fourier_roots(int64_t, int64_t);

}  // namespace ascend::aicpu
