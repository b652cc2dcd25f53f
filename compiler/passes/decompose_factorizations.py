"""Factorisations and triangular solves as loops over columns or blocks of them.

cholesky(%a)              ->   cholesky.py
triangular_solve(%a, %b)  ->   solve_triangular.py
qr(%a), householder_product(%a, %taus)  ->  householder.py

What they are written with is in column_loops.py and matrix_blocks.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.rewrite import rewrite
from .cholesky import cholesky
from .column_loops import Matrix, conjugate, swapped
from .householder import householder_product, qr
from .solve_triangular import solve_triangular


def decompose_factorizations(module: Module, target: object) -> None:
    """Replace every Cholesky, TriangularSolve, Qr and HouseholderProduct, in place."""
    rewrite(module.main, _decompose)


def _decompose(op: Op, b: Builder) -> Sequence[Value] | None:
    if isinstance(op, ops.Cholesky):
        return [_cholesky(op, b)]
    if isinstance(op, ops.TriangularSolve):
        return [_triangular_solve(op, b)]
    if isinstance(op, ops.Qr):
        return qr(op.operands[0], b)
    if isinstance(op, ops.HouseholderProduct):
        a, taus = op.operands
        return [householder_product(a, taus, b)]
    return None


def _cholesky(op: ops.Cholesky, b: Builder) -> Value:
    (a,) = op.operands
    # Work on the lower triangle of the whole Hermitian matrix.
    m = Matrix(b, a.type)
    if not op.lower:
        a = conjugate(b, swapped(b, a))
    below = b.compare("GE", m.index(-2), m.index(-1))
    factor = cholesky(b, b.select(below, a, conjugate(b, swapped(b, a))))
    factor = b.select(below, factor, b.like(factor, 0))
    return factor if op.lower else conjugate(b, swapped(b, factor))


def _triangular_solve(op: ops.TriangularSolve, b: Builder) -> Value:
    a, right = op.operands
    lower = op.lower
    if op.transpose_a == "ADJOINT":
        a = conjugate(b, a)
    if (op.transpose_a == "NO_TRANSPOSE") != op.left_side:  # x a = b is a^T x^T = b^T
        a, lower = swapped(b, a), not lower
    if not op.left_side:
        right = swapped(b, right)
    m = Matrix(b, a.type)
    a = b.select(b.compare("GE" if lower else "LE", m.index(-2), m.index(-1)), a, b.like(a, 0))
    if op.unit_diagonal:
        a = b.select(b.compare("EQ", m.index(-2), m.index(-1)), b.like(a, 1), a)
    result = solve_triangular(b, a, right, lower)
    return result if op.left_side else swapped(b, result)
