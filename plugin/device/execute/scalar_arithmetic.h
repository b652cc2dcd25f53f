// Arithmetic of single elements, as the vector unit computes it (compiler/isa/instructions/elementwise.py):
// integers wrap, divisions by zero have a value, max and min give NaN where there is one.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace ascend::scalar {

template <class T>
using Word = std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;

// Arithmetic of integers wraps: it is done unsigned, in 64 bits as narrow types would be promoted to int.
template <class T, class F>
T wrapping(T a, T b, F f) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  else
    return f(a, b);
}

struct Add {
  template <class T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct Sub {
  template <class T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x - y; });
  }
};
struct Mul {
  template <class T>
  static T apply(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
struct Div {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return static_cast<T>(-1);
      if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Sub::apply(T{0}, a);
    }
    return static_cast<T>(a / b);
  }
};
struct Rem {  // of integers
  template <class T>
  static T apply(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return static_cast<T>(a % b);
  }
};
// The larger number, or the smaller one, of floats. Which it is is data: bits are compared, with a mask and
// no branch. Those of negative floats count down (expand_total_order.py).
template <bool kLarger, class T>
T extremum(T a, T b) {
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  constexpr int kSign = 8 * sizeof(T) - 1;
  if (a != a || b != b) return a + b;
  const Bits x = std::bit_cast<Bits>(a), y = std::bit_cast<Bits>(b);
  const Bits p = x ^ ((x >> kSign) & std::numeric_limits<Bits>::max());
  const Bits q = y ^ ((y >> kSign) & std::numeric_limits<Bits>::max());
  return std::bit_cast<T>(y ^ ((x ^ y) & -static_cast<Bits>(kLarger ? p > q : p < q)));
}
struct Max {  // NaN if either is NaN; +0 is above -0
  template <class T>
  static T apply(T a, T b) {
    if constexpr (!std::is_integral_v<T>)
      return extremum<true>(a, b);
    else
      return a > b ? a : b;
  }
};
struct Min {
  template <class T>
  static T apply(T a, T b) {
    if constexpr (!std::is_integral_v<T>)
      return extremum<false>(a, b);
    else
      return a < b ? a : b;
  }
};
struct And {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
template <class T>
bool in_width(T count) {
  return static_cast<uint64_t>(static_cast<Word<T>>(count)) < 8 * sizeof(T);
}
struct Shl {
  template <class T>
  static T apply(T a, T b) {
    return in_width(b) ? static_cast<T>(static_cast<uint64_t>(a) << b) : T{0};
  }
};
struct Shr {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(in_width(b) ? a >> b : std::is_signed_v<T> && a < 0 ? -1 : 0);
  }
};
struct Shrl {
  template <class T>
  static T apply(T a, T b) {
    return in_width(b) ? static_cast<T>(static_cast<Word<T>>(a) >> b) : T{0};
  }
};
struct Eq {
  template <class T>
  static bool apply(T a, T b) {
    return a == b;
  }
};
struct Ne {
  template <class T>
  static bool apply(T a, T b) {
    return a != b;
  }
};
struct Lt {
  template <class T>
  static bool apply(T a, T b) {
    return a < b;
  }
};
struct Le {
  template <class T>
  static bool apply(T a, T b) {
    return a <= b;
  }
};
struct Gt {
  template <class T>
  static bool apply(T a, T b) {
    return a > b;
  }
};
struct Ge {
  template <class T>
  static bool apply(T a, T b) {
    return a >= b;
  }
};
struct Neg {
  template <class T>
  static T apply(T a, T) {
    if constexpr (std::is_integral_v<T>)
      return Sub::apply(T{0}, a);
    else
      return -a;
  }
};
struct Abs {
  template <class T>
  static T apply(T a, T) {
    if constexpr (std::is_unsigned_v<T>)
      return a;
    else if constexpr (std::is_integral_v<T>)
      return a < 0 ? Sub::apply(T{0}, a) : a;
    else
      return std::fabs(a);
  }
};
struct Not {
  template <class T>
  static T apply(T a, T) {
    return static_cast<T>(~a);
  }
};
struct NotBool {
  template <class T>
  static T apply(T a, T) {
    return a ^ 1;
  }
};
struct Sqrt {
  template <class T>
  static T apply(T a, T) {
    return std::sqrt(a);
  }
};
struct Floor {
  template <class T>
  static T apply(T a, T) {
    return std::floor(a);
  }
};
struct Ceil {
  template <class T>
  static T apply(T a, T) {
    return std::ceil(a);
  }
};

}  // namespace ascend::scalar
