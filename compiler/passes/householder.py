"""QR by Householder reflections, as loops over columns; conventions and signs are those of LAPACK's geqrf and ungqr.

qr(%a)                           ->  while j < k: v, tau, beta from column j; the columns right of it -= tau* v (v^H a)
householder_product(%a, %taus)   ->  q = I; while j > 0: q -= tau v (v^H q), the last reflection first

Here tau* is the conjugate of tau, and k the number of reflections, min(m, n).
"""

from __future__ import annotations

import functools

from ..graph.builder import Builder
from ..graph.complex_parts import complex_of, parts
from ..graph.counting_loop import loop
from ..graph.graph import TensorType, Value
from .column_loops import Matrix, conjugate


def qr(a: Value, b: Builder) -> list[Value]:
    """Return (packed, taus) of ops.Qr."""
    *batch, m, n = a.shape
    count = min(m, n)
    taus = b.constant(0, TensorType((*batch, count), a.dtype))
    if not a.type.size:
        return [a, taus]

    def step(b: Builder, j: Value, values: list[Value]) -> list[Value]:
        a, taus = values
        matrix = Matrix(b, a.type)
        v, tau, beta = _reflection(b, j, matrix.part(a, j, False, True), matrix.part(a, j, True, True))
        rest = _reflect(b, a, v, conjugate(b, tau))
        column = b.select(matrix.compare("EQ", -2, j), matrix.spread(beta), a)
        column = b.select(matrix.compare("GT", -2, j), matrix.spread(v), column)
        a = b.select(matrix.compare("EQ", -1, j), column, a)
        a = b.select(matrix.compare("GT", -1, j), rest, a)
        number = b.iota(taus.shape, taus.type.rank - 1)
        here = b.compare("EQ", number, b.broadcast(j, taus.shape))
        tau = b.reshape(tau, (*taus.shape[:-1], 1))
        taus = b.select(here, b.broadcast(tau, taus.shape, tuple(range(taus.type.rank))), taus)
        return [a, taus]

    return loop(b, [a, taus], count, step)


def householder_product(a: Value, taus: Value, b: Builder) -> Value:
    """Return the result of ops.HouseholderProduct."""
    count = taus.shape[-1]
    matrix = Matrix(b, a.type)
    diagonal = b.compare("EQ", matrix.index(-2), matrix.index(-1))
    identity = b.select(diagonal, b.like(a, 1), b.like(a, 0))
    taus = b.reshape(taus, (*taus.shape[:-1], 1, count))

    def step(b: Builder, done: Value, values: list[Value]) -> list[Value]:
        j = b.binary("sub", b.constant(count - 1, done.type), done)
        column = Matrix(b, a.type).part(a, j, False, True)
        tau = Matrix(b, taus.type).part(taus, j, False, True)
        rows = Matrix(b, column.type)
        v = b.select(rows.compare("EQ", -2, j), b.like(column, 1), b.like(column, 0))
        v = b.select(rows.compare("GT", -2, j), column, v)
        return [_reflect(b, values[0], v, tau)]

    return loop(b, [identity], count, step)[0] if a.type.size else a


def _reflection(b: Builder, j: Value, column: Value, alpha: Value) -> tuple[Value, Value, Value]:
    """Return v [..., m, 1], tau and beta [..., 1, 1]: I - tau* v v^H takes rows j and after of the column to (beta, 0, ...).

    beta is real and has the sign that does not cancel in alpha - beta. Where there is nothing to reflect, that is, alpha
    is real and all below it is zero, tau is 0 and beta is alpha.
    """
    matrix, rows = Matrix(b, column.type), column.type.rank - 2
    after, here = matrix.compare("GT", -2, j), matrix.compare("EQ", -2, j)
    below = b.select(after, column, b.like(column, 0))
    (re, im), (below_re, below_im) = parts(b, alpha), parts(b, below)
    rest = [b.unary("abs", x) for x in (below_re, below_im, im) if x is not None]

    def over(kind: str, values: list[Value]) -> Value:  # rows and parts
        columns = [b.reshape(b.reduce(kind, x, [rows]), re.shape) for x in values]
        return functools.reduce(functools.partial(b.binary, kind), columns)

    # Squares are taken of what is divided by the largest element: they neither overflow nor vanish.
    largest = over("max", rest)
    nothing = b.compare("EQ", largest, b.like(largest, 0))
    scale = b.binary("max", largest, b.unary("abs", re))
    scale = b.select(b.compare("EQ", scale, b.like(scale, 0)), b.like(scale, 1), scale)
    scaled = [b.binary("div", x, b.broadcast(scale, x.shape, tuple(range(x.type.rank)))) for x in (*rest, re)]
    norm = b.binary("mul", scale, b.unary("sqrt", over("add", [b.binary("mul", x, x) for x in scaled])))
    beta = b.select(b.compare("LT", re, b.like(re, 0)), norm, b.unary("neg", norm))

    tau = b.binary("div", b.binary("sub", beta, re), beta)
    if im is not None:
        tau = complex_of(b, tau, b.unary("neg", b.binary("div", im, beta)))
        beta = complex_of(b, beta, b.like(beta, 0))
    tau = b.select(nothing, b.like(tau, 0), tau)
    beta = b.select(nothing, alpha, beta)
    pivot = b.select(nothing, b.like(alpha, 1), b.binary("sub", alpha, beta))
    v = b.binary("div", below, matrix.spread(pivot))
    return b.select(here, b.like(column, 1), v), tau, beta


def _reflect(b: Builder, a: Value, v: Value, tau: Value) -> Value:
    """Return (I - tau v v^H) a."""
    matrix = Matrix(b, a.type)
    products = b.binary("mul", matrix.spread(conjugate(b, v)), a)
    row = b.reduce("add", products, [a.type.rank - 2])
    row = b.reshape(row, (*a.shape[:-2], 1, a.shape[-1]))
    row = b.binary("mul", b.broadcast(tau, row.shape, tuple(range(row.type.rank))), row)
    return b.binary("sub", a, b.binary("mul", matrix.spread(v), matrix.spread(row)))
