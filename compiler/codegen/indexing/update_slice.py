"""DynamicUpdateSlice: the result starts as x (in place where the planner can); only the update is moved."""

from __future__ import annotations

from contextlib import ExitStack

from ...graph.graph import Value, row_major
from ...graph.ops import Constant, DynamicUpdateSlice
from ...isa.machine import Loc
from ...isa.model import Affine
from ...program.kernel import KernelBuilder
from ...targets import Target
from ..steps import Launch, Rename, Step
from .window import Dim, split_blocks

_TILE_BYTES = 16 * 1024  # a move of this size reaches the full rate


def lower_update_slice(op: DynamicUpdateSlice, target: Target) -> list[Step]:
    """Return the launch that writes the update at its clamped start."""
    x, update, *starts = op.operands
    result = op.result
    if update.type.size == 0:
        return [Rename(result, x)]
    scalars = [s for s in starts if not isinstance(s.producer, Constant)]
    unique = list(dict.fromkeys(scalars))
    strides = row_major(x.shape)
    dims = _merge(update.shape, x.shape, strides)
    columns = max(1, min(dims[-1].extent, _TILE_BYTES // x.dtype.bytes))
    chunks = -(-dims[-1].extent // columns)
    rows_dim = dims[-2] if len(dims) > 1 else Dim(1, 0, 0)
    rows = max(1, min(rows_dim.extent, _TILE_BYTES // (columns * x.dtype.bytes)))
    row_tiles = -(-rows_dim.extent // rows)
    blocks, per_block = split_blocks(row_tiles * chunks, target.vector_cores)
    b = KernelBuilder(f"update_slice_{x.dtype}_{'x'.join(map(str, update.shape))}", "aiv", (blocks,))
    source = b.argument(update.dtype, update.type.size)
    places = {s: b.argument(s.dtype, 1) for s in unique}
    out = b.argument(x.dtype, x.type.size, writes=True)
    start = Affine()
    for value, extent, size, stride in zip(starts, x.shape, update.shape, strides, strict=True):
        start = start + _clamped(b, value, places, extent - size) * stride
    with ExitStack() as stack:
        outer, dense = start, Affine()
        for d in dims[:-2]:
            i = stack.enter_context(b.loop(0, d.extent))
            outer, dense = outer + i * d.stride, dense + i * d.dense
        stop = b.minimum(per_block, row_tiles * chunks - b.blocks[0] * per_block)
        i = stack.enter_context(b.loop(0, stop))
        tile = b.blocks[0] * per_block + i
        r = b.scalar("sdiv", tile, Affine(chunks)) if chunks > 1 else tile
        c = tile - r * chunks if chunks > 1 else Affine()
        count = b.minimum(rows, rows_dim.extent - r * rows)
        width = b.minimum(columns, dims[-1].extent - c * columns) if chunks > 1 else Affine(columns)
        moved = b.tile(Loc.vec, x.dtype, rows, columns, (count, width), slots=2)
        moved = type(moved)(moved.tile, i)
        first = r * rows * rows_dim.dense + c * columns + dense
        b.tload(moved, b.view(source, first, (count, width), (rows_dim.dense, 1)))
        there = outer + r * rows * rows_dim.stride + c * columns
        b.tstore(b.view(out, there, (count, width), (rows_dim.stride, 1)), moved)
    return [Launch(b.kernel, [update, *unique, result], [result], starts_as=((result, x),))]


def _clamped(b: KernelBuilder, start: Value, places: dict[Value, int], limit: int) -> Affine:
    if isinstance(start.producer, Constant):
        return Affine(min(max(int(start.producer.value.reshape(())), 0), limit))
    if limit == 0:
        return Affine()
    loaded = b.scalar("sload", b.view(places[start], 0, (1,), (1,), 0))
    return b.scalar("smin", b.scalar("smax", loaded, Affine(0)), Affine(limit))


def _merge(update: tuple[int, ...], x: tuple[int, ...], strides: tuple[int, ...]) -> list[Dim]:
    """Merge dimensions that lie without gaps in x and in the update; the last has stride one in both."""
    dims: list[Dim] = []
    dense = row_major(update)
    for extent, stride, step in zip(update, strides, dense, strict=True):
        if extent == 1:
            continue
        if dims and dims[-1].stride == extent * stride and dims[-1].dense == extent * step:
            dims[-1] = Dim(dims[-1].extent * extent, stride, step)
        else:
            dims.append(Dim(extent, stride, step))
    if not dims or dims[-1].stride != 1:
        dims.append(Dim(1, 1, 1))
    return dims
