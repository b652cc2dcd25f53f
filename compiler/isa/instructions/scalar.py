"""The scalar unit: 64-bit registers for addresses, extents, and values computed one at a time.

A register holds an integer, or a value of an element type: of a signed integer its value, of an unsigned one too (u64: its
bits), of i1 0 or 1, of a float its bits with zeros above. Instructions with a `type` take and give such values.
"""

from ..model import (
    CMP_MODES,
    ROUND_MODES,
    Cost,
    Effect,
    Loc,
    Operand,
    Pipe,
    Spec,
    affine,
    declare,
    enum,
    register,
    src,
    view,
)
from ..type_rules import SCALAR_TYPES, SCALARS
from .elementwise import BINARY, UNARY

_cost = Cost("scalar", 1)
_binary = (register(), affine("a"), affine("b"))
_type = enum("type", SCALAR_TYPES)

# What one scalar instruction computes: as the vector instruction t{name}, tcmp of that mode, or tsel of three registers.
SCALAR_UNARY = (*(name[1:] for name, *_ in UNARY), "isfinite")
SCALAR_BINARY = (*(name[1:] for name, *_ in BINARY), *CMP_MODES)
SCALAR_OPS = (*SCALAR_UNARY, *SCALAR_BINARY, "sel")

saffine = declare(Spec("saffine", "scalar", "dst = a", (register(), affine("a")), Pipe.S, _cost))
smin = declare(Spec("smin", "scalar", "dst = min(a, b)", _binary, Pipe.S, _cost))
smax = declare(Spec("smax", "scalar", "dst = max(a, b)", _binary, Pipe.S, _cost))
smul = declare(Spec("smul", "scalar", "dst = a * b", _binary, Pipe.S, _cost))
sdiv = declare(Spec("sdiv", "scalar", "dst = floor(a / b), b > 0", _binary, Pipe.S, _cost))
smod = declare(Spec("smod", "scalar", "dst = a - b * floor(a / b), b > 0", _binary, Pipe.S, _cost))
scompute = declare(
    Spec("scompute", "scalar",
         "dst = op of a, of a and b, or of a, b and c, which are values of `type`, as the vector instruction of that name "
         "computes one element; comparisons and isfinite give i1; sel: a is i1, dst = a ? b : c.",
         (register(), enum("op", SCALAR_OPS), _type, affine("a"), affine("b", 0), affine("c", 0)), Pipe.S,
         Cost("scalar_compute"))
)  # fmt: skip
sconvert = declare(
    Spec("sconvert", "scalar", "dst = a, a value of `type`, converted to `to` as tcvt does.",
         (register(), affine("a"), _type, enum("to", SCALAR_TYPES), enum("mode", ROUND_MODES, "none")), Pipe.S,
         Cost("scalar_compute"))
)  # fmt: skip
sget = declare(
    Spec("sget", "scalar", "dst = element `index` of src, counted row by row over its capacity; src has one slot.",
         (register(), src("src", Loc.vec, "any"), affine("index", low=0)), Pipe.S, Cost("scalar_access"),
         dtypes=SCALARS)
)  # fmt: skip
sset = declare(
    Spec("sset", "scalar", "Element `index` of dst, counted row by row over its capacity, = a; dst has one slot.",
         (Operand("dst", "tile", Effect.update, (Loc.vec,)), affine("index", low=0), affine("a")), Pipe.S,
         Cost("scalar_access"), dtypes=SCALARS)
)  # fmt: skip
sload = declare(
    Spec("sload", "scalar", "dst = the one element of the view in GM; of u64 no bits, but its value clipped to the largest i64.",
         (register(), view("src", Effect.read)), Pipe.S, Cost("scalar_load"), dtypes=SCALARS)
)  # fmt: skip
sstore = declare(
    Spec("sstore", "scalar", "The one element of the view in GM = a.",
         (view("dst", Effect.write), affine("a")), Pipe.S, Cost("scalar_load"), dtypes=SCALARS)
)  # fmt: skip
