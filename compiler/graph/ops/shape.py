"""Operations that create tensors or move elements without computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..graph import Op


@dataclass(eq=False)
class Constant(Op):
    """A literal. `value` has the result's shape and NumPy dtype; splats are 0-d arrays broadcast (strides 0).

    Of a result without elements it has none either, in any shape.
    """

    name: ClassVar[str] = "constant"

    value: np.ndarray

    def verify(self) -> None:
        """No operands; value and result agree in shape and dtype."""
        self.require(not self.operands, "takes no operands")
        (y,) = self.results
        empty = y.type.size == self.value.size == 0
        self.require(empty or self.value.shape == y.shape, f"value has shape {self.value.shape}")
        self.require(self.value.dtype == y.dtype.numpy, f"value has dtype {self.value.dtype}")

    @property
    def splat(self) -> np.generic | None:
        """The one element all elements equal by construction, or None."""
        if self.value.size and not any(self.value.strides):
            return self.value[(0,) * self.value.ndim]
        return self.value.reshape(-1)[0] if self.value.size == 1 else None


@dataclass(eq=False)
class Iota(Op):
    """result[..., i, ...] = i along `dimension`."""

    name: ClassVar[str] = "iota"

    dimension: int

    def verify(self) -> None:
        """The dimension exists."""
        self.require(not self.operands, "takes no operands")
        self.require(0 <= self.dimension < self.results[0].type.rank, "dimension out of range")


@dataclass(eq=False)
class BroadcastInDim(Op):
    """Operand dimension d becomes result dimension dimensions[d]; size 1 is repeated, others are new.

    The frontend makes `dimensions` strictly increasing (a transpose comes before otherwise).
    """

    name: ClassVar[str] = "broadcast_in_dim"

    dimensions: tuple[int, ...]

    def verify(self) -> None:
        """Dimensions strictly increasing, in range; sizes equal or 1."""
        (x,), (y,) = self.operands, self.results
        self.require(x.dtype is y.dtype, "keeps the element type")
        self.require(len(self.dimensions) == x.type.rank, "one dimension per operand dimension")
        self.require(list(self.dimensions) == sorted(set(self.dimensions)), "dimensions must increase")
        for d, n in zip(self.dimensions, x.shape):
            self.require(0 <= d < y.type.rank and n in (1, y.shape[d]), "operand sizes must be 1 or the result's")


@dataclass(eq=False)
class Reshape(Op):
    """The same elements in row-major order, another shape."""

    name: ClassVar[str] = "reshape"

    def verify(self) -> None:
        """Element counts and types equal."""
        (x,), (y,) = self.operands, self.results
        self.require(x.dtype is y.dtype and x.type.size == y.type.size, "keeps element type and count")


@dataclass(eq=False)
class Transpose(Op):
    """Result dimension d is operand dimension permutation[d]."""

    name: ClassVar[str] = "transpose"

    permutation: tuple[int, ...]

    def verify(self) -> None:
        """A permutation; the result's shape follows."""
        (x,), (y,) = self.operands, self.results
        self.require(sorted(self.permutation) == list(range(x.type.rank)), "needs a permutation")
        self.require(y.shape == tuple(x.shape[p] for p in self.permutation) and x.dtype is y.dtype, "result type wrong")


@dataclass(eq=False)
class Slice(Op):
    """Elements start, start + stride, ... below limit, per dimension."""

    name: ClassVar[str] = "slice"

    start: tuple[int, ...]
    limit: tuple[int, ...]
    stride: tuple[int, ...]

    def verify(self) -> None:
        """0 <= start <= limit <= size, stride >= 1; the result's shape follows."""
        (x,), (y,) = self.operands, self.results
        self.require(len(self.start) == len(self.limit) == len(self.stride) == x.type.rank, "one entry a dimension")
        for s, l, t, n, m in zip(self.start, self.limit, self.stride, x.shape, y.shape, strict=True):
            self.require(0 <= s <= l <= n and t >= 1 and m == -(-(l - s) // t), "bounds or result shape wrong")
        self.require(x.dtype is y.dtype, "keeps the element type")


@dataclass(eq=False)
class Pad(Op):
    """Operands (x, scalar padding value): `interior` elements between, `low` and `high` at the ends.

    Negative low and high cut elements off.
    """

    name: ClassVar[str] = "pad"

    low: tuple[int, ...]
    high: tuple[int, ...]
    interior: tuple[int, ...]

    def verify(self) -> None:
        """Interior >= 0; the result's shape follows."""
        (x, p), (y,) = self.operands, self.results
        self.require(p.shape == () and p.dtype is x.dtype is y.dtype, "the padding value is a scalar of one type")
        self.require(len(self.low) == len(self.high) == len(self.interior) == x.type.rank, "one entry a dimension")
        for lo, hi, it, n, m in zip(self.low, self.high, self.interior, x.shape, y.shape, strict=True):
            self.require(it >= 0 and m == lo + hi + n + max(n - 1, 0) * it, "result shape wrong")


@dataclass(eq=False)
class Concatenate(Op):
    """The operands one after the other along `dimension`."""

    name: ClassVar[str] = "concatenate"

    dimension: int

    def verify(self) -> None:
        """At least one operand; shapes agree but for the dimension."""
        (y,), d = self.results, self.dimension
        self.require(bool(self.operands) and 0 <= d < y.type.rank, "needs operands and a dimension in range")
        for x in self.operands:
            same = x.shape[:d] + x.shape[d + 1 :] == y.shape[:d] + y.shape[d + 1 :]
            self.require(same and x.dtype is y.dtype, "operands must agree but for the dimension")
        self.require(sum(x.shape[d] for x in self.operands) == y.shape[d], "result size wrong")


@dataclass(eq=False)
class Reverse(Op):
    """The elements in opposite order along each of `dimensions`."""

    name: ClassVar[str] = "reverse"

    dimensions: tuple[int, ...]

    def verify(self) -> None:
        """Type kept; dimensions in range and unique."""
        (x,), (y,) = self.operands, self.results
        self.require(x.type == y.type, "keeps the type")
        self.require(
            len(set(self.dimensions)) == len(self.dimensions) and all(0 <= d < x.type.rank for d in self.dimensions),
            "dimensions must be unique and in range",
        )
