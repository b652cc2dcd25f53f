"""Triangular solves: substitution column by column, or block by block with products in between.

n <= 64     while j < n:  x[j] = r[j] / a[j,j]; the rows still to come -= a[:,j] x[j]
otherwise   d = the diagonal blocks of a, inverted all together;  while k < blocks:  r = b[k] - a[k,:] x;
            x[k] = d[k] r, refined once
"""

from __future__ import annotations

from ..graph import ops
from ..graph.builder import Builder
from ..graph.counting_loop import loop
from ..graph.graph import TensorType, Value
from .column_loops import Matrix
from .matrix_blocks import BLOCK, SMALL, padded, product, refined, unit_like, whole_blocks, window, with_window


def solve_triangular(b: Builder, a: Value, right: Value, lower: bool) -> Value:
    """Return x [..., n, m] with a x = right, where a [..., n, n] is lower or upper triangular, zeros elsewhere."""
    return substitute(b, a, right, lower) if a.shape[-1] <= SMALL else _by_blocks(b, a, right, lower)


def substitute(b: Builder, a: Value, right: Value, lower: bool) -> Value:
    """Do what solve_triangular does column by column."""
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
    n = a.shape[-1]
    a, right = whole_blocks(b, a), padded(b, right, -n % BLOCK, 0)
    rank, blocks = a.type.rank, a.shape[-1] // BLOCK
    squares = []
    for start in range(0, a.shape[-1], BLOCK):
        rows = b.slice_dim(a, rank - 2, start, start + BLOCK)
        square = b.slice_dim(rows, rank - 1, start, start + BLOCK)
        squares.append(b.reshape(square, (1, *square.shape)))
    diagonal = b.concatenate(squares, 0)
    inverse = substitute(b, diagonal, unit_like(b, diagonal), lower)

    def step(b: Builder, count: Value, values: list[Value]) -> list[Value]:
        (x,) = values
        k = count if lower else b.binary("sub", b.constant(blocks - 1, count.type), count)
        zero, row = b.constant(0, k.type), b.binary("mul", k, b.constant(BLOCK, k.type))

        def of_block(v: Value) -> Value:
            sizes = (1, *v.shape[1:])
            one = b.emit(ops.DynamicSlice([v, k, *[zero] * (rank)], sizes), TensorType(sizes, v.dtype))
            return b.reshape(one, v.shape[1:])

        def rows(v: Value) -> Value:
            return window(b, v, row, zero, (BLOCK, v.shape[-1]))

        rest = b.binary("sub", rows(right), product(b, rows(a), x))
        return [with_window(b, x, refined(b, of_block(inverse), of_block(diagonal), rest), row, zero)]

    (x,) = loop(b, [b.constant(0, right.type)], blocks, step)
    return b.slice_dim(x, rank - 2, 0, n)
