// The functions of LAPACK and BLAS, which SciPy gives to C. Python is asked for each once, when a program
// that needs it is loaded: no execution asks.
#pragma once
#include <atomic>
#include <complex>
#include <cstdint>
#include <string>
#include <type_traits>

#include "isa.gen.h"

namespace ascend::aicpu {

// Position of an element type: s, d, c, z.
template <class T>
inline constexpr int kLetter = std::is_same_v<T, float>                 ? 0
                               : std::is_same_v<T, double>              ? 1
                               : std::is_same_v<T, std::complex<float>> ? 2
                                                                        : 3;

template <class T>
inline constexpr bool kComplex = kLetter<T> >= 2;
template <class T>
using Real = std::conditional_t<kLetter<T> % 2 == 0, float, double>;

// By kernel, routine (of a kernel that chooses between two) and type.
inline std::atomic<void*> lapack_table[kAicpuOps][2][4];

// Fills in a function; throws Error if SciPy is missing or has none of that name.
void load_lapack(AicpuOp op, int routine, DType dtype);

// Calls a function that is loaded. All arguments of Fortran are pointers.
template <class T, class... Arguments>
void call_lapack(AicpuOp op, int routine, Arguments*... arguments) {
  void* function = lapack_table[static_cast<int>(op)][routine][kLetter<T>].load(std::memory_order_relaxed);
  reinterpret_cast<void (*)(Arguments*...)>(function)(arguments...);
}

// The address of a function of scipy.linalg.cython_lapack or cython_blas; takes the GIL, throws Error with
// the code and message of Python's exception.
std::uintptr_t lapack_address(const std::string& name);

}  // namespace ascend::aicpu
