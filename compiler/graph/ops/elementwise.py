"""Operations that work on each element alone: operands and result have one shape.

Scalar predicates and clamp bounds are broadcast by the frontend, so codegen sees equal shapes only. Integer
arithmetic wraps; `div` truncates and `rem` takes the dividend's sign; x / 0 = -1 and x rem 0 = x on integers,
as XLA has it; shifts by the bit width or more give 0 (arithmetic: the sign). `min` and `max` propagate NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Op

UNARY_KINDS = (
    *("abs", "neg", "sign", "floor", "ceil", "round_even", "round_afz", "exp", "expm1", "log", "log1p"),
    *("sqrt", "rsqrt", "cbrt", "sin", "cos", "tan", "tanh", "logistic", "erf", "erfc"),
    *("not", "popcnt", "clz", "is_finite", "real", "imag"),
)
"""`not` is bitwise (logical on i1); `is_finite` gives i1; `real`, `imag` and `abs` of complex give the part."""

BINARY_KINDS = (
    *("add", "sub", "mul", "div", "rem", "max", "min", "pow", "atan2"),
    *("and", "or", "xor", "shl", "shr_logical", "shr_arithmetic", "complex"),
)
"""`add` on i1 is or, `mul` on i1 is and; `complex` joins two real operands."""

COMPARE_DIRECTIONS = ("EQ", "NE", "LT", "LE", "GT", "GE")

_ON_FLOATS = {
    *("floor", "ceil", "round_even", "round_afz", "cbrt", "tan", "logistic", "erf", "erfc", "is_finite"),
    *("exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "sin", "cos", "tanh"),
}
_ON_BITS = {"not", "popcnt", "clz"}


@dataclass(eq=False)
class Unary(Op):
    """result[i] = kind(operand[i])."""

    name: ClassVar[str] = "unary"

    kind: str

    def verify(self) -> None:
        """Shapes equal; kind known and defined on the element type."""
        self.require(self.kind in UNARY_KINDS, f"unknown kind {self.kind!r}")
        self.require(len(self.operands) == 1 and len(self.results) == 1, "takes one operand, gives one result")
        (x,), (y,) = self.operands, self.results
        self.require(x.shape == y.shape, "operand and result shapes must be equal")
        if self.kind in _ON_FLOATS:
            self.require(x.dtype.kind in "fc", f"{self.kind} takes floating-point operands")
        elif self.kind in _ON_BITS:
            self.require(x.dtype.kind in "biu", f"{self.kind} takes integer or i1 operands")
        if self.kind == "is_finite":
            self.require(y.dtype.kind == "b", "is_finite gives i1")
        elif self.kind in ("real", "imag") or (self.kind == "abs" and x.dtype.kind == "c"):
            self.require(y.dtype.is_float, f"{self.kind} of complex gives a real type")
        else:
            self.require(x.dtype is y.dtype, "operand and result types must be equal")


@dataclass(eq=False)
class Binary(Op):
    """result[i] = lhs[i] kind rhs[i]."""

    name: ClassVar[str] = "binary"

    kind: str

    def verify(self) -> None:
        """Both operands and the result have one type (`complex` excepted)."""
        self.require(self.kind in BINARY_KINDS, f"unknown kind {self.kind!r}")
        self.require(len(self.operands) == 2 and len(self.results) == 1, "takes two operands, gives one result")
        (a, b), (y,) = self.operands, self.results
        self.require(a.type == b.type, "operand types must be equal")
        self.require(a.shape == y.shape, "operand and result shapes must be equal")
        if self.kind == "complex":
            self.require(a.dtype.is_float and y.dtype.kind == "c", "complex joins real operands")
            return
        self.require(a.dtype is y.dtype, "operand and result types must be equal")
        if self.kind == "atan2":
            self.require(a.dtype.kind in "fc", "atan2 takes floating-point operands")
        if self.kind in ("and", "or", "xor"):
            self.require(a.dtype.kind in "biu", f"{self.kind} takes integer or i1 operands")
        if self.kind.startswith("sh"):
            self.require(a.dtype.is_integer, f"{self.kind} takes integer operands")


@dataclass(eq=False)
class Compare(Op):
    """result[i] = lhs[i] direction rhs[i], as i1.

    `total_order` compares floats as -NaN < -inf < ... < -0 < +0 < ... < inf < NaN; otherwise IEEE: any
    comparison with NaN is false but NE. Complex operands allow EQ and NE only.
    """

    name: ClassVar[str] = "compare"

    direction: str
    total_order: bool = False

    def verify(self) -> None:
        """Operand types equal; the result is i1 of the same shape."""
        self.require(self.direction in COMPARE_DIRECTIONS, f"unknown direction {self.direction!r}")
        (a, b), (y,) = self.operands, self.results
        self.require(a.type == b.type, "operand types must be equal")
        self.require(y.dtype.kind == "b" and a.shape == y.shape, "the result is i1 of the operands' shape")


@dataclass(eq=False)
class Select(Op):
    """result[i] = on_true[i] if pred[i] else on_false[i]; operands (pred, on_true, on_false)."""

    name: ClassVar[str] = "select"

    def verify(self) -> None:
        """The predicate is i1 of the same shape; both values and the result have one type."""
        (p, a, b), (y,) = self.operands, self.results
        self.require(p.dtype.kind == "b" and p.shape == a.shape, "the predicate is i1 of the values' shape")
        self.require(a.type == b.type == y.type, "values and result must have one type")


@dataclass(eq=False)
class Convert(Op):
    """result[i] = operand[i] in the result's element type.

    Float to float rounds to nearest even; float to integer truncates, saturates, and turns NaN into 0; integer
    to integer wraps; to i1: x != 0; real to complex: zero imaginary part.
    """

    name: ClassVar[str] = "convert"

    def verify(self) -> None:
        """Shapes equal."""
        (x,), (y,) = self.operands, self.results
        self.require(x.shape == y.shape, "operand and result shapes must be equal")


@dataclass(eq=False)
class BitcastConvert(Op):
    """The same bits as another element type, element 0 the lowest; a width ratio adds or drops a last dimension."""

    name: ClassVar[str] = "bitcast_convert"

    def verify(self) -> None:
        """Bit counts equal; shapes agree up to a last dimension."""
        (x,), (y,) = self.operands, self.results
        bits = [v.type.size * v.dtype.bits for v in (x, y)]
        self.require(bits[0] == bits[1], "operand and result must have equal bit counts")
        longer, shorter = (x.shape, y.shape) if x.type.rank >= y.type.rank else (y.shape, x.shape)
        self.require(longer[: len(shorter)] == shorter, "shapes may differ in a last dimension only")


@dataclass(eq=False)
class ReducePrecision(Op):
    """Round to `exponent_bits` and `mantissa_bits` and back, keeping the element type."""

    name: ClassVar[str] = "reduce_precision"

    exponent_bits: int
    mantissa_bits: int

    def verify(self) -> None:
        """A float operand; exponent_bits >= 1, mantissa_bits >= 0."""
        (x,), (y,) = self.operands, self.results
        self.require(x.type == y.type and x.dtype.is_float, "operand and result have one float type")
        self.require(self.exponent_bits >= 1 and self.mantissa_bits >= 0, "needs exponent_bits >= 1")
