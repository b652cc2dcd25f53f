#include "plugin/device/aicpu/fourier_lines.h"

#include "plugin/device/execute/simd/lanes.h"

namespace ascend::SIMD_VARIANT {
namespace {

using aicpu::FourierLines;
using aicpu::FourierStep;

template <class T>
struct Complex {  // of as many lines as there are lanes
  Vec<T> re, im;
};
template <class T>
ASCEND_INLINE Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
ASCEND_INLINE Complex<T> operator-(Complex<T> a, Complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
ASCEND_INLINE Complex<T> operator*(Complex<T> a, T b) {
  return {a.re * b, a.im * b};
}
// a times -i.
template <class T>
ASCEND_INLINE Complex<T> turned(Complex<T> a) {
  return {a.im, -a.re};
}
template <class T>
ASCEND_INLINE Complex<T> times(Complex<T> a, const T* w) {
  return {a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]};
}

// The transform of `radix` elements, in place.
template <class T>
ASCEND_INLINE void butterfly2(Complex<T>* x) {
  const Complex<T> a = x[0], b = x[1];
  x[0] = a + b, x[1] = a - b;
}

template <class T>
ASCEND_INLINE void butterfly4(Complex<T>* x) {
  const Complex<T> a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = turned(x[1] - x[3]);
  x[0] = a + c, x[1] = b + d, x[2] = a - c, x[3] = b - d;
}

template <class T>
ASCEND_INLINE void butterfly3(Complex<T>* x) {
  const Complex<T> sum = x[1] + x[2], half = x[0] - sum * T(0.5);
  const Complex<T> side = turned(x[1] - x[2]) * T(0.866025403784438646763723170752936183L);
  x[0] = x[0] + sum, x[1] = half + side, x[2] = half - side;
}

template <class T>
ASCEND_INLINE void butterfly5(Complex<T>* x) {
  constexpr T c1 = 0.309016994374947424102293417182819059L, s1 = 0.951056516295153572116439333379382143L;
  constexpr T c2 = -0.809016994374947424102293417182819059L, s2 = 0.587785252292473129168705954639072769L;
  const Complex<T> p1 = x[1] + x[4], p2 = x[2] + x[3], d1 = x[1] - x[4], d2 = x[2] - x[3];
  const Complex<T> a = x[0] + p1 * c1 + p2 * c2, b = x[0] + p1 * c2 + p2 * c1;
  const Complex<T> c = turned(d1 * s1 + d2 * s2), d = turned(d1 * s2 - d2 * s1);
  x[0] = x[0] + p1 + p2, x[1] = a + c, x[4] = a - c, x[2] = b + d, x[3] = b - d;
}

// Any odd radix: pairs of elements k and radix - k share their products with the cosine and the sine.
template <class T>
void butterfly(Complex<T>* x, int64_t radix, const T* roots) {
  Complex<T> plus[30], minus[30], rest = x[0];
  const int64_t half = radix / 2;
  for (int64_t k = 0; k < half; ++k) {
    plus[k] = x[k + 1] + x[radix - 1 - k], minus[k] = x[k + 1] - x[radix - 1 - k];
    rest = rest + plus[k];
  }
  const Complex<T> first = x[0];
  for (int64_t q = 1; q <= half; ++q) {
    Complex<T> even = first, odd{};
    for (int64_t k = 0, at = 0; k < half; ++k) {
      at += q;
      if (at >= radix) at -= radix;
      even = even + plus[k] * roots[2 * at], odd = odd + minus[k] * -roots[2 * at + 1];
    }
    odd = turned(odd);
    x[q] = even + odd, x[radix - q] = even - odd;
  }
  x[0] = rest;
}

// One pass of Stockham's algorithm: element q + stride (p + m k) of src goes, as output k, to q + stride
// (radix p + k).
template <class T, int kRadix>
void pass(const FourierStep& step, const T* table, int64_t stride, const Complex<T>* src, Complex<T>* dst) {
  const int64_t radix = kRadix ? kRadix : step.radix, m = step.m;
  const T* w = table + step.twiddles;
  for (int64_t p = 0; p < m; ++p, w += 2 * (radix - 1)) {
    for (int64_t q = 0; q < stride; ++q) {
      Complex<T> x[kRadix ? kRadix : 61];
      const Complex<T>* from = src + q + stride * p;
      x[0] = from[0];
#pragma GCC unroll 5
      for (int64_t k = 1; k < radix; ++k) x[k] = from[stride * m * k];
      if constexpr (kRadix == 2) butterfly2(x);
      if constexpr (kRadix == 3) butterfly3(x);
      if constexpr (kRadix == 4) butterfly4(x);
      if constexpr (kRadix == 5) butterfly5(x);
      if constexpr (kRadix == 0) butterfly(x, radix, table + step.roots);
      Complex<T>* to = dst + q + stride * radix * p;
      to[0] = x[0];
#pragma GCC unroll 5
      for (int64_t k = 1; k < radix; ++k) to[stride * k] = p == 0 ? x[k] : times(x[k], w + 2 * (k - 1));
    }
  }
}

// The lanes of L vectors exchanged with their numbers.
template <class T>
ASCEND_INLINE void transpose(Vec<T>* x) {
  constexpr int n = kLanes<T>;
  using Index = Vec<std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>;
  Index low, high;
  for (int i = 0; i < n; ++i) {
    low[i] = i / 2 + (i % 2) * n;
    high[i] = low[i] + n / 2;
  }
#pragma GCC unroll 4
  for (int round = 1; round < n; round *= 2) {  // each interleaves vectors half of them apart
    Vec<T> y[n];
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; ++i) {
      y[2 * i] = __builtin_shuffle(x[i], x[i + n / 2], low);
      y[2 * i + 1] = __builtin_shuffle(x[i], x[i + n / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) x[i] = y[i];
  }
}

template <class T>
ASCEND_INLINE Vec<T> load(const T* p) {
  Vec<T> x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
template <class T>
ASCEND_INLINE void store(T* p, Vec<T> x) {
  __builtin_memcpy(p, &x, sizeof x);
}

// Complex numbers that lie side by side, and the same by parts.
template <class T>
ASCEND_INLINE Complex<T> apart(const T* p) {
  constexpr int n = kLanes<T>;
  using Index = Vec<std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>;
  Index even;
  for (int i = 0; i < n; ++i) even[i] = 2 * i;
  const Vec<T> a = load(p), b = load(p + n);
  return {__builtin_shuffle(a, b, even), __builtin_shuffle(a, b, even + 1)};
}
template <class T>
ASCEND_INLINE void together(T* p, Complex<T> x) {
  constexpr int n = kLanes<T>;
  using Index = Vec<std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>;
  Index low;
  for (int i = 0; i < n; ++i) low[i] = i / 2 + (i % 2) * n;
  store(p, __builtin_shuffle(x.re, x.im, low));
  store(p + n, __builtin_shuffle(x.re, x.im, low + n / 2));
}

// Lines number first.. of `a` into x, those beyond the last as zeros.
template <class T>
void load_lines(const FourierLines<T>& a, const T* src, int64_t lines, Complex<T>* x) {
  constexpr int n = kLanes<T>;
  const int64_t count = a.plan->n;
  int64_t k = 0;
  if (lines == n && a.src_line == 1) {
    for (; k < count; ++k) x[k] = apart(src + 2 * k * a.src_step);
  } else if (lines == n && a.src_step == 1) {
    for (; k + n / 2 <= count; k += n / 2) {
      Vec<T> block[n];
      for (int i = 0; i < n; ++i) block[i] = load(src + 2 * (i * a.src_line + k));
      transpose<T>(block);
      for (int i = 0; i < n / 2; ++i) x[k + i] = Complex<T>{block[2 * i], block[2 * i + 1]};
    }
  }
  for (; k < count; ++k) {
    x[k] = Complex<T>{Vec<T>{}, Vec<T>{}};
    for (int i = 0; i < lines; ++i) {
      const T* from = src + 2 * (i * a.src_line + k * a.src_step);
      x[k].re[i] = from[0], x[k].im[i] = from[1];
    }
  }
}

template <class T>
void store_lines(const FourierLines<T>& a, T* dst, int64_t lines, const Complex<T>* x) {
  constexpr int n = kLanes<T>;
  const int64_t count = a.plan->n;
  int64_t k = 0;
  if (lines == n && a.dst_line == 1) {
    for (; k < count; ++k) together(dst + 2 * k * a.dst_step, x[k]);
  } else if (lines == n && a.dst_step == 1) {
    for (; k + n / 2 <= count; k += n / 2) {
      Vec<T> block[n];
      for (int i = 0; i < n / 2; ++i) block[2 * i] = x[k + i].re, block[2 * i + 1] = x[k + i].im;
      transpose<T>(block);
      for (int i = 0; i < n; ++i) store(dst + 2 * (i * a.dst_line + k), block[i]);
    }
  }
  for (; k < count; ++k) {
    for (int i = 0; i < lines; ++i) {
      T* to = dst + 2 * (i * a.dst_line + k * a.dst_step);
      to[0] = x[k].re[i], to[1] = x[k].im[i];
    }
  }
}

// x times the twiddles of these lines.
template <class T>
void twiddle(const FourierLines<T>& a, const T* twiddles, int64_t lines, Complex<T>* x) {
  for (int64_t k = 0; k < a.plan->n; ++k) {
    const T* w = twiddles + 2 * k * a.twiddle_step;
    Complex<T> factor{};
    if (a.twiddle_line == 0) {
      factor = Complex<T>{Vec<T>{} + w[0], Vec<T>{} + w[1]};
    } else if (lines == kLanes<T>) {
      factor = apart(w);
    } else {
      for (int i = 0; i < lines; ++i) factor.re[i] = w[2 * i], factor.im[i] = w[2 * i + 1];
    }
    x[k] = Complex<T>{x[k].re * factor.re - x[k].im * factor.im, x[k].re * factor.im + x[k].im * factor.re};
  }
}

template <class T>
void exchange(int64_t n, T scale, Complex<T>* x) {
  for (int64_t k = 0; k < n; ++k) x[k] = Complex<T>{x[k].im * scale, x[k].re * scale};
}

template <class T>
void transform(const FourierLines<T>& a, void* work) {
  const int64_t n = a.plan->n;
  for (int64_t first = 0; first < a.lines; first += kLanes<T>) {
    const int64_t lines = a.lines - first < kLanes<T> ? a.lines - first : kLanes<T>;
    Complex<T>*x = static_cast<Complex<T>*>(work), *y = x + n;
    load_lines(a, a.src + 2 * first * a.src_line, lines, x);
    if (a.inverse)
      exchange(n, T(1), x);  // the inverse is the transform with both parts exchanged, before and after
    int64_t stride = 1;
    for (const FourierStep& step : a.plan->steps) {
      const T* table = a.plan->table.data();
      switch (step.radix) {
        case 2:
          pass<T, 2>(step, table, stride, x, y);
          break;
        case 3:
          pass<T, 3>(step, table, stride, x, y);
          break;
        case 4:
          pass<T, 4>(step, table, stride, x, y);
          break;
        case 5:
          pass<T, 5>(step, table, stride, x, y);
          break;
        default:
          pass<T, 0>(step, table, stride, x, y);
      }
      stride *= step.radix;
      Complex<T>* swap = x;
      x = y, y = swap;
    }
    if (a.twiddles) twiddle(a, a.twiddles + 2 * first * a.twiddle_line, lines, x);
    if (a.inverse) exchange(n, a.scale, x);
    store_lines(a, a.dst + 2 * first * a.dst_line, lines, x);
  }
}

}  // namespace

extern const aicpu::FourierKernels kFourierKernels;
const aicpu::FourierKernels kFourierKernels = {transform<float>, transform<double>, 4 * kVectorBytes};

}  // namespace ascend::SIMD_VARIANT
