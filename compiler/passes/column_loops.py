"""Loops over the columns of matrices [..., n, m]: what factorisations are written with.

Matrices in front of the last two dimensions are worked on together. Every step works on whole matrices and selects
what it changes: shapes in a loop are fixed.
"""

from __future__ import annotations

from ..graph import ops
from ..graph.builder import Builder
from ..graph.complex_parts import complex_of, parts
from ..graph.graph import TensorType, Value


class Matrix:
    """Columns, rows and index masks of matrices [..., n, m], with a builder."""

    def __init__(self, b: Builder, type: TensorType) -> None:
        self.b, self.type = b, type
        self.batch = type.shape[:-2]

    def index(self, dimension: int) -> Value:
        """Row (-2) or column (-1) numbers, everywhere."""
        return self.b.iota(self.type.shape, self.type.rank + dimension)

    def spread(self, x: Value) -> Value:
        """Repeat rows, columns or single elements to the whole shape."""
        return self.b.broadcast(x, self.type.shape, tuple(range(self.type.rank)))

    def part(self, x: Value, j: Value, row: bool, column: bool) -> Value:
        """Return row j, column j, or the element (j, j), of x, rank kept."""
        zero = self.b.constant(0, j.type)
        starts = [zero] * len(self.batch) + [j if row else zero, j if column else zero]
        n, m = x.shape[-2:]
        sizes = (*x.shape[:-2], 1 if row else n, 1 if column else m)
        return self.b.emit(ops.DynamicSlice([x, *starts], sizes), TensorType(sizes, x.dtype))

    def compare(self, direction: str, dimension: int, j: Value) -> Value:
        """Where the row (-2) or column (-1) number compares so with j."""
        return self.b.compare(direction, self.index(dimension), self.b.broadcast(j, self.type.shape))


def conjugate(b: Builder, x: Value) -> Value:
    """Return x with its imaginary part negated."""
    re, im = parts(b, x)
    return re if im is None else complex_of(b, re, b.unary("neg", im))


def swapped(b: Builder, x: Value) -> Value:
    """Return x with its last two dimensions exchanged."""
    rank = x.type.rank
    return b.transpose(x, [*range(rank - 2), rank - 1, rank - 2])
