"""Ops that put elements elsewhere: in registers a choice of registers, in UB loops and moves of runs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ...graph.graph import row_major
from ...graph.ops import BroadcastInDim, Concatenate, Iota, Pad, Reshape, Reverse, Slice, Transpose
from ...isa.dtypes import DType
from ...isa.model import Affine
from ..vector.nodes import NotVectorizable
from .program import CoreProgram
from .registers import Scalar, constant
from .values import Array, Cells, Far, Held, Repeated, Splat


def lower_reshape(p: CoreProgram, op: Reshape) -> Held:
    """Return the elements in another shape."""
    held, shape = p.get(op.operands[0]), op.result.shape
    match held:
        case Cells():
            return Cells(shape, held.dtype, held.items)
        case Splat():
            return Splat(shape, held.dtype, held.item)
        case Array():
            return held.reshaped(shape)
        case Repeated():
            return replace(held, shape=shape)
        case Far():
            return p.load(held).reshaped(shape)


def lower_iota(p: CoreProgram, op: Iota) -> Held:
    """Return the indices along a dimension."""
    shape, dtype = op.result.shape, op.result.dtype
    if op.result.type.size <= p.most_cells:
        indices = itertools.product(*map(range, shape))
        return Cells(shape, dtype, tuple(constant(i[op.dimension], dtype) for i in indices))
    array = p.new_array(shape, dtype)
    inner = prod(shape[op.dimension + 1 :])
    if dtype is DType.i1 or shape[op.dimension] * inner != op.result.type.size:
        raise NotVectorizable("[on chip] an iota that repeats")
    with p.made(array, shape[op.dimension], inner) as tile:
        p.b.tci(tile, 0, 1, 0)
    return array


def lower_broadcast(p: CoreProgram, op: BroadcastInDim) -> Held:
    """Return the operand repeated."""
    x, shape = op.operands[0], op.result.shape
    held = p.get(x)
    if isinstance(held, Splat):
        return p.splat(shape, held.item)
    if x.type.size == 1:
        return p.splat(shape, p.scalar(x))
    row = _repeated(p, held, op)
    if row is not None:
        return row
    steps = [0] * len(shape)
    for d, n, step in zip(op.dimensions, x.shape, row_major(x.shape), strict=True):
        steps[d] = step if n > 1 else 0
    return _strided(p, held, shape, steps, 0)


def _repeated(p: CoreProgram, held: Held, op: BroadcastInDim) -> Repeated | None:
    """Return an operand of several elements that is repeated whole, or element by element."""
    x, shape = op.operands[0], op.result.shape
    if op.result.type.size <= p.most_cells or op.result.type.size == x.type.size:
        return None
    kept = [d for d, n in zip(op.dimensions, x.shape, strict=True) if n > 1]
    times = op.result.type.size // x.type.size
    last = prod(shape[kept[-1] + 1 :])
    if kept != [d for d in range(kept[0], kept[-1] + 1) if shape[d] > 1] or last not in (1, times):
        return None
    return Repeated(shape, x.dtype, p.in_ub(held), times, last == times)


def lower_transpose(p: CoreProgram, op: Transpose) -> Held:
    """Return the elements in another order of dimensions."""
    steps = row_major(op.operands[0].shape)
    return _strided(p, p.get(op.operands[0]), op.result.shape, [steps[d] for d in op.permutation], 0)


def lower_slice(p: CoreProgram, op: Slice) -> Held:
    """Return a strided part."""
    steps = row_major(op.operands[0].shape)
    offset = sum(s * step for s, step in zip(op.start, steps, strict=True))
    return _strided(
        p, p.get(op.operands[0]), op.result.shape, [s * t for s, t in zip(steps, op.stride, strict=True)], offset
    )


def lower_reverse(p: CoreProgram, op: Reverse) -> Held:
    """Return the elements backwards along some dimensions."""
    x = op.operands[0]
    steps, offset = list(row_major(x.shape)), 0
    for d in op.dimensions:
        offset += (x.shape[d] - 1) * steps[d]
        steps[d] = -steps[d]
    return _strided(p, p.get(x), op.result.shape, steps, offset)


def _strided(p: CoreProgram, held: Held, shape: Sequence[int], steps: Sequence[int], offset: int) -> Held:
    """Return element offset + index * steps of what is held, for all indices of a shape."""
    if isinstance(held, Splat):
        return p.splat(shape, held.item)
    n = prod(shape)
    if n <= p.most_cells:
        where = (
            offset + sum(i * s for i, s in zip(index, steps, strict=True))
            for index in itertools.product(*map(range, shape))
        )
        return Cells(tuple(shape), held.dtype, tuple(p.element(held, Affine(i)) for i in where))
    source = p.in_ub(held)
    array = p.new_array(shape, held.dtype)
    p.b.texpands(array.tile, 0)
    p.copy(array, source, shape, row_major(shape), steps, 0, offset)
    return array


def lower_concatenate(p: CoreProgram, op: Concatenate) -> Held:
    """Return the operands one after the other."""
    shape, d = op.result.shape, op.dimension
    if op.result.type.size <= p.most_cells:
        parts = [p.cells(x) for x in op.operands]
        inner = prod(shape[d + 1 :])
        items: list[Scalar] = []
        for outer in range(prod(shape[:d])):
            for x, part in zip(op.operands, parts, strict=True):
                n = x.shape[d] * inner
                items += part[outer * n : (outer + 1) * n]
        return Cells(shape, op.result.dtype, tuple(items))
    array, steps, offset = p.new_array(shape, op.result.dtype), row_major(shape), 0
    p.b.texpands(array.tile, 0)
    for x in op.operands:
        p.copy(array, _readable(p, p.get(x)), x.shape, steps, row_major(x.shape), offset)
        offset += x.shape[d] * steps[d]
    return array


def lower_pad(p: CoreProgram, op: Pad) -> Held:
    """Return the elements with others around and between them."""
    x, shape = op.operands[0], op.result.shape
    padding = p.scalar(op.operands[1])
    if op.result.type.size <= p.most_cells:
        items = [padding] * op.result.type.size
        steps = row_major(shape)
        cells = p.cells(x)
        for k, index in enumerate(itertools.product(*map(range, x.shape))):
            at = [lo + i * (it + 1) for lo, i, it in zip(op.low, index, op.interior, strict=True)]
            if all(0 <= a < n for a, n in zip(at, shape, strict=True)):
                items[sum(a * s for a, s in zip(at, steps, strict=True))] = cells[k]
        return Cells(shape, op.result.dtype, tuple(items))
    array, steps = p.new_array(shape, op.result.dtype), row_major(shape)
    p.fill(array, padding)
    # What negative padding cuts off is not copied.
    first = [-(-max(-lo, 0) // (it + 1)) for lo, it in zip(op.low, op.interior, strict=True)]
    count = [
        max(0, min(n, (size - 1 - lo) // (it + 1) + 1) - f)
        for n, size, lo, it, f in zip(x.shape, shape, op.low, op.interior, first, strict=True)
    ]
    to = [s * (it + 1) for s, it in zip(steps, op.interior, strict=True)]
    of = row_major(x.shape)
    dst = sum((lo + f * (it + 1)) * s for lo, f, it, s in zip(op.low, first, op.interior, steps, strict=True))
    src = sum(f * s for f, s in zip(first, of, strict=True))
    p.copy(array, _readable(p, p.get(x)), count, to, of, dst, src)
    return array


def _readable(p: CoreProgram, held: Held) -> Held:
    return p.in_ub(held) if isinstance(held, (Far, Repeated)) else held
