"""Operations outside the tile programs' reach (the AICPU set), random bits, barriers."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from ...isa.attributes import Attributes
from ...isa.stream import AICPU_BY_NAME
from ..graph import Graph, Op, TensorType


@dataclass(eq=False)
class Sort(Op):
    """Sort n tensors of one shape together along `dimension`.

    `keys` lists (operand number, descending) in order of significance. Floats compare as `total_order`, except that
    -0 equals +0 and all NaNs are equal and come last (descending: first).
    """

    name: ClassVar[str] = "sort"

    dimension: int
    stable: bool
    keys: tuple[tuple[int, bool], ...]

    def verify(self) -> None:
        """Operands have one shape, results the operands' types; there is a key."""
        self.require([v.type for v in self.operands] == [v.type for v in self.results], "keeps the types")
        self.require(len({v.shape for v in self.operands}) == 1, "operands must have one shape")
        self.require(bool(self.keys), "needs keys")
        self.require(0 <= self.dimension < self.operands[0].type.rank, "dimension out of range")


@dataclass(eq=False)
class GeneralSort(Op):
    """Sort n tensors of one shape together along `dimension`, by a body (x0, y0, x1, y1, ...): whether x comes before y.

    Where the body says the same of (x, y) and (y, x), elements keep their order. Decomposed.
    """

    name: ClassVar[str] = "general_sort"

    body: Graph
    dimension: int

    def verify(self) -> None:
        """Operands have one shape, results the operands' types; the body takes two scalars of each and gives an i1."""
        self.require([v.type for v in self.operands] == [v.type for v in self.results], "keeps the types")
        self.require(len({v.shape for v in self.operands}) == 1, "operands must have one shape")
        self.require(0 <= self.dimension < self.operands[0].type.rank, "dimension out of range")
        scalars = [TensorType((), v.dtype) for v in self.operands for _ in range(2)]
        self.require([v.type for v in self.body.arguments] == scalars, "the comparator takes two of each")
        self.require([str(v.type) for v in self.body.results] == ["i1[]"], "the comparator gives i1[]")


@dataclass(eq=False)
class TopK(Op):
    """The k largest (or smallest) of the last dimension in order, and their i32 indices.

    Equal elements keep index order; floats are in total order, from -NaN over -0, 0 to NaN. Results (values, indices).
    """

    name: ClassVar[str] = "top_k"

    k: int
    largest: bool = True

    def verify(self) -> None:
        """Values and indices have shape [..., k]."""
        (x,), (values, indices) = self.operands, self.results
        shape = (*x.shape[:-1], self.k)
        self.require(x.type.rank > 0 and self.k <= x.shape[-1], "k must not exceed the last dimension")
        self.require(values.shape == indices.shape == shape, "results have shape [..., k]")


@dataclass(eq=False)
class RngBitGenerator(Op):
    """Operand: generator state u64[2|3] (or u32 pairs); results (new state, random bits). Decomposed."""

    name: ClassVar[str] = "rng_bit_generator"

    algorithm: str  # DEFAULT, THREE_FRY, PHILOX

    def verify(self) -> None:
        """The state keeps its type; bits are an integer or float type."""
        self.require(self.operands[0].type == self.results[0].type, "keeps the state's type")


@dataclass(eq=False)
class AicpuKernel(Op):
    """A kernel of isa/lapack.py or isa/fourier.py: its operands, `parameters` in the order it declares them.

    Results are those of the kernel.
    """

    name: ClassVar[str] = "aicpu"

    kernel: str
    parameters: tuple[tuple[str, Any], ...]

    def verify(self) -> None:
        """Every operand and result has as many bytes as its slot."""
        values, slots, given = [*self.results, *self.operands], AICPU_BY_NAME[self.kernel].slots, dict(self.parameters)
        self.require(len(values) == len(slots), f"{len(slots)} operands and results")
        for value, slot in zip(values, slots):
            needed = prod(slot.shape(given)) * slot.dtype(given).bytes
            self.require(value.type.bytes == needed, f"{needed} bytes of {slot.name}")


@dataclass(frozen=True)
class Foreign:
    """A handler of XLA's typed FFI, by the name it is registered for, with what a call of it needs to say.

    `types` are those the handler sees, results first; `orders` are the dimensions of each from major to minor, in which the
    values have them. `tokens` are the positions among them that stand for tokens.
    """

    target: str
    types: tuple[TensorType, ...]
    orders: tuple[tuple[int, ...], ...]
    tokens: tuple[int, ...] = ()
    attributes: Attributes = ()


@dataclass(frozen=True)
class Draw:
    """The count of draws in this process, which gives a new number each time: u64[2], the number twice."""


@dataclass(eq=False)
class HostCall(Op):
    """Call a function of the process that compiles, by its number there, a Foreign handler, or a Draw (isa/stream.py).

    With `effect` it is called as often and in the order in which the program says it; without one it is a function of its
    operands, and called if a result is needed. `aliases` are the (result, operand) whose elements the result starts with.
    """

    name: ClassVar[str] = "host_call"

    callee: int | Foreign | Draw
    effect: bool
    aliases: tuple[tuple[int, int], ...] = ()

    @property
    def has_effect(self) -> bool:
        """Whether it is called for the sake of the call."""
        return self.effect

    def verify(self) -> None:
        """A number from 0, or the types a handler sees; a result that starts as an operand has its type, and is one only."""
        if isinstance(self.callee, Foreign):
            laid = [
                TensorType(tuple(t.shape[d] for d in order), t.dtype)
                for t, order in zip(self.callee.types, self.callee.orders, strict=True)
            ]
            self.require(
                laid == [v.type for v in (*self.results, *self.operands)], "a handler sees every operand and result"
            )
        elif isinstance(self.callee, Draw):
            self.require(not self.operands and [str(v.type) for v in self.results] == ["u64[2]"], "gives u64[2]")
        else:
            self.require(self.callee >= 0, "the number of a callback is not negative")
        self.require(len({r for r, _ in self.aliases}) == len(self.aliases), "a result starts as one operand")
        for r, o in self.aliases:
            inside = 0 <= r < len(self.results) and 0 <= o < len(self.operands)
            self.require(
                inside and self.results[r].type == self.operands[o].type, "keeps the type of what it starts as"
            )


@dataclass(eq=False)
class OptimizationBarrier(Op):
    """The operands, unchanged; no value is to be recomputed or moved across."""

    name: ClassVar[str] = "optimization_barrier"

    def verify(self) -> None:
        """Results have the operands' types."""
        self.require([v.type for v in self.operands] == [v.type for v in self.results], "keeps the types")
