"""TakeAlong: elements of rows by column numbers that are data, both rows in UB."""

from __future__ import annotations

from collections.abc import Iterator

from ...graph.ops import TakeAlong
from ...targets import Target
from ...tiling.sorting import padded
from ..steps import Way
from .row_tiles import RowKernel, heights
from .window import INDEX


def take_along_ways(op: TakeAlong, target: Target) -> Iterator[Way]:
    """Yield launches, best first; nothing is to be done for an empty result."""
    x, index = op.operands
    (rows, columns), taken = x.shape, index.shape[1]
    if not op.result.type.size:
        yield []
        return
    row = padded(columns) * x.dtype.bytes + padded(taken) * (x.dtype.bytes + INDEX.bytes)
    for height in heights(rows, max(target.ub_bytes // 2 // row, 1), target):
        kernel = RowKernel(f"take_{x.dtype}_{rows}x{columns}_{taken}", op, rows, height, target)
        with kernel.tiles() as (part, first):
            source = part.load(kernel.given[0], x.dtype, first * columns, columns, columns)
            where = part.load(kernel.given[1], INDEX, first * taken, taken, taken)
            part.b.tmaxs(where, where, 0)
            part.b.tmins(where, where, columns - 1)
            part.store(kernel.made[0], part.gather(source, x.dtype, where, taken), first * taken, taken)
        yield [kernel.launch()]
