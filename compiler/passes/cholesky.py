"""Cholesky factorisation, lower: column by column, or block by block with products in between.

n <= 64     while j < n:  column j /= sqrt(a[j,j]);  the matrix right of and below it -= c c^H
otherwise   while k < blocks:  p = a[:,k] - l l[k,:]^H;  l[k,k] = cholesky(p[k]);  l[below,k] = p[below] l[k,k]^-H
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.counting_loop import loop
from ..graph.graph import Value
from .column_loops import Matrix, conjugate, swapped
from .matrix_blocks import BLOCK, SMALL, product, refined, unit_like, whole_blocks, window, with_window
from .solve_triangular import substitute


def cholesky(b: Builder, a: Value) -> Value:
    """Return l [..., n, n] with l l^H = a, where a is Hermitian; what is above l's diagonal means nothing."""
    return _by_columns(b, a) if a.shape[-1] <= SMALL else _by_blocks(b, a)


def _by_columns(b: Builder, a: Value) -> Value:
    def step(b: Builder, j: Value, values: list[Value]) -> list[Value]:
        (w,) = values
        m = Matrix(b, w.type)
        column, pivot = m.part(w, j, False, True), m.part(w, j, True, True)
        root = b.unary("sqrt", pivot)
        column = b.binary("div", column, b.broadcast(root, column.shape, tuple(range(column.type.rank))))
        row = conjugate(b, swapped(b, column))
        rest = b.binary("sub", w, b.binary("mul", m.spread(column), m.spread(row)))
        later = m.compare("GT", -1, j)
        here = m.compare("EQ", -1, j)
        return [b.select(later, rest, b.select(here, m.spread(column), w))]

    return loop(b, [a], a.shape[-1], step)[0]


def _by_blocks(b: Builder, a: Value) -> Value:
    n = a.shape[-1]
    a = whole_blocks(b, a)
    size = a.shape[-1]

    def step(b: Builder, k: Value, values: list[Value]) -> list[Value]:
        (done,) = values
        start, zero = b.binary("mul", k, b.constant(BLOCK, k.type)), b.constant(0, k.type)
        rows = window(b, done, start, zero, (BLOCK, size))
        panel = window(b, a, zero, start, (size, BLOCK))
        panel = b.binary("sub", panel, product(b, done, conjugate(b, swapped(b, rows))))
        corner = _by_columns(b, window(b, panel, start, zero, (BLOCK, BLOCK)))
        m = Matrix(b, corner.type)
        corner = b.select(b.compare("GE", m.index(-2), m.index(-1)), corner, b.like(corner, 0))
        inverse = substitute(b, corner, unit_like(b, corner), True)
        solved = conjugate(b, swapped(b, refined(b, inverse, corner, conjugate(b, swapped(b, panel)))))
        below = Matrix(b, panel.type).compare("GE", -2, start)
        column = with_window(b, b.select(below, solved, b.like(panel, 0)), corner, start, zero)
        return [with_window(b, done, column, zero, start)]

    (factor,) = loop(b, [b.like(a, 0)], size // BLOCK, step)
    return b.slice_dim(b.slice_dim(factor, a.type.rank - 2, 0, n), a.type.rank - 1, 0, n)
