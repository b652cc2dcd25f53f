"""The scalar unit: 64-bit integer registers for addresses, extents and run-time indices."""

from ..model import Cost, Effect, Pipe, Spec, affine, declare, register, view
from ..type_rules import INTEGERS

_cost = Cost("scalar", 1)
_binary = (register(), affine("a"), affine("b"))

saffine = declare(Spec("saffine", "scalar", "dst = a", (register(), affine("a")), Pipe.S, _cost))
smin = declare(Spec("smin", "scalar", "dst = min(a, b)", _binary, Pipe.S, _cost))
smax = declare(Spec("smax", "scalar", "dst = max(a, b)", _binary, Pipe.S, _cost))
smul = declare(Spec("smul", "scalar", "dst = a * b", _binary, Pipe.S, _cost))
sdiv = declare(Spec("sdiv", "scalar", "dst = floor(a / b), b > 0", _binary, Pipe.S, _cost))
smod = declare(Spec("smod", "scalar", "dst = a - b * floor(a / b), b > 0", _binary, Pipe.S, _cost))
sload = declare(
    Spec("sload", "scalar", "dst = the one integer element of the view in GM, u64 clipped to the largest i64.",
         (register(), view("src", Effect.read)), Pipe.S, Cost("scalar_load"),
         dtypes=INTEGERS)
)  # fmt: skip
