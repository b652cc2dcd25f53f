"""Reductions and small products."""

from __future__ import annotations

import itertools
from functools import reduce
from math import prod

import numpy as np

from ...graph.graph import row_major
from ...graph.ops import ArgReduce, Dot, Reduce
from ...isa.dtypes import DType
from ..vector.nodes import NotVectorizable
from ..vector.select_instruction import BOOLEAN_SUMS, SUMS
from .program import CoreProgram
from .registers import COMPUTED, Scalar, constant, limits
from .values import Array, Cells, Held

_MOST_PRODUCTS = 64  # of elements that a product in registers takes


def _identity(kind: str, dtype: DType) -> Scalar:
    if kind in ("add", "or", "xor"):
        return constant(0, dtype)
    if kind == "mul":
        return constant(1, dtype)
    if dtype.is_float:
        return constant(-np.inf if kind == "max" else np.inf, dtype)
    least, most = limits(dtype)
    if kind == "and":
        return constant(-1 if dtype.kind == "i" else most, dtype)
    return constant(least if kind == "max" else most, dtype)


def lower_reduce(p: CoreProgram, op: Reduce) -> Held:
    """Return the elements along some dimensions as one; halves are added up as f32."""
    x, result = op.operands[0], op.result
    if x.dtype not in COMPUTED:
        raise NotVectorizable(f"[on chip] a sum of {x.dtype}")
    wide = DType.f32 if x.dtype in (DType.f16, DType.bf16) else x.dtype
    kept = [d for d in range(x.type.rank) if d not in op.dimensions]
    if x.type.size <= p.most_cells:
        cells = [p.unit.convert(c, wide) for c in p.cells(x)]
        groups: dict[tuple[int, ...], list[Scalar]] = {i: [] for i in itertools.product(*map(range, result.shape))}
        for cell, index in zip(cells, itertools.product(*map(range, x.shape)), strict=True):
            groups[tuple(index[d] for d in kept)].append(cell)
        items = [
            reduce(lambda a, b: p.unit.compute(op.kind, wide, a, b), g) if g else _identity(op.kind, wide)
            for g in groups.values()
        ]
        return Cells(result.shape, result.dtype, tuple(p.unit.convert(i, result.dtype) for i in items))
    outer, n, inner = _around(x.shape, op.dimensions)
    array = p.array(x)
    if wide is not x.dtype:
        widened = p.new_array(x.shape, wide)
        p.b.tcvt(widened.tile, array.tile)
        array = widened
    name = (BOOLEAN_SUMS if x.dtype is DType.i1 else SUMS).get(op.kind)
    if name is None:
        raise NotVectorizable(f"[on chip] a reduction by {op.kind}")
    total = p.new_array(result.shape, wide)
    if inner == 1:
        _along_rows(p, f"trow{name}", total, array, outer, n)
    elif outer == 1:
        getattr(p.b, f"tcol{name}")(total.tile, p.shaped(array, n, inner))
    else:
        part, one = p.new_array((n, inner), wide), p.new_array((inner,), wide)
        p.b.texpands(total.tile, 0)
        with p.loops([outer]) as (i,):
            p.b.tslice(part.tile, array.tile, 0, i * (n * inner))
            getattr(p.b, f"tcol{name}")(one.tile, p.shaped(part, n, inner))
            p.b.tinsert(total.tile, one.tile, 0, i * inner)
    return _stored(p, total, result.dtype)


def _stored(p: CoreProgram, array: Array, dtype: DType) -> Held:
    if array.dtype is not dtype:
        narrow = p.new_array(array.shape, dtype)
        p.b.tcvt(narrow.tile, array.tile)
        array = narrow
    return p.stored(array)


def _along_rows(p: CoreProgram, name: str, found: Array, array: Array, rows: int, columns: int) -> None:
    source = p.shaped(array, rows, columns)
    with p.made(found, rows, 1) as column:
        getattr(p.b, name)(column, source)


