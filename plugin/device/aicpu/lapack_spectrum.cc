// Eigenvalues and singular values: syevd, sytrd, geev, gees, svd.
#include "plugin/device/aicpu/lapack.h"

namespace ascend::aicpu {
namespace {

template <class T>
bool all_finite(const T* x, int64_t count) {
  return std::all_of(x, x + count,
                     [](const T& e) { return std::isfinite(std::real(e)) && std::isfinite(std::imag(e)); });
}

// Eigenvectors of a real matrix, which LAPACK leaves as real and imaginary parts in two columns for a pair of
// eigenvalues, by rows.
template <class R>
void unpack_pairs(int64_t n, const std::complex<R>* values, const R* columns, std::complex<R>* vectors) {
  for (int64_t j = 0; j < n; ++j) {
    const bool pair = values[j].imag() != 0 && !std::isnan(values[j].imag()) && j + 1 < n;
    const R *re = columns + j * n, *im = re + n;
    for (int64_t i = 0; i < n; ++i) {
      vectors[i * n + j] = {re[i], pair ? im[i] : R(0)};
      if (pair) vectors[i * n + j + 1] = {re[i], -im[i]};
    }
    if (pair) ++j;
  }
}

// Calls a routine that returns real and imaginary parts of eigenvalues where matrices are real.
template <class T, class F>
void with_eigenvalues(Scratch& scratch, int64_t n, std::complex<Real<T>>* values, const F& f) {
  if constexpr (kComplex<T>) {
    f(values);
  } else {
    T *re = scratch.take<T>(n), *im = scratch.take<T>(n);
    f(re, im);
    for (int64_t i = 0; i < n; ++i) values[i] = {re[i], im[i]};
  }
}

}  // namespace

void run(const RunContext& context, const SyevdParameters& p, Slots slots) {
  if (p.n == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.n, p.n, s.at<T>(3));
    const char job = p.vectors ? 'V' : 'N', uplo = p.lower ? 'L' : 'U';
    const int n = narrow(p.n);
    const Private<Real<T>> values(scratch, p.n, s.at<Real<T>>(1));
    int info = 0;
    T work{};
    Real<T> real_work{};
    int size = -1, real_size = -1, integer_size = -1, integer{};
    const auto call = [&](T* w, [[maybe_unused]] Real<T>* r, int* i) {
      if constexpr (kComplex<T>)
        call_lapack<T>(p.kOp, 0, &job, &uplo, &n, a, &n, values.get(), w, &size, r, &real_size, i,
                       &integer_size, &info);
      else
        call_lapack<T>(p.kOp, 0, &job, &uplo, &n, a, &n, values.get(), w, &size, i, &integer_size, &info);
    };
    call(&work, &real_work, &integer);
    size = asked_for(work), real_size = asked_for(real_work), integer_size = std::max(1, integer);
    call(scratch.take<T>(size), scratch.take<Real<T>>(real_size), scratch.take<int>(integer_size));
    *s.at<int>(2) = info;
    transpose(p.n, p.n, a, s.at<T>(0));
  });
}

void run(const RunContext& context, const SytrdParameters& p, Slots slots) {
  if (p.n == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.n, p.n, s.at<T>(5));
    const char uplo = p.lower ? 'L' : 'U';
    const int n = narrow(p.n);
    int info = 0;
    with_workspace<T>(scratch, [&](T* work, int* size) {
      call_lapack<T>(p.kOp, 0, &uplo, &n, a, &n, s.at<Real<T>>(1), s.at<Real<T>>(2), s.at<T>(3), work, size,
                     &info);
    });
    *s.at<int>(4) = info;
    transpose(p.n, p.n, a, s.at<T>(0));
  });
}

void run(const RunContext& context, const GeevParameters& p, Slots slots) {
  using Sides = std::array<std::pair<bool, size_t>, 2>;
  clear_results(p, slots);
  if (p.n == 0) return;
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    using C = std::complex<Real<T>>;
    int info = 0;
    if (!all_finite(s.at<T>(4), p.n * p.n)) {
      *s.at<int>(3) = -4;
      return;
    }
    Scratch scratch;
    T* a = by_columns(scratch, p.n, p.n, s.at<T>(4));
    const char left = p.left ? 'V' : 'N', right = p.right ? 'V' : 'N';
    const int n = narrow(p.n);
    std::array<T*, 2> vectors{scratch.take<T>(p.left ? p.n * p.n : 1),
                              scratch.take<T>(p.right ? p.n * p.n : 1)};
    const Private<C> eigenvalues(scratch, p.n, s.at<C>(0));
    C* values = eigenvalues.get();
    with_eigenvalues<T>(scratch, p.n, values, [&](auto*... w) {
      [[maybe_unused]] Real<T>* real_work = scratch.take<Real<T>>(2 * p.n);
      with_workspace<T>(scratch, [&](T* work, int* size) {
        if constexpr (kComplex<T>)
          call_lapack<T>(p.kOp, 0, &left, &right, &n, a, &n, w..., vectors[0], &n, vectors[1], &n, work, size,
                         real_work, &info);
        else
          call_lapack<T>(p.kOp, 0, &left, &right, &n, a, &n, w..., vectors[0], &n, vectors[1], &n, work, size,
                         &info);
      });
    });
    *s.at<int>(3) = info;
    for (const auto& [wanted, slot] : Sides{{{p.left, 1}, {p.right, 2}}}) {
      if (!wanted || info != 0) continue;
      if constexpr (kComplex<T>)
        transpose(p.n, p.n, vectors[slot - 1], s.at<T>(slot));
      else
        unpack_pairs(p.n, values, vectors[slot - 1], s.at<C>(slot));
    }
  });
}

