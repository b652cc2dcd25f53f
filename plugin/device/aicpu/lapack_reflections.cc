// Householder's reflections: geqrf, geqp3, gehrd, what they pack multiplied out (orgqr) or applied (ormqr).
#include "plugin/device/aicpu/lapack.h"

namespace ascend::aicpu {

void run(const RunContext& context, const GeqrfParameters& p, Slots slots) {
  if (p.k == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.m, p.n, s.at<T>(2));
    const int m = narrow(p.m), n = narrow(p.n);
    int info;
    with_workspace<T>(scratch, [&](T* work, int* size) {
      call_lapack<T>(p.kOp, 0, &m, &n, a, &m, s.at<T>(1), work, size, &info);
    });
    transpose(p.n, p.m, a, s.at<T>(0));
  });
}

void run(const RunContext& context, const Geqp3Parameters& p, Slots slots) {
  if (p.k == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.m, p.n, s.at<T>(3));
    const Private<int> order(scratch, p.n, s.at<int>(1));
    int* columns = order.get();
    copy(p.n, s.at<int>(4), columns);
    const int m = narrow(p.m), n = narrow(p.n);
    int info;
    with_workspace<T>(scratch, [&](T* work, int* size) {
      if constexpr (kComplex<T>)
        call_lapack<T>(p.kOp, 0, &m, &n, a, &m, columns, s.at<T>(2), work, size,
                       scratch.take<Real<T>>(2 * p.n), &info);
      else
        call_lapack<T>(p.kOp, 0, &m, &n, a, &m, columns, s.at<T>(2), work, size, &info);
    });
    transpose(p.n, p.m, a, s.at<T>(0));
  });
}

void run(const RunContext& context, const OrgqrParameters& p, Slots slots) {
  if (p.n == 0) return;
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.m, p.n, s.at<T>(1));
    const int m = narrow(p.m), n = narrow(p.n), k = narrow(p.k);
    int info;
    with_workspace<T>(scratch, [&](T* work, int* size) {
      call_lapack<T>(p.kOp, 0, &m, &n, &k, a, &m, s.at<T>(2), work, size, &info);
    });
    transpose(p.n, p.m, a, s.at<T>(0));
  });
}

void run(const RunContext& context, const OrmqrParameters& p, Slots slots) {
  if (p.m == 0 || p.n == 0) return;
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.r, p.columns, s.at<T>(1));
    T* c = by_columns(scratch, p.m, p.n, s.at<T>(3));
    const char side = p.left ? 'L' : 'R', transposed = !p.transpose ? 'N' : kComplex<T> ? 'C' : 'T';
    const int m = narrow(p.m), n = narrow(p.n), k = narrow(p.k), r = leading(p.r);
    int info;
    with_workspace<T>(scratch, [&](T* work, int* size) {
      call_lapack<T>(p.kOp, 0, &side, &transposed, &m, &n, &k, a, &r, s.at<T>(2), c, &m, work, size, &info);
    });
    transpose(p.n, p.m, c, s.at<T>(0));
  });
}

void run(const RunContext& context, const GehrdParameters& p, Slots slots) {
  if (p.n == 0) return clear_results(p, slots);
  for_each_typed(context, p, slots, [&]<class T>(const Member& s) {
    Scratch scratch;
    T* a = by_columns(scratch, p.n, p.n, s.at<T>(3));
    const int n = narrow(p.n), low = narrow(p.low), high = narrow(p.high);
    int info = 0;
    with_workspace<T>(scratch, [&](T* work, int* size) {
      call_lapack<T>(p.kOp, 0, &n, &low, &high, a, &n, s.at<T>(1), work, size, &info);
    });
    *s.at<int>(2) = info;
    transpose(p.n, p.n, a, s.at<T>(0));
  });
}

}  // namespace ascend::aicpu
