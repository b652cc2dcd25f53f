// Kernels on batches of matrices that lie by rows: their verifier, and what their bodies are written with.
#pragma once
#include <algorithm>
#include <array>
#include <climits>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "plugin/device/aicpu/kernels.h"
#include "plugin/device/aicpu/lapack_functions.h"
#include "plugin/device/aicpu/scratch.h"

namespace ascend::aicpu {

// Bytes of a slot of one member of the batch; with the batch they fit its slot.
template <Batched P>
int64_t member_bytes(const P& p, const SlotShape& shape) {
  int64_t product = element_bytes(shape.element, dtype_of(p));
  for (const SlotExtent& extent : shape.extents) product *= extent_of(p, extent);
  return product;
}

// The slots of one member of the batch.
struct Member {
  template <class T>
  T* at(size_t slot) const {
    return reinterpret_cast<T*>(slots[slot] + number * bytes[slot]);
  }
  Slots slots;
  const int64_t* bytes;
  int64_t number;
};

// Fills all results with zeros: where there is nothing to compute, and for what is not asked for.
template <Batched P>
void clear_results(const P& p, Slots slots) {
  for (size_t i = 0; i < p.written(); ++i)
    std::memset(slots[i], 0, p.batch * member_bytes(p, P::shapes()[i]));
}

// Calls f(member) for every member, one after the other: BLAS has threads and locks of its own, and on two
// loaded cores 64 inverses of 32 x 32 took 0.7 ms so, and up to 500 ms with two callers at once.
template <Batched P, class F>
void for_each_member(const RunContext& context, const P& p, Slots slots, const F& f) {
  if (p.batch == 0) return;  // then the extents may be huge
  std::vector<int64_t> bytes;
  for (const SlotShape& shape : P::shapes()) bytes.push_back(member_bytes(p, shape));
  for (int64_t i = 0; i < p.batch; ++i) {
    context.check();
    f(Member{slots, bytes.data(), i});
  }
}

// The same with the element type, as f<T>(member).
template <Batched P, class F>
void for_each_typed(const RunContext& context, const P& p, Slots slots, const F& f) {
  const auto run_as = [&]<class T>(T*) {
    for_each_member(context, p, slots, [&](const Member& s) { f.template operator()<T>(s); });
  };
  switch (p.dtype) {
    case DType::kf32:
      return run_as(static_cast<float*>(nullptr));
    case DType::kf64:
      return run_as(static_cast<double*>(nullptr));
    case DType::kc64:
      return run_as(static_cast<std::complex<float>*>(nullptr));
    default:
      return run_as(static_cast<std::complex<double>*>(nullptr));
  }
}

// dst = src transposed, [rows, columns] to [columns, rows]; they do not overlap.
template <class T>
void transpose(int64_t rows, int64_t columns, const T* src, T* dst) {
  constexpr int64_t kBlock = 16;
  for (int64_t r = 0; r < rows; r += kBlock) {
    const int64_t last_row = std::min(rows, r + kBlock);
    for (int64_t c = 0; c < columns; c += kBlock) {
      const int64_t last_column = std::min(columns, c + kBlock);
      for (int64_t j = c; j < last_column; ++j)
        for (int64_t i = r; i < last_row; ++i) dst[j * rows + i] = src[i * columns + j];
    }
  }
}

// A vector of results in memory of its own, which it leaves when it ends. Slots of a program may overlap:
// nothing that LAPACK reads back as an index, and nothing whose order it relies on, may lie in them while it
// runs.
template <class T>
class Private {
 public:
  Private(Scratch& scratch, int64_t count, T* slot)
      : slot_(slot), count_(count), memory_(scratch.take<T>(count)) {}
  ~Private() { std::copy_n(memory_, count_, slot_); }
  Private(const Private&) = delete;
  T* get() const { return memory_; }

 private:
  T* slot_;
  int64_t count_;
  T* memory_;
};

// A matrix by columns, as LAPACK takes it, in memory of its own.
template <class T>
T* by_columns(Scratch& scratch, int64_t rows, int64_t columns, const T* src) {
  T* dst = scratch.take<T>(rows * columns);
  transpose(rows, columns, src, dst);
  return dst;
}

template <class T>
void copy(int64_t count, const T* src, T* dst) {
  if (src != dst) std::copy_n(src, count, dst);
}

// How much memory a routine asks for: a number of elements, perhaps rounded down to f32.
template <class T>
int asked_for(T answer) {
  const double count = std::ceil(static_cast<double>(std::real(answer)) *
                                 (1 + static_cast<double>(std::numeric_limits<Real<T>>::epsilon())));
  if (!(count <= INT_MAX)) {
    throw Error(Code::kResourceExhausted,
                "[aicpu] a routine of LAPACK asks for more memory than it can count in 32 bits.");
  }
  return std::max(1, static_cast<int>(count));
}

// Calls f(work, lwork) twice: first to ask for the size.
template <class T, class F>
void with_workspace(Scratch& scratch, const F& f) {
  T answer{};
  int size = -1;
  f(&answer, &size);
  size = asked_for(answer);
  f(scratch.take<T>(size), &size);
}

inline int narrow(int64_t n) { return static_cast<int>(n); }                         // within INT_MAX
inline int leading(int64_t n) { return static_cast<int>(std::max<int64_t>(n, 1)); }  // dimension of LAPACK

}  // namespace ascend::aicpu
