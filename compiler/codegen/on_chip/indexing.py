"""Slices and updates at places that are data: an address of the scalar unit, in UB or in GM."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ...graph.graph import Value, row_major
from ...graph.ops import DynamicSlice, DynamicUpdateSlice, GatherSlices, ScatterSlices
from ...isa.dtypes import DType
from ...isa.model import Affine
from ..vector.nodes import NotVectorizable
from .program import CoreProgram, merged_dims
from .registers import Scalar, constant
from .values import Array, Cells, Far, Held, Repeated, Splat

_MOST_LOADS = 4  # elements in GM that are worth a load each


def _offset(p: CoreProgram, starts: Sequence[Scalar], limits: Sequence[int], steps: Sequence[int]) -> Affine:
    """Return the element offset of starts that are clamped to 0..limit."""
    offset = Affine()
    for start, limit, step in zip(starts, limits, steps, strict=True):
        if limit:
            offset = offset + p.unit.clamp(start, limit).held * step
    return offset


def _window(p: CoreProgram, held: Held, shape: Sequence[int], offset: Affine) -> Held:
    """Return the part of a value of this shape from an element on."""
    if isinstance(held, Splat):
        return p.splat(shape, held.item)
    n, steps = prod(shape), row_major(held.shape)
    if isinstance(held, Far) and n > _MOST_LOADS:
        return p.stored(p.load(held, offset, shape))
    if n <= p.most_cells:
        held = held if isinstance(held, (Array, Far)) or offset.is_constant else p.in_ub(held)
        dims = merged_dims(shape, [steps])
        places = [0]
        for extent, step in dims:
            places = [place + i * step for place in places for i in range(extent)]
        return Cells(tuple(shape), held.dtype, tuple(p.element(held, offset + place) for place in places))
    array = p.new_array(shape, held.dtype)
    p.b.texpands(array.tile, 0)
    p.copy(array, p.in_ub(held), shape, row_major(shape), steps, 0, offset)
    return array


def lower_dynamic_slice(p: CoreProgram, op: DynamicSlice) -> Held:
    """Return a slice at starts that are data."""
    x, *starts = op.operands
    held = p.get(x)
    limits = [n - size for n, size in zip(x.shape, op.sizes, strict=True)]
    offset = _offset(p, [p.scalar(s) for s in starts], limits, row_major(x.shape))
    return _window(p, held, op.sizes, offset)


def updated(p: CoreProgram, value: Value) -> Array | Far:
    """Return where the op at hand may write its result: in its operand's place if nobody else reads that, else a copy."""
    held = p.get(value)
    if isinstance(held, Far):
        if not p.is_last_use(value):
            raise NotVectorizable("[on chip] a value in GM is read after it is updated")
        return held
    if isinstance(held, Array):
        return held if p.is_last_use(value) else p.copied(held)
    return p.in_ub(held)


def lower_dynamic_update_slice(p: CoreProgram, op: DynamicUpdateSlice) -> Held:
    """Return the operand with a part of it replaced."""
    x, update, *starts = op.operands
    new = p.get(update)
    limits = [n - size for n, size in zip(x.shape, update.shape, strict=True)]
    steps = row_major(x.shape)
    offset = _offset(p, [p.scalar(s) for s in starts], limits, steps)
    held = p.get(x)
    if isinstance(held, Cells) and offset.is_constant and isinstance(new, Cells):
        return _replaced(held, new, steps, offset.const)
    target = updated(p, x)
    if isinstance(target, Far) and update.type.size > _MOST_LOADS:
        p.store(target, p.in_ub(new), offset)
    else:
        p.copy(
            target,
            p.in_ub(new) if isinstance(new, (Far, Repeated)) else new,
            update.shape,
            steps,
            row_major(update.shape),
            offset,
        )
    return target


def _replaced(held: Cells, new: Cells, steps: Sequence[int], offset: int) -> Cells:
    items = list(held.items)
    places = [offset]
    for extent, step in zip(new.shape, steps, strict=True):
        places = [place + i * step for place in places for i in range(extent)]
    for place, item in zip(places, new.items, strict=True):
        items[place] = item
    return Cells(held.shape, held.dtype, tuple(items))


def _starts(p: CoreProgram, starts: Held, row: Affine, columns: int) -> list[Scalar]:
    return [p.element(starts, row * columns + k) for k in range(columns)]


