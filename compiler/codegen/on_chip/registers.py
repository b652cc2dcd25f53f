"""Values of one element in registers of the scalar unit, and the instructions that compute them.

    i : i32 in 0..99     (7 * i) % 100  ->  %r5 = pto.smod ins(7*%r2, 100)       i < 0 ? i + 100 : i  ->  %r2

An integer knows what it can be. What follows from that alone (a comparison, a clamp, a sum with a constant, which is part
of the address that reads it) is no instruction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...isa.dtypes import DType
from ...isa.machine import CLASSES
from ...isa.model import Affine
from ...program.kernel import KernelBuilder

COMPUTED = CLASSES["all"]  # element types that registers hold


@dataclass(frozen=True)
class Scalar:
    """A value of one element: what a register, or an address, holds of it; of an integer also the least and the most."""

    held: Affine
    dtype: DType
    low: int = 0
    high: int = 0

    @property
    def is_constant(self) -> bool:
        """Whether it is known."""
        return self.held.is_constant


def limits(dtype: DType) -> tuple[int, int]:
    """Return the least and the largest value of an integer type or i1; (0, 0) for floats."""
    if dtype is DType.i1:
        return 0, 1
    if not dtype.is_integer:
        return 0, 0
    info = np.iinfo(dtype.numpy)
    return int(info.min), int(info.max)


def constant(value: Any, dtype: DType) -> Scalar:
    """Return a constant element."""
    element = np.asarray(value).astype(dtype.numpy)
    if dtype.is_float:
        bits = int(element.reshape(1).view(f"u{dtype.bytes}")[0])
        return Scalar(Affine(bits - 2**64 if bits >= 2**63 else bits), dtype)
    number = int(element)
    return Scalar(Affine(number - 2**64 if number >= 2**63 else number), dtype, number, number)


_SWAPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}


class ScalarUnit:
    """Appends scalar instructions to a kernel."""

    def __init__(self, builder: KernelBuilder):
        self.b = builder

    # --- integers that are known in part ---

    def _number(self, held: Affine, dtype: DType, low: int, high: int) -> Scalar | None:
        """Return the integer if it does not leave its type: then 64 bits hold what the type would."""
        least, most = limits(dtype)
        return Scalar(held, dtype, low, high) if least <= low and high <= most and dtype is not DType.u64 else None

    def _exact(self, op: str, dtype: DType, a: Scalar, b: Scalar) -> Scalar | None:
        """Return an integer result that costs no instruction of its type, or none at all."""
        if dtype is DType.u64:
            return None
        corners = [(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
        if op in ("add", "sub"):
            sign = 1 if op == "add" else -1
            values = [x + sign * y for x, y in corners]
            if a.is_constant or b.is_constant:
                return self._number(a.held + b.held * sign, dtype, min(values), max(values))
        elif op == "mul":
            values = [x * y for x, y in corners]
            if a.is_constant:
                a, b = b, a
            if b.is_constant:
                return self._number(a.held * b.low, dtype, min(values), max(values))
            if a.low == a.high or b.low == b.high:
                return None
            found = self._number(Affine(), dtype, min(values), max(values))
            return found and Scalar(self.b.scalar("smul", a.held, b.held), dtype, found.low, found.high)
        elif op in ("max", "min"):
            return self._extreme(op, dtype, a, b)
        elif op in ("div", "rem") and a.low >= 0 and b.low > 0:
            if op == "rem" and a.high < b.low:
                return a
            if op == "rem":
                return Scalar(self.b.scalar("smod", a.held, b.held), dtype, 0, min(a.high, b.high - 1))
            if b.low == b.high == 1:
                return a
            return Scalar(self.b.scalar("sdiv", a.held, b.held), dtype, a.low // b.high, a.high // b.low)
        return None

    def _extreme(self, op: str, dtype: DType, a: Scalar, b: Scalar) -> Scalar:
        choose = max if op == "max" else min
        low, high = choose(a.low, b.low), choose(a.high, b.high)
        for x, y in ((a, b), (b, a)):
            if (x.low >= y.high) if op == "max" else (x.high <= y.low):
                return x
        return Scalar(self.b.scalar(f"s{op}", a.held, b.held), dtype, low, high)

    def compute(self, op: str, dtype: DType, *operands: Scalar) -> Scalar:
        """Return op (a name of isa/instructions/scalar.py) of operands of a type."""
        if op in _SWAPPED:
            return self.compare(op, dtype, operands[0], operands[1])
        if op == "sel":
            return self.select(dtype, *operands)
        if dtype.is_integer and len(operands) == 2:
            exact = self._exact(op, dtype, operands[0], operands[1])
            if exact is not None:
                return exact
        if dtype is DType.i1 and len(operands) == 2 and op in ("and", "or", "mul", "add"):
            known = self._logic("and" if op in ("and", "mul") else "or", operands[0], operands[1])
            if known is not None:
                return known
        to = DType.i1 if op == "isfinite" else dtype
        low, high = limits(to)
        return Scalar(self.b.scalar("scompute", op, dtype.name, *(o.held for o in operands)), to, low, high)

    def _logic(self, op: str, a: Scalar, b: Scalar) -> Scalar | None:
        for x, y in ((a, b), (b, a)):
            if x.is_constant:
                return y if (x.low != 0) == (op == "and") else x
        return None

    def compare(self, op: str, dtype: DType, a: Scalar, b: Scalar) -> Scalar:
        """Return a op b as i1."""
        known = None
        if not dtype.is_float and dtype is not DType.u64:
            known = _decided(op, a, b)
        if known is not None:
            return constant(known, DType.i1)
        return Scalar(self.b.scalar("scompute", op, dtype.name, a.held, b.held), DType.i1, 0, 1)

    def select(self, dtype: DType, condition: Scalar, a: Scalar, b: Scalar) -> Scalar:
        """Return condition ? a : b."""
        if condition.is_constant:
            return a if condition.low else b
        if a.held == b.held:
            return Scalar(a.held, dtype, min(a.low, b.low), max(a.high, b.high))
        if dtype is DType.i1 and a.is_constant and b.is_constant:
            return condition if a.low else self.compute("not", DType.i1, condition)
        held = self.b.scalar("scompute", "sel", dtype.name, condition.held, a.held, b.held)
        return Scalar(held, dtype, min(a.low, b.low), max(a.high, b.high))

    def convert(self, a: Scalar, to: DType, mode: str = "none") -> Scalar:
        """Return a converted as tcvt does."""
        if a.dtype is to:
            return a
        low, high = limits(to)
        if not a.dtype.is_float and not to.is_float and DType.u64 not in (a.dtype, to):
            if to is not DType.i1 and low <= a.low and a.high <= high:
                return Scalar(a.held, to, a.low, a.high)
            if to is DType.i1:
                return self.compare("ne", a.dtype, a, constant(0, a.dtype))
        return Scalar(self.b.scalar("sconvert", a.held, a.dtype.name, to.name, mode), to, low, high)

    def bits(self, a: Scalar, to: DType) -> Scalar:
        """Return the same bits as another type of the same width."""
        low, high = limits(to)
        if a.dtype is to:
            return a
        if a.dtype.is_integer and to.is_integer:
            return self.convert(a, to)
        unsigned = DType.of_numpy(f"u{to.bytes}")
        if to.is_float:  # registers hold the bits of a float with zeros above
            whole = a if a.dtype.is_float else self.convert(a, unsigned)
            return Scalar(whole.held, to)
        return (
            self.convert(Scalar(a.held, unsigned, *limits(unsigned)), to)
            if unsigned is not to
            else Scalar(a.held, to, low, high)
        )

    def clamp(self, a: Scalar, limit: int) -> Scalar:
        """Return a start within [0, limit], as an index."""
        if a.dtype is DType.u64:
            a = self.compute("min", DType.u64, a, constant(limit, DType.u64))
            return Scalar(a.held, DType.i64, 0, limit)
        index = Scalar(a.held, DType.i64, a.low, a.high)
        zero, most = constant(0, DType.i64), constant(limit, DType.i64)
        return self._extreme("min", DType.i64, self._extreme("max", DType.i64, index, zero), most)


def _decided(op: str, a: Scalar, b: Scalar) -> bool | None:
    if op in ("gt", "ge"):
        return _decided(_SWAPPED[op], b, a)
    if op == "lt":
        return True if a.high < b.low else False if a.low >= b.high else None
    if op == "le":
        return True if a.high <= b.low else False if a.low > b.high else None
    apart = a.high < b.low or b.high < a.low
    equal = a.held == b.held
    if not apart and not equal:
        return None
    return (op == "eq") == (equal and not apart)
