// fft, rfft, irfft: transforms of many lines, over the pool.
#include <algorithm>
#include <memory>
#include <vector>

#include "plugin/device/aicpu/fourier_lines.h"
#include "plugin/device/aicpu/kernels.h"
#include "plugin/device/aicpu/lines.h"
#include "plugin/device/aicpu/order.h"
#include "plugin/device/aicpu/scratch.h"

namespace ascend::aicpu {
namespace {

constexpr int64_t kLinesOfTask = 16;
constexpr int64_t kElementsOfPart = 1 << 19;  // where lines are copied: some megabytes at a time

// Lines of complex numbers: one for every index of the axes. Strides are in complex numbers.
struct Axis {
  int64_t extent, src, dst, twiddle = 0;
};

template <class T>
struct Job {
  const T* src;
  T* dst;
  int64_t src_step, dst_step;
  std::vector<Axis> axes;
  bool inverse = false;
  T scale = 1;
  const T* twiddles = nullptr;
  int64_t twiddle_step = 0;

  int64_t lines() const {
    int64_t product = 1;
    for (const Axis& axis : axes) product *= axis.extent;
    return product;
  }
};

// The axis whose lines share registers: one that fills the lanes, and lies side by side if there is a choice.
size_t axis_of_lanes(const std::vector<Axis>& axes) {
  const auto worth = [](const Axis& a) {
    return 2 * std::min(a.extent, kLinesOfTask) + (a.src == 1 || a.dst == 1 ? 1 : 0);
  };
  return std::max_element(axes.begin(), axes.end(),
                          [&](const Axis& a, const Axis& b) { return worth(a) < worth(b); }) -
         axes.begin();
}

inline void transform_lines(const FourierLines<float>& lines, void* work) {
  fourier_kernels().f32(lines, work);
}
inline void transform_lines(const FourierLines<double>& lines, void* work) {
  fourier_kernels().f64(lines, work);
}

struct alignas(64) Block {
  std::byte bytes[64];
};

template <class T>
void in_registers(const RunContext& context, const FourierPlan<T>& plan, const Job<T>& job) {
  const size_t lanes = axis_of_lanes(job.axes);
  const Axis& axis = job.axes[lanes];
  const int64_t groups = (axis.extent + kLinesOfTask - 1) / kLinesOfTask;
  const int64_t tasks = job.lines() / axis.extent * groups;
  for_each_line(context, tasks, plan.n * kLinesOfTask, [&](int64_t task) {
    const int64_t first = task % groups * kLinesOfTask;
    int64_t rest = task / groups, src = first * axis.src, dst = first * axis.dst,
            factor = first * axis.twiddle;
    for (size_t i = job.axes.size(); i-- > 0;) {
      if (i == lanes) continue;
      const Axis& a = job.axes[i];
      const int64_t index = rest % a.extent;
      rest /= a.extent;
      src += index * a.src, dst += index * a.dst, factor += index * a.twiddle;
    }
    const int64_t bytes = plan.n * fourier_kernels().work_bytes;
    transform_lines(
        FourierLines<T>{&plan, job.src + 2 * src, job.dst + 2 * dst, job.src_step, job.dst_step, axis.src,
                        axis.dst, std::min(kLinesOfTask, axis.extent - first), job.inverse, job.scale,
                        job.twiddles ? job.twiddles + 2 * factor : nullptr, job.twiddle_step, axis.twiddle},
        scratch<Block, 6>((bytes + 63) / 64));
  });
}

template <class T>
void run_plan(const RunContext& context, const FourierPlan<T>& plan, const Job<T>& job);

// With n = n1 n2, the element of number n2 j1 + j2 contributes to that of number k1 + n1 k2.
template <class T>
void in_two_steps(const RunContext& context, const FourierPlan<T>& plan, const Job<T>& job) {
  const int64_t n1 = plan.inner->n, n2 = plan.outer->n;
  Scratch memory;
  T* between = memory.take<T>(2 * job.lines() * plan.n);  // [..., k1, j2]
  Job<T> first{job.src, between, n2 * job.src_step, n2, job.axes, job.inverse, 1, plan.table.data(), n2};
  Job<T> second{between,           job.dst,      1,
                n1 * job.dst_step, job.axes,     job.inverse,
                job.scale,         job.twiddles, n1 * job.twiddle_step};
  int64_t stride = plan.n;
  for (size_t i = job.axes.size(); i-- > 0; stride *= job.axes[i].extent) {
    first.axes[i].dst = second.axes[i].src = stride;
    first.axes[i].twiddle = 0;
  }
  first.axes.push_back({n2, job.src_step, 1, 1});
  second.axes.push_back({n1, n2, job.dst_step, job.twiddle_step});
  run_plan(context, *plan.inner, first);
  run_plan(context, *plan.outer, second);
}

// to[k] = from[k] factors[k] scale, with the parts of what is read (Re = 1) or written (To = 1) exchanged.
// Steps are in complex numbers; those of 1 are loops of their own, which the compiler can vectorise.
template <int Re, int To, class T>
void multiply(const T* from, int64_t from_step, const T* factors, T scale, int64_t n, T* to,
              int64_t to_step) {
  const auto run = [=](int64_t in, int64_t out) {
    for (int64_t k = 0; k < n; ++k) {
      const T a = from[2 * k * in + Re], b = from[2 * k * in + 1 - Re], c = factors[2 * k] * scale,
              d = factors[2 * k + 1] * scale;
      to[2 * k * out + To] = a * c - b * d, to[2 * k * out + 1 - To] = a * d + b * c;
    }
  };
  if (from_step == 1 && to_step == 1) return run(1, 1);
  run(from_step, to_step);
}

// Element k is chirp[k] times the sum over j of (x chirp)[j] conj(chirp)[k - j].
template <class T>
void by_convolution(const RunContext& context, const FourierPlan<T>& plan, const Job<T>& job) {
  const int64_t n = plan.n, m = plan.inner->n, all = job.lines();
  const int64_t part = std::min(all, std::max(kLinesOfTask, kElementsOfPart / m));
  const T *chirp = plan.table.data(), *spectrum = chirp + 2 * n;
  // The inverse exchanges both parts, before and after.
  const auto before = job.inverse ? multiply<1, 0, T> : multiply<0, 0, T>;
  const auto after = job.inverse ? multiply<0, 1, T> : multiply<0, 0, T>;
  Scratch memory;
  T *x = memory.take<T>(2 * part * m), *y = memory.take<T>(2 * part * m);
  const auto place = [&](int64_t line) {
    std::pair<int64_t, int64_t> at{0, 0};
    for (size_t i = job.axes.size(); i-- > 0; line /= job.axes[i].extent) {
      const int64_t index = line % job.axes[i].extent;
      at.first += index * job.axes[i].src, at.second += index * job.axes[i].dst;
    }
    return at;
  };
  for (int64_t first = 0; first < all; first += part) {
    const int64_t lines = std::min(part, all - first);
    for_each_line(context, lines, m, [&](int64_t line) {
      T* to = x + 2 * line * m;
      before(job.src + 2 * place(first + line).first, job.src_step, chirp, 1, n, to, 1);
      std::fill(to + 2 * n, to + 2 * m, T(0));
    });
    Job<T> convolved{x, y, 1, 1, {{lines, m, m}}};
    convolved.twiddles = spectrum, convolved.twiddle_step = 1;
    run_plan(context, *plan.inner, convolved);
    run_plan(context, *plan.inner, Job<T>{y, x, 1, 1, {{lines, m, m}}, true});
    for_each_line(context, lines, m, [&](int64_t line) {
      after(x + 2 * line * m, 1, chirp, job.scale, n, job.dst + 2 * place(first + line).second, job.dst_step);
    });
  }
}

template <class T>
void run_plan(const RunContext& context, const FourierPlan<T>& plan, const Job<T>& job) {
  if (plan.in_registers()) return in_registers(context, plan, job);
  if (plan.by_convolution()) return by_convolution(context, plan, job);
  in_two_steps(context, plan, job);
}

template <class T>
void complex_to_complex(const RunContext& context, int64_t n, const Job<T>& job) {
  run_plan(context, *fourier_plan<T>(n, job.lines()), job);
}

// Lines of an odd length as complex numbers: `fill` writes them, `take` reads the results.
template <class T, class Fill, class Take>
void through_complex(const RunContext& context, int64_t batch, int64_t n, bool inverse, T scale,
                     const Fill& fill, const Take& take) {
  const int64_t part = std::min(batch, std::max(kLinesOfTask, kElementsOfPart / n));
  Scratch memory;
  T *x = memory.take<T>(2 * part * n), *y = memory.take<T>(2 * part * n);
  for (int64_t first = 0; first < batch; first += part) {
    const int64_t lines = std::min(part, batch - first);
    for_each_line(context, lines, n, [&](int64_t line) { fill(first + line, x + 2 * line * n); });
    complex_to_complex(context, n, Job<T>{x, y, 1, 1, {{lines, n, n}}, inverse, scale});
    for_each_line(context, lines, n, [&](int64_t line) { take(first + line, y + 2 * line * n); });
  }
}

// Real lines of an even length n as complex ones of half of it: z[j] = x[2 j] + i x[2 j + 1]. With Z its
// transform, E and O those of the even and odd elements, E = (Z[k] + conj Z[h - k]) / 2, i O = (Z[k] - conj
// Z[h - k]) / 2 and X[k] = E[k] + w^k O[k].
template <class T>
void real_to_complex(const RunContext& context, int64_t batch, int64_t n, const T* src, T* dst) {
  const int64_t h = n / 2, k = h + 1;
  if (n % 2) {
    return through_complex<T>(
        context, batch, n, false, T(1),
        [=](int64_t line, T* x) {
          for (int64_t j = 0; j < n; ++j) x[2 * j] = src[line * n + j], x[2 * j + 1] = 0;
        },
        [=](int64_t line, const T* y) { std::copy_n(y, 2 * k, dst + 2 * line * k); });
  }
  complex_to_complex(context, h, Job<T>{src, dst, 1, 1, {{batch, h, k}}});
  const auto roots = fourier_roots<T>(n, h / 2 + 1);
  for_each_line(context, batch, n, [&, w = roots->data()](int64_t line) {
    T* z = dst + 2 * line * k;
    const T first = z[0], second = z[1];
    z[0] = first + second, z[1] = 0, z[2 * h] = first - second, z[2 * h + 1] = 0;
    for (int64_t a = 1, b = h - 1; a <= b; ++a, --b) {
      const T even_re = (z[2 * a] + z[2 * b]) / 2, even_im = (z[2 * a + 1] - z[2 * b + 1]) / 2;
      const T odd_re = (z[2 * a + 1] + z[2 * b + 1]) / 2, odd_im = (z[2 * b] - z[2 * a]) / 2;
      const T re = odd_re * w[2 * a] - odd_im * w[2 * a + 1], im = odd_re * w[2 * a + 1] + odd_im * w[2 * a];
      z[2 * a] = even_re + re, z[2 * a + 1] = even_im + im;
      z[2 * b] = even_re - re, z[2 * b + 1] = im - even_im;
    }
  });
}

// The inverse; what the imaginary parts of the first and, for an even n, the last element say is ignored.
template <class T>
void complex_to_real(const RunContext& context, int64_t batch, int64_t n, const T* src, T* dst) {
  const int64_t h = n / 2, k = h + 1;
  const T scale = T(1) / static_cast<T>(n);
  if (n % 2) {
    return through_complex<T>(
        context, batch, n, true, scale,
        [=](int64_t line, T* x) {
          const T* from = src + 2 * line * k;
          x[0] = from[0], x[1] = 0;
          for (int64_t j = 1; j <= h; ++j) {
            x[2 * j] = x[2 * (n - j)] = from[2 * j];
            x[2 * j + 1] = from[2 * j + 1], x[2 * (n - j) + 1] = -from[2 * j + 1];
          }
        },
        [=](int64_t line, const T* y) {
          for (int64_t j = 0; j < n; ++j) dst[line * n + j] = y[2 * j];
        });
  }
  const auto roots = fourier_roots<T>(n, h / 2 + 1);
  const int64_t part = std::min(batch, std::max(kLinesOfTask, kElementsOfPart / h));
  Scratch memory;
  T* packed = memory.take<T>(2 * part * h);
  for (int64_t first = 0; first < batch; first += part) {
    const int64_t lines = std::min(part, batch - first);
    for_each_line(context, lines, n, [&, w = roots->data()](int64_t line) {
      const T* x = src + 2 * (first + line) * k;
      T* z = packed + 2 * line * h;
      z[0] = x[0] + x[2 * h], z[1] = x[0] - x[2 * h];
      for (int64_t a = 1, b = h - 1; a <= b; ++a, --b) {
        const T even_re = x[2 * a] + x[2 * b], even_im = x[2 * a + 1] - x[2 * b + 1];
        const T re = x[2 * a] - x[2 * b], im = x[2 * a + 1] + x[2 * b + 1];
        const T odd_re = re * w[2 * a] + im * w[2 * a + 1], odd_im = im * w[2 * a] - re * w[2 * a + 1];
        z[2 * a] = even_re - odd_im, z[2 * a + 1] = even_im + odd_re;
        z[2 * b] = even_re + odd_im, z[2 * b + 1] = odd_re - even_im;
      }
    });
    complex_to_complex(context, h, Job<T>{packed, dst + first * n, 1, 1, {{lines, h, h}}, true, scale});
  }
}

// f<T>() for the real type of the parameters.
template <class F>
void as_real(DType dtype, const F& f) {
  if (dtype == DType::kf64) return f.template operator()<double>();
  f.template operator()<float>();
}

}  // namespace

void run(const RunContext& context, const FftParameters& p, Slots slots) {
  if (p.batch == 0 || p.n == 0 || p.inner == 0) return;  // the others may be huge
  as_real(p.dtype, [&]<class T>() {
    Job<T> job{reinterpret_cast<const T*>(slots[1]),
               reinterpret_cast<T*>(slots[0]),
               p.inner,
               p.inner,
               {},
               p.inverse};
    if (p.inverse) job.scale = T(1) / static_cast<T>(p.n);
    if (p.batch > 1 || p.inner == 1) job.axes.push_back({p.batch, p.n * p.inner, p.n * p.inner});
    if (p.inner > 1) job.axes.push_back({p.inner, 1, 1});
    complex_to_complex(context, p.n, job);
  });
}

void run(const RunContext& context, const RfftParameters& p, Slots slots) {
  if (p.batch == 0 || p.n == 0) return;
  as_real(p.dtype, [&]<class T>() {
    real_to_complex(context, p.batch, p.n, reinterpret_cast<const T*>(slots[1]),
                    reinterpret_cast<T*>(slots[0]));
  });
}

void run(const RunContext& context, const IrfftParameters& p, Slots slots) {
  if (p.batch == 0 || p.n == 0) return;
  as_real(p.dtype, [&]<class T>() {
    complex_to_real(context, p.batch, p.n, reinterpret_cast<const T*>(slots[1]),
                    reinterpret_cast<T*>(slots[0]));
  });
}

}  // namespace ascend::aicpu