def lower_gather(p: CoreProgram, op: GatherSlices) -> Held:
    """Return slices at starts that are data, one after the other."""
    x, *starts = op.operands
    held, columns = p.get(x), [_near(p, s) for s in starts]
    steps = row_major(x.shape)
    limits = [x.shape[d] - op.slice_sizes[d] for d in op.index_map]
    batch, window = op.result.shape[0], prod(op.slice_sizes)

    def offset(row: Affine) -> Affine:
        return _offset(p, [p.element(c, row) for c in columns], limits, [steps[d] for d in op.index_map])

    if op.result.type.size <= p.most_cells:
        items: list[Scalar] = []
        for i in range(batch):
            part = _window(p, held, op.slice_sizes, offset(Affine(i)))
            assert isinstance(part, Cells), "a window of few elements is in registers"
            items += part.items
        return Cells(op.result.shape, op.result.dtype, tuple(items))
    array = p.new_array(op.result.shape, op.result.dtype)
    p.b.texpands(array.tile, 0)
    source = held if isinstance(held, (Array, Far)) else p.in_ub(held)
    with p.loops([batch]) as (i,):
        p.copy(array, source, op.slice_sizes, row_major(op.slice_sizes), steps, i * window, offset(i))
    return array


def _near(p: CoreProgram, value: Value) -> Held:
    held = p.get(value)
    return p.in_ub(held) if isinstance(held, (Far, Repeated)) else held


_COMBINE = {"add": "add", "mul": "mul", "max": "max", "min": "min", "and": "and", "or": "or"}


def lower_scatter(p: CoreProgram, op: ScatterSlices) -> Held:
    """Return the input with updates combined into it, in their order; one that does not fit is left out."""
    x, starts, update = op.operands
    steps, rows, new = row_major(x.shape), _near(p, starts), _near(p, update)
    window = update.shape[1:]
    size, limits = prod(window), [x.shape[d] - window[d] for d in op.index_map]
    unrolled = starts.shape[0] * size <= p.most_cells
    if not unrolled:
        rows, new = p.in_ub(rows), new if isinstance(new, Splat) else p.in_ub(new)
    target = updated(p, x)

    def combine(row: Affine) -> None:
        at = _starts(p, rows, row, len(op.index_map))
        fits = _fits(p, at, limits)
        if fits.is_constant and not fits.low:
            return
        offset = Affine()
        for start, d in zip(at, op.index_map, strict=True):
            offset = offset + start.held * steps[d]
        if fits.is_constant:
            write(row, offset)
        else:
            with p.b.when(fits.held):
                write(row, offset)

    def write(row: Affine, offset: Affine) -> None:
        if unrolled:
            places = [(0, offset)]
            for n, step, dense in zip(window, steps, row_major(window), strict=True):
                places = [(k + i * dense, at + i * step) for k, at in places for i in range(n)]
            for k, at in places:
                _combine(p, op.kind, target, at, p.element(new, row * size + k))
            return
        dims = merged_dims(window, [steps, row_major(window)])
        with p.loops([d[0] for d in dims]) as index:
            at, of = offset, row * size
            for i, (_, step, dense) in zip(index, dims, strict=True):
                at, of = at + i * step, of + i * dense
            _combine(p, op.kind, target, at, p.element(new, of))

    if unrolled:
        for i in range(starts.shape[0]):
            combine(Affine(i))
    else:
        with p.loops([starts.shape[0]]) as (i,):
            combine(i)
    return target


def _combine(p: CoreProgram, kind: str, target: Array | Far, at: Affine, item: Scalar) -> None:
    if kind != "assign":
        item = p.unit.compute(_COMBINE[kind], target.dtype, p.element(target, at), item)
    p.set_element(target, at, item)


def _fits(p: CoreProgram, starts: Sequence[Scalar], limits: Sequence[int]) -> Scalar:
    unit, fits = p.unit, constant(True, DType.i1)
    for start, limit in zip(starts, limits, strict=True):
        for condition in (
            unit.compare("ge", start.dtype, start, constant(0, start.dtype)),
            unit.compare("le", start.dtype, start, constant(limit, start.dtype)),
        ):
            fits = unit.compute("and", DType.i1, fits, condition)
    return fits
