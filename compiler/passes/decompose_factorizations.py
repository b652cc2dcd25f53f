"""Cholesky factorisation and triangular solves as loops over columns, each step a rank-1 update of all that is left.

    cholesky(%a)              ->   while j < n: column j /= sqrt(a[j,j]); the matrix right of and below it -= c c^H
    triangular_solve(%a, %b)  ->   while j < n: x[j] = b[j] / a[j,j]; the rows still to come -= a[:,j] x[j]

Matrices in front of the last two dimensions are worked on together.
"""

from __future__ import annotations

from collections.abc import Callable

from ..frontend import Module
from ..ir import ops
from ..ir.builder import Builder
from ..ir.graph import Graph, Op, TensorType, Value
from ..ir.rewrite import rewrite
from ..isa.dtypes import DType


def decompose_factorizations(module: Module, target: object) -> None:
    """Replace every Cholesky and TriangularSolve, in place."""
    rewrite(module.main, _decompose)


def _decompose(op: Op, b: Builder) -> list[Value] | None:
    if isinstance(op, ops.Cholesky):
        return [_cholesky(op, b)]
    if isinstance(op, ops.TriangularSolve):
        return [_triangular_solve(op, b)]
    return None


class _Matrix:
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


def _conjugate(b: Builder, x: Value) -> Value:
    if x.dtype.kind != "c":
        return x
    part = TensorType(x.shape, DType.f32 if x.dtype is DType.c64 else DType.f64)
    re, im = (b.emit(ops.Unary([x], kind), part) for kind in ("real", "imag"))
    return b.emit(ops.Binary([re, b.unary("neg", im)], "complex"), x.type)


def _swapped(b: Builder, x: Value) -> Value:
    """Return x with its last two dimensions exchanged."""
    rank = x.type.rank
    return b.transpose(x, [*range(rank - 2), rank - 1, rank - 2])


def _loop(b: Builder, start: Value, steps: int, step: Callable[[Builder, Value, Value], Value]) -> Value:
    """Return start after `steps` applications of step(builder, j, value)."""
    scalar = TensorType((), DType.i32)
    cond, body = Graph("cond"), Graph("body")
    for graph in (cond, body):
        graph.argument(scalar)
        graph.argument(start.type)
    test = Builder(cond.ops, b.loc)
    cond.results = [test.compare("LT", cond.arguments[0], test.constant(steps, scalar))]
    inner = Builder(body.ops, b.loc)
    j, value = body.arguments
    body.results = [inner.binary("add", j, inner.constant(1, scalar)), step(inner, j, value)]
    loop = ops.While([b.constant(0, scalar), start], cond, body)
    return b.emit_op(loop, [scalar, start.type])[1]


def _cholesky(op: ops.Cholesky, b: Builder) -> Value:
    (a,) = op.operands
    n = a.shape[-1]
    # Work on the lower triangle of the whole Hermitian matrix.
    m = _Matrix(b, a.type)
    if not op.lower:
        a = _conjugate(b, _swapped(b, a))
    below = b.compare("GE", m.index(-2), m.index(-1))
    a = b.select(below, a, _conjugate(b, _swapped(b, a)))

    def step(b: Builder, j: Value, w: Value) -> Value:
        m = _Matrix(b, w.type)
        column, pivot = m.part(w, j, False, True), m.part(w, j, True, True)
        root = b.unary("sqrt", pivot)
        column = b.binary("div", column, b.broadcast(root, column.shape, tuple(range(column.type.rank))))
        row = _conjugate(b, _swapped(b, column))
        rest = b.binary("sub", w, b.binary("mul", m.spread(column), m.spread(row)))
        later = m.compare("GT", -1, j)
        here = m.compare("EQ", -1, j)
        return b.select(later, rest, b.select(here, m.spread(column), w))

    factor = _loop(b, a, n, step)
    factor = b.select(below, factor, b.like(factor, 0))
    return factor if op.lower else _conjugate(b, _swapped(b, factor))


def _triangular_solve(op: ops.TriangularSolve, b: Builder) -> Value:
    a, right = op.operands
    lower = op.lower
    if op.transpose_a == "ADJOINT":
        a = _conjugate(b, a)
    if (op.transpose_a == "NO_TRANSPOSE") != op.left_side:  # x a = b is a^T x^T = b^T
        a, lower = _swapped(b, a), not lower
    if not op.left_side:
        right = _swapped(b, right)
    n = a.shape[-1]

    def step(b: Builder, count: Value, x: Value) -> Value:
        j = count if lower else b.binary("sub", b.constant(n - 1, count.type), count)
        whole, m = _Matrix(b, a.type), _Matrix(b, x.type)
        row = m.part(x, j, True, False)
        if not op.unit_diagonal:
            pivot = whole.part(a, j, True, True)
            row = b.binary("div", row, b.broadcast(pivot, row.shape, tuple(range(row.type.rank))))
        column = whole.part(a, j, False, True)
        rest = b.binary("sub", x, b.binary("mul", m.spread(column), m.spread(row)))
        later = m.compare("GT" if lower else "LT", -2, j)
        here = m.compare("EQ", -2, j)
        return b.select(later, rest, b.select(here, m.spread(row), x))

    result = _loop(b, right, n, step)
    return result if op.left_side else _swapped(b, result)
