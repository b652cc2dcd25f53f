"""TakeAlong: elements of rows by column numbers that are data, both rows in UB."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ops import TakeAlong
from ...isa.machine import Loc
from ...isa.model import Affine
from ...targets import Target
from ...tiling.sorting import RUN, padded
from ..steps import Launch, Way
from .row_tiles import RowKernel, heights
from .window import INDEX


def take_along_ways(op: TakeAlong, target: Target) -> Iterator[Way]:
    """Yield launches, best first; nothing is to be done for an empty result."""
    x, index = op.operands
    (rows, columns), taken = x.shape, index.shape[1]
    if not op.result.type.size:
        yield []
        return
    source_bytes, taken_bytes = padded(columns) * x.dtype.bytes, x.dtype.bytes + INDEX.bytes
    room = target.ub_bytes // 2
    piece = min(padded(taken), max((room - source_bytes) // taken_bytes // RUN, 1) * RUN)
    for height in heights(rows, max(room // (source_bytes + piece * taken_bytes), 1), target):
        yield [_take_along(op, height, piece, target)]


def _take_along(op: TakeAlong, height: int, piece: int, target: Target) -> Launch:
    """Rows of indices go in pieces, if they are long."""
    x, index = op.operands
    (rows, columns), taken = x.shape, index.shape[1]
    kernel = RowKernel(f"take_{x.dtype}_{rows}x{columns}_{taken}", op, rows, height, target)
    b = kernel.b
    with kernel.tiles() as (part, row):
        source = part.load(kernel.given[0], x.dtype, row * columns, columns, columns)
        with b.loop(0, -(-taken // piece)) as i:
            start = i * piece
            width = b.minimum(piece, taken - start) if taken % piece else Affine(piece)
            window = row * taken + start, (part.count, width), (taken, 1)
            where, found = (b.tile(Loc.vec, t, height, piece, (part.count, width)) for t in (INDEX, x.dtype))
            b.tload(where, b.view(kernel.given[1], *window))
            b.tmaxs(where, where, 0)
            b.tmins(where, where, columns - 1)
            b.tgather(found, source, where)
            b.tstore(b.view(kernel.made[0], *window), found)
    return kernel.launch()
