"""How a value of a loop's body is held: in registers, in UB, or, where it is too large for both, still in GM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...graph.graph import Value
from ...isa.dtypes import DType
from ...isa.model import TileRef
from .registers import Scalar

MOST_CELLS, FEW_CELLS = 16, 4
"""Elements of a value that is held in registers: in a loop of nothing larger, and in one with values in UB. A vector
instruction takes about 30 cycles to start, in which the scalar unit does as many elements one at a time; but each element
that goes from UB to a register or back is an access of its own."""


@dataclass(frozen=True)
class Cells:
    """Every element in a register of its own, row by row. One that is read at a place that is data cannot be held so."""

    shape: tuple[int, ...]
    dtype: DType
    items: tuple[Scalar, ...]


@dataclass(frozen=True)
class Splat:
    """More elements than that, all equal."""

    shape: tuple[int, ...]
    dtype: DType
    item: Scalar


@dataclass(frozen=True)
class Array:
    """A tile of one row in UB with the elements row by row. Reshapes of it are the same tile."""

    shape: tuple[int, ...]
    dtype: DType
    tile: TileRef

    def reshaped(self, shape: Sequence[int]) -> Array:
        """Return the same elements in another shape."""
        return replace(self, shape=tuple(shape))


@dataclass(frozen=True)
class Repeated:
    """A row of elements `times` one after the other, or, by element, each of them so often; the row is in UB."""

    shape: tuple[int, ...]
    dtype: DType
    row: Array
    times: int
    by_element: bool


@dataclass(frozen=True)
class Far:
    """A GM argument, of which parts are read and, if it is the loop's own, written."""

    shape: tuple[int, ...]
    dtype: DType
    argument: int
    value: Value


Held = Cells | Splat | Array | Repeated | Far
