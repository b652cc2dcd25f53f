"""Operations that combine elements along dimensions.

Codegen sees `Reduce` and `ArgReduce`; the others are decomposed by passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..graph import Graph, Op

REDUCE_KINDS = ("add", "mul", "max", "min", "and", "or", "xor")
"""`max` and `min` propagate NaN, as the elementwise kinds do; `and`, `or`, `xor` are bitwise."""
RUNNING_KINDS = ("add", "mul", "max", "min")


@dataclass(eq=False)
class Reduce(Op):
    """Combine along `dimensions` (increasing), which disappear; starts from the kind's identity.

    Half-precision types accumulate in f32. An empty range gives the identity (-inf for a float max, the lowest
    value for an integer one).
    """

    name: ClassVar[str] = "reduce"

    kind: str
    dimensions: tuple[int, ...]

    def verify(self) -> None:
        """The result's shape is the operand's without the dimensions."""
        (x,), (y,) = self.operands, self.results
        self.require(self.kind in REDUCE_KINDS, f"unknown kind {self.kind!r}")
        self.require(list(self.dimensions) == sorted(set(self.dimensions)), "dimensions must increase")
        kept = tuple(n for d, n in enumerate(x.shape) if d not in self.dimensions)
        self.require(y.shape == kept and x.dtype is y.dtype, "result type wrong")


@dataclass(eq=False)
class Cumulative(Op):
    """result[i] = x[0] kind ... kind x[i] along `dimension`; `backwards`, x[i] kind ... kind x[n-1].

    kind is add, mul, max or min, on numbers; NaN propagates.
    """

    name: ClassVar[str] = "cumulative"

    kind: str
    dimension: int
    backwards: bool = False

    def verify(self) -> None:
        """The result has the operand's type; the kind and the dimension exist."""
        (x,), (y,) = self.operands, self.results
        self.require(self.kind in RUNNING_KINDS, f"unknown kind {self.kind!r}")
        self.require(x.type == y.type, "keeps the type")
        self.require(0 <= self.dimension < x.type.rank, "dimension out of range")


@dataclass(eq=False)
class ArgReduce(Op):
    """The index, along `dimension`, of the largest or smallest element (kind argmax or argmin).

    The first index wins among equals; a NaN wins over everything, the first of them. The result is an integer
    type without the dimension.
    """

    name: ClassVar[str] = "arg_reduce"

    kind: str
    dimension: int

    def verify(self) -> None:
        """An integer result with the operand's shape without the dimension."""
        (x,), (y,), d = self.operands, self.results, self.dimension
        self.require(self.kind in ("argmax", "argmin"), f"unknown kind {self.kind!r}")
        self.require(0 <= d < x.type.rank and x.shape[d] > 0, "dimension out of range or empty")
        self.require(y.shape == x.shape[:d] + x.shape[d + 1 :] and y.dtype.is_integer, "result type wrong")


@dataclass(eq=False)
class GeneralReduce(Op):
    """Combine n tensors of one shape along `dimensions` by `body`.

    Operands: n inputs, then n scalar initial values. `body` takes n + n scalars (accumulated, new) and returns
    n. Decomposed before codegen.
    """

    name: ClassVar[str] = "general_reduce"

    body: Graph
    dimensions: tuple[int, ...]

    def verify(self) -> None:
        """n inputs of one shape, n scalars, n results."""
        n = len(self.results)
        self.require(len(self.operands) == 2 * n, "takes n inputs and n initial values")
        self.require(len(self.body.arguments) == 2 * n and len(self.body.results) == n, "body takes 2n, gives n")
        kept = tuple(s for d, s in enumerate(self.operands[0].shape) if d not in self.dimensions)
        for x, init, y in zip(self.operands[:n], self.operands[n:], self.results):
            self.require(x.shape == self.operands[0].shape, "inputs must have one shape")
            self.require(init.shape == () and y.shape == kept, "initial values are scalars; result shape wrong")


@dataclass(eq=False)
class ReduceWindow(Op):
    """Combine over sliding windows. Operands: n inputs, then n scalar initial values. Decomposed before codegen.

    `kind` is a REDUCE_KINDS entry (then n is 1 and body None) or "general" with `body` as in GeneralReduce.
    `low` and `high` pad the base-dilated input with the initial value; negative values cut.
    """

    name: ClassVar[str] = "reduce_window"

    kind: str
    window: tuple[int, ...]
    stride: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    base_dilation: tuple[int, ...]
    window_dilation: tuple[int, ...]
    body: Graph | None = None

    def verify(self) -> None:
        """Window entries per dimension; result shape from the windows that fit."""
        n = len(self.results)
        self.require(self.kind == "general" or (self.kind in REDUCE_KINDS and n == 1), f"bad kind {self.kind!r}")
        self.require((self.body is not None) == (self.kind == "general"), "a body goes with kind general")
        self.require(len(self.operands) == 2 * n, "takes n inputs and n initial values")
        x, y = self.operands[0], self.results[0]
        rank = x.type.rank
        lists = (self.window, self.stride, self.low, self.high, self.base_dilation, self.window_dilation)
        self.require(all(len(l) == rank for l in lists), "one entry a dimension")
        self.require(y.shape == self.output_shape(x.shape), "result shape wrong")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the number of windows along each dimension of an input of this shape."""
        out: list[int] = []
        for d, size in enumerate(shape):
            dilated = (size - 1) * self.base_dilation[d] + 1 if size else 0
            padded = dilated + self.low[d] + self.high[d]
            reach = (self.window[d] - 1) * self.window_dilation[d] + 1
            out.append(0 if padded < reach else (padded - reach) // self.stride[d] + 1)
        return tuple(out)


@dataclass(eq=False)
class SelectAndScatter(Op):
    """Operands (x, source, scalar initial value): each window of x sends its source element to its chosen one.

    An element is chosen as long as `select` of it and each later one of the window holds, else that one is. What an
    element receives combines by `kind`, or if that is general by `body` of (so far, received), in the order of the windows.
    Decomposed before codegen.
    """

    name: ClassVar[str] = "select_and_scatter"

    select: Graph
    kind: str
    window: tuple[int, ...]
    stride: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    body: Graph | None = None

    def verify(self) -> None:
        """The result has x's type."""
        (x, source, init), (y,) = self.operands, self.results
        self.require([str(v.type) for v in self.select.results] == ["i1[]"], "the selection gives i1[]")
        self.require(self.kind in (*REDUCE_KINDS, "general"), f"unknown kind {self.kind!r}")
        self.require((self.body is not None) == (self.kind == "general"), "a body goes with kind general")
        self.require(x.type == y.type and init.shape == () and source.dtype is x.dtype, "types must agree")
        rank = x.type.rank
        self.require(
            len(self.window) == len(self.stride) == len(self.low) == len(self.high) == rank,
            "one entry a dimension",
        )
