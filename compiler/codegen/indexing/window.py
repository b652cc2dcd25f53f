"""The window that a gather or scatter moves per start: which of its elements form a tile's columns.

    window [1, 64, 3, 512] of x[100, 64, 30, 512]    ->    outer loops (64, step 15360), columns (3 * 512,)

Dimensions of extent one vanish, neighbours without gaps merge; trailing dimensions that fit become columns, the
others loops around the kernel's body.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod

from ...isa.dtypes import DType
from ...isa.machine import Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import KernelBuilder

MAX_COLUMNS = 8192  # elements of a row
INDEX = DType.i32


@dataclass(frozen=True)
class Dim:
    """A dimension of the window: its extent, its stride in x and in the dense window, and how it is cut."""

    extent: int
    stride: int
    dense: int


@dataclass(frozen=True)
class WindowPlan:
    """Loops around the body, and the columns of a row; `chunk` elements of the first column dimension at a time."""

    outer: tuple[Dim, ...]
    columns: tuple[Dim, ...]
    chunk: int

    @property
    def row(self) -> int:
        """Most elements of one row."""
        return self.chunk * prod(d.extent for d in self.columns[1:])


def plan_window(window: Sequence[int], strides: Sequence[int], limit: int = MAX_COLUMNS) -> WindowPlan:
    """Return how the window of these extents, with these strides in x, is moved."""
    dims: list[Dim] = []
    dense = prod(window)
    for extent, stride in zip(window, strides, strict=True):
        dense //= max(extent, 1)
        if extent == 1:
            continue
        if dims and dims[-1].stride == extent * stride:
            dims[-1] = Dim(dims[-1].extent * extent, stride, dense)
        else:
            dims.append(Dim(extent, stride, dense))
    columns: list[Dim] = []
    while dims and len(columns) < 4 and dims[-1].extent * prod(c.extent for c in columns) <= limit:
        columns.insert(0, dims.pop())
    if columns or not dims:
        return WindowPlan(tuple(dims), tuple(columns or [Dim(1, 1, 1)]), columns[0].extent if columns else 1)
    last = dims.pop()
    return WindowPlan(tuple(dims), (last,), limit)


@dataclass
class Piece:
    """One tile's worth of the window inside the loops: where it starts in x and in the dense window, how wide it is."""

    offset: Affine
    dense: Affine
    shape: tuple[int | Affine, ...]  # of the columns
    width: int | Affine


def loop_over(b: KernelBuilder, window: WindowPlan, block: Affine | None, stack: ExitStack) -> Piece:
    """Open the loops over the window in `stack`; grid coordinate `block`, if any, is the chunk."""
    offset, dense = Affine(), Affine()
    for d in window.outer:
        i = stack.enter_context(b.loop(0, d.extent))
        offset, dense = offset + i * d.stride, dense + i * d.dense
    first, *rest = window.columns
    inner = prod(d.extent for d in rest)
    if window.chunk >= first.extent:
        return Piece(offset, dense, tuple(d.extent for d in window.columns), first.extent * inner)
    chunks = -(-first.extent // window.chunk)
    j = block if block is not None else stack.enter_context(b.loop(0, chunks))
    extent = b.minimum(window.chunk, first.extent - j * window.chunk) if first.extent % window.chunk else window.chunk
    shape = (extent, *(d.extent for d in rest))
    step = j * window.chunk
    return Piece(offset + step * first.stride, dense + step * first.dense, shape, extent * inner)


def element_offsets(
    b: KernelBuilder,
    columns: Sequence[tuple[int, Affine, int]],
    rows: Affine | int,
    capacity: int,
    limits: Sequence[int],
    strides: Sequence[int],
    skip: bool,
) -> TileRef:
    """Emit the element offsets of `rows` starts, as a tile of one row; columns are (argument, element of the first, step).

    Start k is clamped to [0, limits[k]], or with `skip`, where it is outside of that the offset is -1.
    """
    offset = b.tile(Loc.vec, INDEX, 1, capacity, (1, rows))
    if not limits:
        b.texpands(offset, 0)
        return offset
    bad: TileRef | None = None
    for k, ((argument, first, step), limit, stride) in enumerate(zip(columns, limits, strides, strict=True)):
        start = b.tile(Loc.vec, INDEX, 1, capacity, (1, rows))
        b.tload(start, b.view(argument, first, (1, rows), (0, step)))
        if skip:
            for mode, bound in (("lt", 0), ("gt", limit)):
                outside = b.tile(Loc.vec, DType.i1, 1, capacity, (1, rows))
                b.tcmps(outside, start, bound, mode)
                if bad is not None:
                    both = b.tile(Loc.vec, DType.i1, 1, capacity, (1, rows))
                    b.tor(both, bad, outside)
                    outside = both
                bad = outside
        else:
            b.tmaxs(start, start, 0)
            b.tmins(start, start, limit)
        if stride != 1:
            b.tmuls(start, start, stride)
        b.tadd(offset, offset, start) if k else b.tmov(offset, start)
    if bad is not None:
        minus = b.tile(Loc.vec, INDEX, 1, capacity, (1, rows))
        b.texpands(minus, -1)
        b.tsel(offset, bad, minus, offset)
    return offset


def as_column(b: KernelBuilder, row: TileRef) -> TileRef:
    """Return a one-row tile as a one-column tile."""
    tile = b.kernel.tiles[row.tile]
    column = b.tile(tile.loc, tile.dtype, tile.columns, 1, (tile.valid_columns, 1))
    b.treshape(column, row)
    return column


def rows_per_tile(batch: int, row_elements: int, element_bytes: int, budget: int) -> int:
    """Return how many rows a tile of at most `budget` bytes takes; a multiple of 8 unless the batch is smaller."""
    rows = max(1, budget // max(row_elements * element_bytes, 1))
    rows = min(rows, batch, 4096)
    return rows if rows == batch else rows // 8 * 8 or rows


def split_blocks(count: int, most: int) -> tuple[int, int]:
    """Return (blocks, items per block) such that blocks cover `count` items, none empty."""
    per_block = -(-count // most)
    return -(-count // per_block), per_block


def batch_loop(b: KernelBuilder, block: Affine, tiles: int, per_block: int, stack: ExitStack) -> Affine:
    """Open the loop of a block over its tiles in `stack`; return the number of the tile."""
    stop = b.minimum(per_block, tiles - block * per_block) if tiles % per_block else Affine(per_block)
    i = stack.enter_context(b.loop(0, stop))
    return block * per_block + i
