"""GatherSlices: element offsets by vector arithmetic, then rows (or single elements) by mgather.

result[b, window] = x[starts[b] + window]    blocks share out the rows b; wide windows are cut into columns
"""

from __future__ import annotations

from contextlib import ExitStack

from ...graph.graph import row_major
from ...graph.ops import GatherSlices
from ...isa.machine import Loc
from ...isa.model import Affine
from ...program.kernel import KernelBuilder
from ...targets import Target
from ..steps import Launch, Step
from .window import (  # fmt: skip
    INDEX,
    as_column,
    batch_loop,
    element_offsets,
    loop_over,
    plan_window,
    rows_per_tile,
    split_blocks,
)


def lower_gather_slices(op: GatherSlices, target: Target) -> list[Step]:
    """Return the launch that gathers; none for an empty result."""
    x, *starts = op.operands
    result = op.result
    if result.type.size == 0:
        return []
    batch = result.shape[0]
    strides = row_major(x.shape)
    window = plan_window(op.slice_sizes, strides)
    size = result.type.size // batch
    rows = rows_per_tile(batch, window.row, max(x.dtype.bytes, INDEX.bytes), target.ub_bytes // 8)
    rows = min(rows, max(8, -(-batch // target.vector_cores)))  # enough tiles for all cores
    tiles = -(-batch // rows)
    blocks, per_block = split_blocks(tiles, target.vector_cores)
    b = KernelBuilder(f"gather_{x.dtype}_{batch}x{size}", "aiv", (blocks,))
    source, indices = b.argument(x.dtype, x.type.size), [b.argument(INDEX, batch) for _ in starts]
    out = b.argument(x.dtype, result.type.size, writes=True)
    limits = [x.shape[d] - op.slice_sizes[d] for d in op.index_map]
    steps = [strides[d] for d in op.index_map]
    with ExitStack() as stack:
        tile = batch_loop(b, b.blocks[0], tiles, per_block, stack)
        count = b.minimum(rows, batch - tile * rows) if batch % rows else Affine(rows)
        columns = [(index, tile * rows, 1) for index in indices]
        offsets = element_offsets(b, columns, count, rows, limits, steps, skip=False)
        if size == 1:
            moved = b.tile(Loc.vec, x.dtype, 1, rows, (1, count))
            b.mgather(moved, b.view(source, 0, (1, 1), (0, 1)), offsets, "elem")
            b.tstore(b.view(out, tile * rows, (1, count), (0, 1)), moved)
        else:
            column = as_column(b, offsets)
            piece = loop_over(b, window, None, stack)
            moved = b.tile(Loc.vec, x.dtype, rows, window.row, (count, piece.width))
            view_strides = tuple(d.stride for d in window.columns)
            b.mgather(moved, b.view(source, piece.offset, (1, *piece.shape), (0, *view_strides), 1), column, "row")
            dense = tuple(d.dense for d in window.columns)
            b.tstore(b.view(out, tile * rows * size + piece.dense, (count, *piece.shape), (size, *dense), 1), moved)
    return [Launch(b.kernel, [x, *starts, result], [result])]
