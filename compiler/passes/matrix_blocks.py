"""What factorisations by blocks are written with: matrices [..., n, n] in blocks of rows and columns."""

from __future__ import annotations

from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import TensorType, Value
from .column_loops import Matrix

BLOCK = 32
SMALL = 64  # up to here columns are as fast as blocks


def product(b: Builder, x: Value, y: Value) -> Value:
    """Return x y for matrices with equal dimensions in front."""
    front = tuple(range(x.type.rank - 2))
    last = x.type.rank - 1
    dot = ops.Dot([x, y], front, front, (last,), (last - 1,), "HIGHEST")
    return b.emit(dot, TensorType((*x.shape[:-1], y.shape[-1]), x.dtype))


def unit_like(b: Builder, a: Value) -> Value:
    """Return unit matrices of a's type."""
    m = Matrix(b, a.type)
    return b.convert(b.compare("EQ", m.index(-2), m.index(-1)), a.dtype)


def whole_blocks(b: Builder, a: Value) -> Value:
    """Return a [..., n, n] with rows and columns of the unit matrix added, so that n is a multiple of BLOCK."""
    n = a.shape[-1]
    fill = -n % BLOCK
    if not fill:
        return a
    a = padded(b, a, fill, fill)
    m = Matrix(b, a.type)
    added = b.compare("GE", m.index(-2), b.like(m.index(-2), n))
    return b.select(b.binary("and", added, b.compare("EQ", m.index(-2), m.index(-1))), b.like(a, 1), a)


def padded(b: Builder, x: Value, rows: int, columns: int) -> Value:
    """Return x with this many rows and columns of zeros added."""
    none = [0] * (x.type.rank - 2)
    zero = b.constant(0, TensorType((), x.dtype))
    return b.pad(x, zero, [*none, 0, 0], [*none, rows, columns])


def window(b: Builder, x: Value, row: Value, column: Value, shape: tuple[int, int]) -> Value:
    """Return a part of each matrix, which starts at (row, column)."""
    sizes = (*x.shape[:-2], *shape)
    front = [b.constant(0, row.type)] * (x.type.rank - 2)
    return b.emit(ops.DynamicSlice([x, *front, row, column], sizes), TensorType(sizes, x.dtype))


def with_window(b: Builder, x: Value, part: Value, row: Value, column: Value) -> Value:
    """Return x with a part of each matrix replaced."""
    front = [b.constant(0, row.type)] * (x.type.rank - 2)
    return b.emit(ops.DynamicUpdateSlice([x, part, *front, row, column]), x.type)


def refined(b: Builder, inverse: Value, a: Value, right: Value) -> Value:
    """Return x with a x = right by an inverse of a, and one step of refinement.

    It makes up for what multiplying by an inverse loses against substitution where a is ill conditioned (Higham,
    Accuracy and Stability of Numerical Algorithms, chapter 12).
    """
    x = product(b, inverse, right)
    return b.binary("add", x, product(b, inverse, b.binary("sub", right, product(b, a, x))))
