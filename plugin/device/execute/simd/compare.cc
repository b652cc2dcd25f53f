// Comparisons, whose results are i1 (a byte of 0 or 1), and selection by such masks.
#include "plugin/device/execute/simd/families.h"
#include "plugin/device/execute/simd/forms.h"

namespace ascend::SIMD_VARIANT {
namespace {

template <CmpMode kMode>
struct Compare : Light {
  template <class C>
  static ASCEND_INLINE auto apply(Vec<C> a, Vec<C> b) {
    if constexpr (kMode == CmpMode::keq) return a == b;
    if constexpr (kMode == CmpMode::kne) return a != b;
    if constexpr (kMode == CmpMode::klt) return a < b;
    if constexpr (kMode == CmpMode::kle) return a <= b;
    if constexpr (kMode == CmpMode::kgt) return a > b;
    if constexpr (kMode == CmpMode::kge) return a >= b;
  }
};
struct IsFinite : Light {
  template <class C>
  static ASCEND_INLINE auto apply(Vec<C> x) {
    if constexpr (kFloat<C>)
      return absolute<C>(x) < C(__builtin_inf());
    else
      return x == x;
  }
};

struct Select : Light {
  template <class C>
  static ASCEND_INLINE Vec<C> apply(Vec<C> mask, Vec<C> a, Vec<C> b) {
    return mask != 0 ? a : b;
  }
};
template <class C>
void row_select(const Row& r) {
  map_row<Select, C, C>(r.dst, r.n, Stream<C, uint8_t>(r.src[0]), Stream<C, C>(r.src[1]),
                        Stream<C, C>(r.src[2]));
}
template <class C>
inline constexpr Sizes kSelectSizes{sizeof(C), {1, sizeof(C), sizeof(C)}, kLanes<C>};

StageFns select_stages() {
  using C = uint32_t;
  return make_stages<C, C, C>(operate<Select, C, InMask<uint8_t>, InRegister, InMemory<C>>,
                              operate<Select, C, InMask<uint8_t>, InMemory<C>, InRegister>,
                              operate<Select, C, InMask<uint8_t>, InRegister, InRegister>);
}

template <CmpMode kMode>
VectorBody compare(Form form, DType t) {
  constexpr bool equality = kMode == CmpMode::keq || kMode == CmpMode::kne;
  return pick(equality ? signless(t) : t, [=]<class T>()
                requires(!equality || !kInt<T> || !kSigned<T>)
              { return in_form<Compare<kMode>, T, mask>(form); });
}
VectorBody compare(Form form, DType t, int mode) {
  switch (static_cast<CmpMode>(mode)) {
    case CmpMode::keq:
      return compare<CmpMode::keq>(form, t);
    case CmpMode::kne:
      return compare<CmpMode::kne>(form, t);
    case CmpMode::klt:
      return compare<CmpMode::klt>(form, t);
    case CmpMode::kle:
      return compare<CmpMode::kle>(form, t);
    case CmpMode::kgt:
      return compare<CmpMode::kgt>(form, t);
    case CmpMode::kge:
      return compare<CmpMode::kge>(form, t);
    default:
      return nullptr;
  }
}

}  // namespace

VectorBody find_compare(const VectorKey& key) {
  using enum Opcode;
  switch (key.opcode) {
    case ktcmp:
    case ktcmps:
      if (key.dst != DType::ki1) return nullptr;
      return compare(key.opcode == ktcmp ? Form::kTiles : Form::kScalar, key.src, key.mode);
    case ktisfinite:
      if (key.dst != DType::ki1) return nullptr;
      return pick(signless(key.src), []<class T>()
                    requires(!kInt<T> || !kSigned<T>)
                  {
                    return VectorBody(&instruction<row_unary<IsFinite, T, mask>, kSizes1<T, mask>>,
                                      stages_of_one<IsFinite, T, Compute<T>, mask>());
                  });
    case ktsel:
      switch (dtype_bytes(key.dst)) {
        case 1:
          return &instruction<row_select<uint8_t>, kSelectSizes<uint8_t>>;
        case 2:
          return &instruction<row_select<uint16_t>, kSelectSizes<uint16_t>>;
        case 4:
          return {&instruction<row_select<uint32_t>, kSelectSizes<uint32_t>>, select_stages()};
        case 8:
          return &instruction<row_select<uint64_t>, kSelectSizes<uint64_t>>;
        default:
          return nullptr;
      }
    default:
      return nullptr;
  }
}

}  // namespace ascend::SIMD_VARIANT
