"""Triangular solves: substitution column by column, or block by block with products in between.

n <= 64     while j < n:  x[j] = r[j] / a[j,j]; the rows still to come -= a[:,j] x[j]
otherwise   d = the diagonal blocks of a, inverted all together;  while k < blocks:  r = b[k] - a[k,:] x;
            x[k] = d[k] r, refined once

The step of refinement, x[k] += d[k] (r - a[k,k] x[k]), makes up for what multiplying by an inverse loses against
substitution where a block is ill conditioned (Higham, Accuracy and Stability of Numerical Algorithms, chapter 12).
"""

from __future__ import annotations

from ..ir import ops
from ..ir.builder import Builder
from ..ir.counting_loop import loop
from ..ir.graph import TensorType, Value
from .column_loops import Matrix

_BLOCK = 32
_SMALL = 64  # up to here columns are as fast as blocks


def solve_triangular(b: Builder, a: Value, right: Value, lower: bool) -> Value:
    """Return x [..., n, m] with a x = right, where a [..., n, n] is lower or upper triangular, zeros elsewhere."""
    return _by_columns(b, a, right, lower) if a.shape[-1] <= _SMALL else _by_blocks(b, a, right, lower)


def _by_columns(b: Builder, a: Value, right: Value, lower: bool) -> Value:
    n = a.shape[-1]

    def step(b: Builder, count: Value, values: list[Value]) -> list[Value]:
        (x,) = values
        j = count if lower else b.binary("sub", b.constant(n - 1, count.type), count)
        whole, m = Matrix(b, a.type), Matrix(b, x.type)
        row, pivot = m.part(x, j, True, False), whole.part(a, j, True, True)
        row = b.binary("div", row, b.broadcast(pivot, row.shape, tuple(range(row.type.rank))))
        column = whole.part(a, j, False, True)
        rest = b.binary("sub", x, b.binary("mul", m.spread(column), m.spread(row)))
        later = m.compare("GT" if lower else "LT", -2, j)
        here = m.compare("EQ", -2, j)
        return [b.select(later, rest, b.select(here, m.spread(row), x))]

    return loop(b, [right], n, step)[0]


def _by_blocks(b: Builder, a: Value, right: Value, lower: bool) -> Value:
    n, batch = a.shape[-1], a.shape[:-2]
    blocks = -(-n // _BLOCK)
    fill = blocks * _BLOCK - n
    if fill:  # rows of the unit matrix, whose x is zero
        none = [0] * len(batch)
        zero = b.constant(0, TensorType((), a.dtype))
        a, right = (
            b.pad(a, zero, [*none, 0, 0], [*none, fill, fill]),
            b.pad(right, zero, [*none, 0, 0], [*none, fill, 0]),
        )
        whole = Matrix(b, a.type)
        added = b.binary(
            "and",
            b.compare("EQ", whole.index(-2), whole.index(-1)),
            b.compare("GE", whole.index(-2), b.constant(n, TensorType(a.shape, whole.index(-2).dtype))),
        )
        a = b.select(added, b.like(a, 1), a)
    rank = a.type.rank
    squares = []
    for k in range(blocks):
        rows = b.slice_dim(a, rank - 2, k * _BLOCK, (k + 1) * _BLOCK)
        square = b.slice_dim(rows, rank - 1, k * _BLOCK, (k + 1) * _BLOCK)
        squares.append(b.reshape(square, (*batch, 1, _BLOCK, _BLOCK)))
    diagonal = b.concatenate(squares, len(batch))
    whole = Matrix(b, diagonal.type)
    unit = b.convert(b.compare("EQ", whole.index(-2), whole.index(-1)), a.dtype)
    inverse = _by_columns(b, diagonal, unit, lower)

    def step(b: Builder, count: Value, values: list[Value]) -> list[Value]:
        (x,) = values
        k = count if lower else b.binary("sub", b.constant(blocks - 1, count.type), count)
        zero = b.constant(0, k.type)
        row = b.binary("mul", k, b.constant(_BLOCK, k.type))
        start = [*[zero] * len(batch), row, zero]

        def rows(v: Value) -> Value:
            sizes = (*batch, _BLOCK, v.shape[-1])
            return b.emit(ops.DynamicSlice([v, *start], sizes), TensorType(sizes, v.dtype))

        def square(v: Value) -> Value:
            sizes = (*batch, 1, _BLOCK, _BLOCK)
            first = [*[zero] * len(batch), k, zero, zero]
            return b.reshape(
                b.emit(ops.DynamicSlice([v, *first], sizes), TensorType(sizes, v.dtype)), (*batch, *sizes[-2:])
            )

        block, undo = square(diagonal), square(inverse)
        rest = b.binary("sub", rows(right), _product(b, rows(a), x))
        part = _product(b, undo, rest)
        part = b.binary("add", part, _product(b, undo, b.binary("sub", rest, _product(b, block, part))))
        return [b.emit(ops.DynamicUpdateSlice([x, part, *start]), x.type)]

    (x,) = loop(b, [b.constant(0, right.type)], blocks, step)
    return b.slice_dim(x, rank - 2, 0, n) if fill else x


def _product(b: Builder, x: Value, y: Value) -> Value:
    """Return x y for matrices with equal dimensions in front."""
    front = tuple(range(x.type.rank - 2))
    last = x.type.rank - 1
    dot = ops.Dot([x, y], front, front, (last,), (last - 1,), "HIGHEST")
    return b.emit(dot, TensorType((*x.shape[:-1], y.shape[-1]), x.dtype))
