"""The cube unit. Left is L0A [M, K] nz, right L0B [K, N] zn, acc L0C [M, N] in f32 or i32.

f16, bf16 and f32 accumulate in f32, i8 and u8 in i32; f64 in f64 and i32 in i32 modulo 2^32 (both emulated: silicon
has neither).
"""

from ..model import Cost, Effect, Loc, Operand, Pipe, Spec, affine, declare, out, src
from ..type_rules import MATMUL

_left, _right = src("left", Loc.left, "mk"), src("right", Loc.right, "kn")

tmatmul = declare(
    Spec("tmatmul", "cube", "dst = left x right (+ dst if accumulate > 0)",
         (Operand("dst", "tile", Effect.update, (Loc.acc,), "mn", reads_if="accumulate"), _left, _right,
          affine("accumulate", 0)), Pipe.M, Cost("mad"), dtypes=MATMUL)
)  # fmt: skip
tmatmul_bias = declare(
    Spec("tmatmul_bias", "cube", "dst = left x right + bias[0, n]",
         (out("dst", Loc.acc, "mn"), _left, _right, src("bias", Loc.bias, "1n")), Pipe.M, Cost("mad"), dtypes=MATMUL)
)  # fmt: skip
