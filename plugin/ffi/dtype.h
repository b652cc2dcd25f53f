// Element types as foreign functions know them: codes of xla_data.proto, PrimitiveType; types of fewer than
// eight bits are packed, the first element in the lowest bits.
#pragma once
#include <cstddef>
#include <cstdint>

#include "isa.gen.h"

namespace ascend::ffi {

inline constexpr int kTokenType = 17;

inline constexpr int foreign_type(DType dtype) {
  switch (dtype) {
    case DType::kInvalid:
      return 0;
    case DType::ki1:
      return 1;
    case DType::ki8:
      return 2;
    case DType::ki16:
      return 3;
    case DType::ki32:
      return 4;
    case DType::ki64:
      return 5;
    case DType::ku8:
      return 6;
    case DType::ku16:
      return 7;
    case DType::ku32:
      return 8;
    case DType::ku64:
      return 9;
    case DType::kf16:
      return 10;
    case DType::kf32:
      return 11;
    case DType::kf64:
      return 12;
    case DType::kc64:
      return 15;
    case DType::kbf16:
      return 16;
    case DType::kc128:
      return 18;
    case DType::kf8e5m2:
      return 19;
    case DType::kf8e4m3fn:
      return 20;
    case DType::ki4:
      return 21;
    case DType::ku4:
      return 22;
    case DType::kf8e4m3b11fnuz:
      return 23;
    case DType::kf8e5m2fnuz:
      return 24;
    case DType::kf8e4m3fnuz:
      return 25;
    case DType::ki2:
      return 26;
    case DType::ku2:
      return 27;
    case DType::kf8e4m3:
      return 28;
    case DType::kf8e3m4:
      return 29;
    case DType::kf4e2m1fn:
      return 32;
    case DType::kf8e8m0fnu:
      return 33;
  }
  return 0;
}

// How many elements are in a byte.
inline constexpr int packed(DType dtype) {
  switch (dtype) {
    case DType::ki2:
    case DType::ku2:
      return 4;
    case DType::ki4:
    case DType::ku4:
    case DType::kf4e2m1fn:
      return 2;
    default:
      return 1;
  }
}

}  // namespace ascend::ffi
