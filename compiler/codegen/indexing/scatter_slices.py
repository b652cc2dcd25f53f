"""ScatterSlices: the result starts as the input; offsets by vector arithmetic, then mscatter, row after row.

Updates of one element must keep their order, so blocks share out the columns of the window where no two of these can
meet (dimensions that are not indexed), or the rows if the program promises unique indices; else one block does all.
"""

from __future__ import annotations

from contextlib import ExitStack

from ...graph.graph import row_major
from ...graph.ops import ScatterSlices
from ...isa.machine import Loc
from ...isa.model import Affine
from ...program.kernel import KernelBuilder
from ...targets import Target
from ..steps import Launch, Rename, Step
from .window import (  # fmt: skip
    INDEX,
    MAX_COLUMNS,
    as_column,
    batch_loop,
    element_offsets,
    loop_over,
    plan_window,
    rows_per_tile,
    split_blocks,
)

_MIN_CHUNK = 64  # elements: narrower columns would cost more in transfers than more blocks gain


def lower_scatter_slices(op: ScatterSlices, target: Target) -> list[Step]:
    """Return the launch that scatters; the planner makes the result start as the input."""
    atomic = "none" if op.kind == "assign" else op.kind
    x, starts, updates = op.operands
    result = op.result
    batch, depth = starts.shape
    extents = updates.shape[1:]
    strides = row_major(x.shape)
    size = updates.type.size // batch if batch else 0
    if not size:
        return [Rename(result, x)]
    whole = plan_window(extents, strides)
    last = len(extents) - 1
    while last >= 0 and extents[last] == 1 == x.shape[last]:
        last -= 1
    # the last dimension is nowhere indexed and taken whole: its parts never meet
    separable = last >= 0 and last not in op.index_map and extents[last] == x.shape[last] and not whole.outer
    separable = separable and len(whole.columns) == 1 and whole.columns[0].extent == extents[last]
    window, chunks = whole, 1
    if separable and not op.unique_indices:
        chunk = max(_MIN_CHUNK, -(-extents[last] // target.vector_cores))
        window = plan_window(extents, strides, min(chunk, MAX_COLUMNS))
        chunks = -(-extents[last] // window.chunk) if window.chunk < extents[last] else 1
    rows = rows_per_tile(batch, window.row, max(x.dtype.bytes, INDEX.bytes), target.ub_bytes // 8)
    tiles = -(-batch // rows)
    blocks, per_block = split_blocks(tiles, target.vector_cores) if op.unique_indices else (1, tiles)
    b = KernelBuilder(f"scatter_{op.kind}_{x.dtype}_{batch}x{size}", "aiv", (blocks, chunks))
    index, source = b.argument(INDEX, max(starts.type.size, 1)), b.argument(x.dtype, max(updates.type.size, 1))
    out = b.argument(x.dtype, x.type.size, writes=True)
    limits = [x.shape[d] - extents[d] for d in op.index_map]
    steps = [strides[d] for d in op.index_map]
    with ExitStack() as stack:
        tile = batch_loop(b, b.blocks[0], tiles, per_block, stack)
        count = b.minimum(rows, batch - tile * rows) if batch % rows else Affine(rows)
        columns = [(index, tile * rows * depth + k, depth) for k in range(depth)]
        offsets = element_offsets(b, columns, count, rows, limits, steps, skip=True)
        if size == 1:
            moved = b.tile(Loc.vec, x.dtype, 1, rows, (1, count))
            b.tload(moved, b.view(source, tile * rows, (1, count), (0, 1)))
            b.mscatter(b.view(out, 0, (1, 1), (0, 1)), moved, offsets, "elem", atomic)
        else:
            column = as_column(b, offsets)
            piece = loop_over(b, window, b.blocks[1] if chunks > 1 else None, stack)
            moved = b.tile(Loc.vec, x.dtype, rows, window.row, (count, piece.width))
            dense = tuple(d.dense for d in window.columns)
            b.tload(moved, b.view(source, tile * rows * size + piece.dense, (count, *piece.shape), (size, *dense), 1))
            view_strides = tuple(d.stride for d in window.columns)
            b.mscatter(
                b.view(out, piece.offset, (1, *piece.shape), (0, *view_strides), 1), moved, column, "row", atomic
            )
    return [Launch(b.kernel, [starts, updates, result], [result], starts_as=((result, x),))]
