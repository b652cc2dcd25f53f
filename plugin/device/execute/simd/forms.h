// The forms a binary operation comes in: two tiles, a tile and a scalar, a tile and a column, a tile and a
// row.
#pragma once
#include "plugin/device/execute/simd/chain.h"
#include "plugin/device/execute/simd/rows.h"

namespace ascend::SIMD_VARIANT {

enum class Form { kTiles, kScalar, kReversedScalar, kColumn, kRow, kNone };

// Opcodes of an operation's forms; kend where it has no such form.
struct Forms {
  Opcode tiles, scalar = Opcode::kend, reversed = Opcode::kend, column = Opcode::kend, row = Opcode::kend;

  constexpr Form of(Opcode opcode) const {
    return opcode == Opcode::kend ? Form::kNone
           : opcode == tiles      ? Form::kTiles
           : opcode == scalar     ? Form::kScalar
           : opcode == reversed   ? Form::kReversedScalar
           : opcode == column     ? Form::kColumn
           : opcode == row        ? Form::kRow
                                  : Form::kNone;
  }
};

// kWithReversed: whether scalar op tile exists and differs from tile op scalar.
template <class Op, class T, class R = T, bool kWithReversed = false>
VectorBody in_form(Form form) {
  constexpr Sizes sizes = kSizes2<T, R>;
  switch (form) {
    case Form::kTiles:
      return {&instruction<row_binary<Op, T, R>, sizes>, stages_of_two<Op, T, Compute<T>, R>()};
    case Form::kScalar:
      return {&instruction_scalar<row_splat<Op, T, R>, row_binary<Op, T, R>, sizes>,
              stages_of_scalar<Op, T, Compute<T>, R>()};
    case Form::kColumn:
      return {&instruction_row<row_splat<Op, T, R>, row_binary<Op, T, R>, sizes>,
              stages_of_scalar<Op, T, Compute<T>, R>()};
    case Form::kRow:
      return {&instruction_column<row_binary<Op, T, R>, sizes>, stages_of_two<Op, T, Compute<T>, R>()};
    case Form::kReversedScalar:
      if constexpr (kWithReversed)
        return {&instruction_scalar<row_splat<Reversed<Op>, T, R>, row_binary<Reversed<Op>, T, R>, sizes>,
                stages_of_scalar<Reversed<Op>, T, Compute<T>, R>()};
      return nullptr;
    case Form::kNone:
      return nullptr;
  }
  return nullptr;
}

struct Light {
  static constexpr bool kHeavy = false;
};
struct Heavy {
  static constexpr bool kHeavy = true;
};

}  // namespace ascend::SIMD_VARIANT
