// Transforms of some lines at once in registers, a line to a lane: the inner loops of Fourier transforms, one
// table per SIMD variant. All variants give the same bits.
#pragma once
#include <cstdint>

#include "plugin/device/aicpu/fourier_plan.h"

namespace ascend::aicpu {

// Strides are in complex numbers, which lie as (re, im).
template <class T>
struct FourierLines {
  const FourierPlan<T>* plan;  // of the kind that is done in registers
  const T* src;
  T* dst;
  int64_t src_step, dst_step;  // from element to element of a line
  int64_t src_line, dst_line;  // from line to line
  int64_t lines;               // any number
  bool inverse;                // conjugated roots
  T scale;                     // of the results
  const T* twiddles;           // what results are multiplied by, conjugated for the inverse; or nullptr
  int64_t twiddle_step, twiddle_line;  // the latter 0 or 1
};

struct FourierKernels {
  void (*f32)(const FourierLines<float>&, void* work);
  void (*f64)(const FourierLines<double>&, void* work);
  int64_t work_bytes;  // per element of a line; aligned to 64 bytes
};

const FourierKernels& fourier_kernels();  // of the active variant

}  // namespace ascend::aicpu
