"""How an AICPU kernel is declared: its slots, its parameters, and what it costs.

Extents of slots and counts of operations are expressions over the parameters, so that the verifier, the reference, the
clock and the manual read one declaration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2, prod
from typing import Any

from .dtypes import DType
from .model import Effect

ELEMENTS = ("dtype", "real", "complex", "i32")
_REAL = {DType.c64: DType.f32, DType.c128: DType.f64}
_COMPLEX = {real: complex for complex, real in _REAL.items()}


@dataclass(frozen=True)
class Parameter:
    """A static parameter of an AICPU kernel: an int or a dtype, or a list of them; ints lie within low..high."""

    name: str
    kind: str  # int | bool | dtype | ints | bools | dtypes
    low: int = 0
    high: int = 2**62

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return self.kind.endswith("s")

    def encode(self, value: Any) -> int:
        """Return one item as a word."""
        return value.code if isinstance(value, DType) else int(value)

    def decode(self, word: int) -> Any:
        """Return the item that a word is; KeyError if it is none."""
        return {"int": int, "bool": bool, "dtype": DType.of_code}[self.kind.removesuffix("s")](word)


@dataclass(frozen=True)
class Slots:
    """Some operands of an AICPU kernel: one, or one per item of a parameter.

    extents: of one member of the batch, each the name of a parameter, perhaps with "-1" behind it (not below zero). None:
    the kernel's verifier says how large a slot is.
    element: what they are of: the parameter `dtype`, the real or complex type of its precision, or i32.
    over: the operand whose storage a result may take, so that the kernel works in place.
    """

    name: str
    effect: Effect
    each: str = ""
    extents: tuple[str, ...] | None = None
    element: str = "dtype"
    over: str = ""

    def shape(self, parameters: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the extents for these parameters, the batch first."""
        assert self.extents is not None, f"[aicpu] slot {self.name} declares no extents"
        sizes = (max(0, parameters[e.removesuffix("-1")] - e.endswith("-1")) for e in self.extents)
        return parameters["batch"], *sizes

    def dtype(self, parameters: Mapping[str, Any]) -> DType:
        """Return the element type for these parameters."""
        of: DType = parameters.get("dtype", DType.i32)
        return {"dtype": of, "real": _REAL.get(of, of), "complex": _COMPLEX.get(of, of), "i32": DType.i32}[self.element]


def _log2(n: float) -> float:
    return log2(max(n, 1))


@dataclass(frozen=True)
class AicpuSpec:
    """A kernel that CANN too gives to the device's ARM cores, and why.

    operations: how many operations of real arithmetic, or comparisons, one member of the batch takes, as an expression
    over the parameters.
    """

    name: str
    summary: str
    reason: str
    slots: tuple[Slots, ...]  # results first
    parameters: tuple[Parameter, ...]
    operations: str = "0"

    @property
    def results(self) -> tuple[Slots, ...]:
        """The slots that are written."""
        return tuple(s for s in self.slots if s.effect is not Effect.read)

    def written(self, parameters: Mapping[str, Any]) -> int:
        """Return how many operands, the first ones, a launch writes."""
        return sum(len(parameters[s.each]) if s.each else 1 for s in self.results)

    def flops(self, parameters: Mapping[str, Any]) -> float:
        """Return the operations of a launch; those of a complex dtype count as four (two of six, two of two)."""
        known: dict[str, Any] = {"__builtins__": {}, "log2": _log2, "prod": prod, "len": len}
        one: float = eval(self.operations, known, dict(parameters))
        complex = "dtype" in parameters and parameters["dtype"].kind == "c"
        return max(0.0, float(one)) * parameters.get("batch", 1) * (4 if complex else 1)