def _around(shape: tuple[int, ...], dimensions: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the elements before, of and after neighbouring dimensions."""
    real = [d for d in dimensions if shape[d] != 1] or list(dimensions[:1])
    between = [d for d in range(real[0], real[-1] + 1) if d not in dimensions and shape[d] != 1]
    if between:
        raise NotVectorizable("[on chip] a reduction of dimensions with others between them")
    return prod(shape[: real[0]]), prod(shape[real[0] : real[-1] + 1]), prod(shape[real[-1] + 1 :])


def lower_arg_reduce(p: CoreProgram, op: ArgReduce) -> Held:
    """Return where the largest or smallest element is along a dimension."""
    x, result = op.operands[0], op.result
    outer, n, inner = _around(x.shape, (op.dimension,))
    if inner != 1 or x.dtype not in COMPUTED or x.dtype is DType.i1:
        raise NotVectorizable("[on chip] an arg reduction that is not along rows")
    found = p.new_array(result.shape, DType.i32)
    _along_rows(p, f"trow{op.kind}", found, p.array(x), outer, n)
    return _stored(p, found, result.dtype)


def lower_dot(p: CoreProgram, op: Dot) -> Held:
    """Return a product of small matrices: in registers, or row by row on the vector unit."""
    left, right = op.operands
    result = op.result
    if op.lhs_batch or len({left.dtype, right.dtype}) > 1 or left.dtype not in COMPUTED or result.dtype not in COMPUTED:
        raise NotVectorizable("[on chip] a product of batches or of unlike types")
    wide = DType.f32 if result.dtype in (DType.f16, DType.bf16) else result.dtype
    (lf, rf), (lc, rc) = op.free(), (op.lhs_contracting, op.rhs_contracting)
    m, n, k = (prod(v.shape[d] for d in ds) for v, ds in ((left, lf), (right, rf), (left, lc)))
    if max(left.type.size, right.type.size, result.type.size) <= p.most_cells and m * n * k <= _MOST_PRODUCTS:
        a, b = ([p.unit.convert(c, wide) for c in p.cells(v)] for v in (left, right))
        ai, bi = _places(left.shape, lf, lc), _places(right.shape, rf, rc)
        unit = p.unit
        items: list[Scalar] = []
        for i, j in itertools.product(range(m), range(n)):
            products = [unit.compute("mul", wide, a[ai[i][q]], b[bi[j][q]]) for q in range(k)]
            items.append(
                reduce(lambda x, y: unit.compute("add", wide, x, y), products) if products else constant(0, wide)
            )
        return Cells(result.shape, result.dtype, tuple(unit.convert(i, result.dtype) for i in items))
    if left.dtype is not wide or not k:
        raise NotVectorizable("[on chip] a product of a narrow type")
    if (
        list(lc) != sorted(lc)
        or list(rc) != sorted(rc)
        or (list(lf) + list(lc) != list(range(left.type.rank)) and m > 1)
    ):
        raise NotVectorizable("[on chip] a product with a transposed left operand")
    ordered = list(rf) + list(rc) == list(range(right.type.rank))  # [n, k]; else [k, n]
    if not ordered and list(rc) + list(rf) != list(range(right.type.rank)):
        raise NotVectorizable("[on chip] a product with mixed dimensions")
    total = p.new_array((m, n), result.dtype)
    a, b = p.array(left), p.array(right)
    swap = m > 1 and n == 1
    if swap:  # a matrix times a vector
        a, b, m, n, ordered = b, a, 1, m, True
    if m > 1:
        p.b.texpands(total.tile, 0)
    part = p.new_array((n, k) if ordered else (k, n), wide)
    with p.loops([m]) as (i,):
        row = a
        if m > 1:
            row = p.new_array((k,), wide)
            p.b.tslice(row.tile, a.tile, 0, i * k)
        out = total if m == 1 else p.new_array((n,), wide)
        if ordered:
            matrix = p.shaped(b, n, k)
            with p.made(part, n, k) as tile:
                p.b.tcolexpandmul(tile, matrix, row.tile)
            _along_rows(p, "trowsum", out, part, n, k)
        else:
            matrix, column = p.shaped(b, k, n), p.shaped(row, k, 1)
            with p.made(part, k, n) as tile:
                p.b.trowexpandmul(tile, matrix, column)
            p.b.tcolsum(out.tile, p.shaped(part, k, n))
        if m > 1:
            p.b.tinsert(total.tile, out.tile, 0, i * n)
    return _stored(p, total.reshaped(result.shape), result.dtype)


def _places(shape: tuple[int, ...], free: list[int], contracted: tuple[int, ...]) -> list[list[int]]:
    """Return, per index of the free dimensions, the places of the elements along the contracted ones."""
    steps = row_major(shape)

    def along(dims: list[int] | tuple[int, ...]) -> list[int]:
        return [
            sum(i * steps[d] for i, d in zip(index, dims, strict=True))
            for index in itertools.product(*(range(shape[d]) for d in dims))
        ]

    return [[f + c for c in along(contracted)] for f in along(free)]