void run(const RunContext& context, const GeesParameters& p, Slots slots) {
  if (p.n == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.n, p.n, s.at<T>(5));
    T* vectors = scratch.take<T>(p.vectors ? p.n * p.n : 1);
    const char job = p.vectors ? 'V' : 'N', sort = 'N';
    const int n = narrow(p.n);
    void* const select = nullptr;
    int* const sorted = nullptr;
    const Private<std::complex<Real<T>>> values(scratch, p.n, s.at<std::complex<Real<T>>>(2));
    int selected = 0, info = 0;
    with_eigenvalues<T>(scratch, p.n, values.get(), [&](auto*... w) {
      [[maybe_unused]] Real<T>* real_work = scratch.take<Real<T>>(p.n);
      with_workspace<T>(scratch, [&](T* work, int* size) {
        if constexpr (kComplex<T>)
          call_lapack<T>(p.kOp, 0, &job, &sort, select, &n, a, &n, &selected, w..., vectors, &n, work, size,
                         real_work, sorted, &info);
        else
          call_lapack<T>(p.kOp, 0, &job, &sort, select, &n, a, &n, &selected, w..., vectors, &n, work, size,
                         sorted, &info);
      });
    });
    *s.at<int>(3) = selected;
    *s.at<int>(4) = info;
    transpose(p.n, p.n, a, s.at<T>(0));
    if (p.vectors)
      transpose(p.n, p.n, vectors, s.at<T>(1));
    else
      std::fill_n(s.at<T>(1), p.n * p.n, T(0));
  });
}

void run(const RunContext& context, const SvdParameters& p, Slots slots) {
  if (p.k == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    using R = Real<T>;
    Scratch scratch;
    T* a = by_columns(scratch, p.m, p.n, s.at<T>(5));
    const bool wanted = p.vectors != 0;
    T *u = scratch.take<T>(wanted ? p.m * p.columns : 1), *vt = scratch.take<T>(wanted ? p.rows * p.n : 1);
    const char job = "NSA"[p.vectors];
    const int m = narrow(p.m), n = narrow(p.n), rows = wanted ? narrow(p.rows) : 1;
    const Private<R> singular(scratch, p.k, s.at<R>(1));
    R* values = singular.get();
    int info = 0;
    if (p.divide) {
      const int64_t k = p.k, longer = std::max(p.m, p.n);
      [[maybe_unused]] const int64_t reals =
          wanted ? std::max(5 * k * k + 5 * k, 2 * longer * k + 2 * k * k + k) : 7 * k;
      [[maybe_unused]] R* real_work = kComplex<T> ? scratch.take<R>(reals) : nullptr;
      int* integers = scratch.take<int>(8 * k);
      with_workspace<T>(scratch, [&](T* work, int* size) {
        if constexpr (kComplex<T>)
          call_lapack<T>(p.kOp, 0, &job, &m, &n, a, &m, values, u, &m, vt, &rows, work, size, real_work,
                         integers, &info);
        else
          call_lapack<T>(p.kOp, 0, &job, &m, &n, a, &m, values, u, &m, vt, &rows, work, size, integers,
                         &info);
      });
    } else {
      [[maybe_unused]] R* real_work = kComplex<T> ? scratch.take<R>(5 * p.k) : nullptr;
      with_workspace<T>(scratch, [&](T* work, int* size) {
        if constexpr (kComplex<T>)
          call_lapack<T>(p.kOp, 1, &job, &job, &m, &n, a, &m, values, u, &m, vt, &rows, work, size, real_work,
                         &info);
        else
          call_lapack<T>(p.kOp, 1, &job, &job, &m, &n, a, &m, values, u, &m, vt, &rows, work, size, &info);
      });
    }
    *s.at<int>(4) = info;
    copy(p.m * p.n, a, s.at<T>(0));
    if (!wanted) {
      std::memset(s.at<std::byte>(2), 0, s.bytes[2]);
      std::memset(s.at<std::byte>(3), 0, s.bytes[3]);
      return;
    }
    transpose(p.columns, p.m, u, s.at<T>(2));
    transpose(p.n, p.rows, vt, s.at<T>(3));
  });
}

}  // namespace ascend::aicpu
