"""Tiling of a vector kernel: which axes are tile columns, tile rows, loops, and how blocks divide them.

    softmax [4096, 1000]       ->  columns 1000 (all: they are reduced and used again), rows 4 a tile, 48 x 22 tiles
    x + 1, [64, 197, 768]      ->  one axis of 9682944, columns 4032 a tile
    transpose [B, T, H] -> BHT ->  columns T, rows H, both chunked, so that loads and stores have long runs

Adjacent axes that every access walks through as one are merged first. The column axis is the one most bytes are
contiguous along. Tiles are as large as UB and double buffering allow, up to TILE_BYTES, and small enough to occupy all
cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod

from ..targets import Target

TILE_BYTES = 16 * 1024  # a move of this size reaches the full rate
SMALL_TILE = 1024  # elements; below, more blocks cost more than they win
SECOND_LAUNCH = 32 * 1024  # elements that a block reduces in the time of one more launch
TABLE = 8192  # elements of a value, or of a row, that is loaded for the sake of some of them
FETCH = 8  # elements: what one fetched by itself costs in those of a row
GATHERED_TILE = 64  # elements, where some are fetched each by itself
MINIMUM_RUN = 16  # elements of a contiguous run that a strided side should keep
BLOCK_RUN = 128  # elements of a run that blocks take of rows which they share: whole lines of the L2 in f32
NARROW = 64  # columns fewer than this are joined by the next axis


@dataclass(frozen=True)
class Walk:
    """One access to memory, or an iota: stride per axis, and the bytes of an element (0: no traffic)."""

    strides: dict[int, int]
    bytes: int
    elements: int = 0
    is_store: bool = False
    gathered: bool = False  # from places that are data, each a transfer of its own


@dataclass(frozen=True)
class Reduction:
    """Axes of the operand and of the result; `again` if the result is used along axes it does not have."""

    operand: frozenset[int]
    reduced: frozenset[int]
    again: bool
    by_loop: bool = False  # no instruction reduces inside a tile
    as_columns: bool = False  # must be a row reduction over a whole axis (argmax)


@dataclass
class Problem:
    """What a plan needs to know of a kernel."""

    extent: dict[int, int]
    order: list[int]  # axes, outer to inner by the main store
    walks: list[Walk]
    reductions: list[Reduction]
    bytes_per_element: int  # of all tiles alive at once, for an element of a full tile
    small: list[tuple[frozenset[int], int]] = field(default_factory=lambda: [])  # axes, bytes an element of small tiles

    def row_bytes(self, axis: int) -> int:
        """Bytes of all tiles alive at once, for an element of a row along an axis."""
        return max(1, self.bytes_per_element + sum(size for axes, size in self.small if axis in axes))


@dataclass
class NestPlan:
    """The result. Group axes are outer to inner; only the first of a group may be chunked."""

    extent: dict[int, int]
    rows: list[int] = field(default_factory=lambda: [])
    columns: list[int] = field(default_factory=lambda: [])
    chunk: dict[int, int] = field(default_factory=lambda: {})
    loops: list[int] = field(default_factory=lambda: [])  # axes with steps, outer to inner
    split: dict[int, tuple[int, int]] = field(default_factory=lambda: {})  # axis -> (blocks, steps per block)

    @property
    def blocks(self) -> int:
        """Blocks of the grid."""
        return prod(n for n, _ in self.split.values())

    def steps(self, axis: int) -> int:
        """Number of chunks along an axis."""
        return -(-self.extent[axis] // self.chunk.get(axis, 1))

    def tile(self, group: Sequence[int]) -> int:
        """Elements of a tile along a group of axes."""
        return prod(self.chunk[a] for a in group)


def merge_axes(
    extent: dict[int, int], order: list[int], walks: list[dict[int, int]], sets: list[frozenset[int]]
) -> dict[int, int]:
    """Return for each axis the axis that it becomes part of: pairs (outer, inner) that every walk crosses as one.

    The inner axis of a pair stands for both; `extent` and `order` are updated.
    """
    into: dict[int, int] = {}
    i = len(order) - 2
    while i >= 0:
        for j in range(i + 1, len(order)):
            outer, inner = order[i], order[j]
            if all(w.get(outer, 0) == w.get(inner, 0) * extent[inner] for w in walks) and all(
                (outer in s) == (inner in s) for s in sets
            ):
                into[outer] = inner
                extent[inner] *= extent.pop(outer)
                order.pop(i)
                break
        i -= 1
    return {a: _resolve(a, into) for a in [*extent, *into]}


def _resolve(axis: int, into: dict[int, int]) -> int:
    while axis in into:
        axis = into[axis]
    return axis


class Conflict(Exception):
    """No single loop nest computes all outputs; the caller splits the region."""


def plan_nest(p: Problem, target: Target, shrink: int = 1) -> NestPlan:
    """Choose tiles, loops and blocks. `shrink` divides the tile size, after an allocation that did not fit."""
    plan = NestPlan(p.extent)
    serial = frozenset[int]().union(*(r.reduced for r in p.reductions if r.again))
    column = _column_axis(p)
    limit = max(32, min(TILE_BYTES // 4, int(target.ub_bytes * 0.92) // max(p.bytes_per_element, 1)) // shrink)
    by_loop = frozenset[int]().union(*(r.reduced for r in p.reductions if r.by_loop))
    if column is not None and column not in by_loop:
        plan.columns = [column]
        plan.chunk[column] = _chunk_columns(p, column, limit, target, shrink, column in serial)
        if serial and column not in serial and not any(column in r.reduced for r in p.reductions):
            _share_columns(p, plan, column, serial, target)
        _widen_columns(p, plan, limit, by_loop)
    _choose_rows(p, plan, limit, by_loop, serial)
    _occupy_cores(p, plan, target, serial)
    _order_loops(p, plan, serial)
    _split_over_blocks(p, plan, target, serial)
    return plan


def _column_axis(p: Problem) -> int | None:
    whole = {r.reduced for r in p.reductions if r.as_columns}
    if len(whole) > 1 or any(len(axes) != 1 for axes in whole):
        raise Conflict("argmax along different axes, or along several")
    if whole:
        ((axis,),) = whole
        return axis
    weight = dict.fromkeys(p.order, 0)
    for w in p.walks:
        for axis, stride in w.strides.items():
            if abs(stride) == 1:
                weight[axis] += w.bytes * w.elements * (3 if w.is_store else 2)
                if w.gathered:
                    return axis  # what lies together comes together
    if not p.order:
        return None
    best = max(p.order, key=lambda a: weight[a])
    return best if weight[best] else p.order[-1]


def _chunk_columns(p: Problem, axis: int, limit: int, target: Target, shrink: int, serial: bool) -> int:
    extent = p.extent[axis]
    must = any(r.as_columns for r in p.reductions)
    if serial or must:
        # A row in one piece saves a second pass over it, so it may take all of UB.
        room = target.ub_bytes // p.row_bytes(axis) // shrink
        if extent <= room or must:
            return extent
    return extent if extent <= limit else _even_chunk(extent, limit)


def _share_columns(p: Problem, plan: NestPlan, column: int, serial: frozenset[int], target: Target) -> None:
    """Cut columns so that all cores have some: what is reduced and used again along rows leaves nothing else to share."""
    others = prod(n for a, n in p.extent.items() if a != column and a not in serial)
    while others * plan.steps(column) < target.vector_cores and plan.chunk[column] > BLOCK_RUN:
        plan.chunk[column] = max(BLOCK_RUN, -(-plan.chunk[column] // 2 // BLOCK_RUN) * BLOCK_RUN)


def _even_chunk(extent: int, limit: int) -> int:
    """Return a chunk of at most `limit`: one that divides the extent if there is one of decent size."""
    limit -= limit % 16 if limit >= 16 else 0
    for chunk in range(limit, max(limit // 3, 15), -16):
        if extent % chunk == 0:
            return chunk
    steps = -(-extent // limit)
    chunk = -(-extent // steps)
    return min(limit, -(-chunk // 16) * 16)


def _groupable(p: Problem, outer: int, group: Sequence[int]) -> bool:
    """Whether `outer` may join a group of tile axes.

    Reductions take all of the group or nothing, and so do the windows of gathers; these and iotas stay affine.
    """
    for r in p.reductions:
        if any((outer in r.reduced) != (a in r.reduced) for a in group):
            return False
    for w in p.walks:
        if w.gathered and any((outer in w.strides) != (a in w.strides) for a in group):
            return False
        if w.bytes == 0 or (w.gathered and outer in w.strides):  # an iota, or counted by one
            step = prod(p.extent[a] for a in group) * w.strides.get(group[-1], 0)
            if w.strides.get(outer, 0) != step:
                return False
    return True


def _next_outer(p: Problem, plan: NestPlan, group: Sequence[int]) -> int | None:
    """Return the axis just outside the group in the store order, or else the one before it that is free."""
    taken = {*plan.rows, *plan.columns}
    first = p.order.index(group[0]) if group else len(p.order)
    for axis in reversed(p.order[:first]):
        if axis not in taken:
            return axis
    return None


def _widen_columns(p: Problem, plan: NestPlan, limit: int, by_loop: frozenset[int]) -> None:
    while len(plan.columns) < 3 and plan.tile(plan.columns) < NARROW:
        first = plan.columns[0]
        axis = _next_outer(p, plan, plan.columns)
        if plan.chunk[first] < p.extent[first] or axis is None or axis in by_loop:
            return
        stores = [w for w in p.walks if w.is_store]
        together = all(w.strides.get(axis, 0) == w.strides.get(first, 0) * p.extent[first] for w in stores)
        if not together or not _groupable(p, axis, plan.columns) or any(r.as_columns for r in p.reductions):
            return
        room = max(1, min(limit, 16 * NARROW) // plan.tile(plan.columns))
        plan.columns.insert(0, axis)
        plan.chunk[axis] = min(p.extent[axis], room)


def _choose_rows(p: Problem, plan: NestPlan, limit: int, by_loop: frozenset[int], serial: frozenset[int]) -> None:
    if not plan.columns or (
        plan.chunk[plan.columns[0]] < p.extent[plan.columns[0]]
        and len(plan.columns) == 1
        and plan.tile(plan.columns) * 2 > limit
    ):
        rows_wanted = None
    else:
        rows_wanted = _row_axis(p, plan, by_loop)
    transposed = _transposed_axis(p, plan, by_loop)
    if transposed is not None:
        rows_wanted = transposed
        column = plan.columns[-1]
        if len(plan.columns) == 1 and column not in serial and not any(r.as_columns for r in p.reductions):
            side = max(MINIMUM_RUN, 1 << (int(limit**0.5).bit_length() - 1))
            other = max(1, limit // max(1, min(p.extent[transposed], side)))
            plan.chunk[column] = min(plan.chunk[column], p.extent[column], max(side, other - other % 16))
    if rows_wanted is None:
        return
    room = max(1, limit // max(1, plan.tile(plan.columns)))
    plan.rows = [rows_wanted]
    plan.chunk[rows_wanted] = min(p.extent[rows_wanted], room)
    while len(plan.rows) < 2 and plan.chunk[plan.rows[0]] == p.extent[plan.rows[0]]:
        axis = _next_outer(p, plan, plan.rows)
        room = limit // max(1, plan.tile(plan.columns) * plan.tile(plan.rows))
        if axis is None or axis in by_loop or room < 2 or not _groupable(p, axis, plan.rows):
            return
        plan.rows.insert(0, axis)
        plan.chunk[axis] = min(p.extent[axis], room)


def _row_axis(p: Problem, plan: NestPlan, by_loop: frozenset[int]) -> int | None:
    axis = _next_outer(p, plan, plan.columns)
    if axis is None:
        free = [a for a in p.order if a not in plan.columns]
        axis = free[-1] if free else None
    return None if axis in by_loop else axis


def _transposed_axis(p: Problem, plan: NestPlan, by_loop: frozenset[int]) -> int | None:
    """Return the axis along which some access is contiguous that strides along the columns."""
    if not plan.columns:
        return None
    best: tuple[int, int] | None = None
    most = max((w.elements for w in p.walks), default=0)
    for w in p.walks:
        if not w.bytes or w.elements * 4 < most or abs(w.strides.get(plan.columns[-1], 0)) == 1:
            continue
        for axis, stride in w.strides.items():
            if abs(stride) == 1 and axis not in plan.columns and axis not in by_loop:
                found = (w.elements, axis)
                best = found if best is None or found > best else best
    return None if best is None else best[1]


def _occupy_cores(p: Problem, plan: NestPlan, target: Target, serial: frozenset[int]) -> None:
    """Make tiles smaller while there are fewer of them than cores, those of different results if they suffice."""
    reduced = frozenset[int]().union(*(r.reduced for r in p.reductions))
    kept = [a for a in plan.extent if a not in reduced]
    shared = kept if prod(p.extent[a] for a in kept) >= target.vector_cores else list(plan.extent)

    def tiles() -> int:
        return prod(plan.steps(a) for a in shared)

    least = GATHERED_TILE if any(w.gathered for w in p.walks) else SMALL_TILE
    for group in (plan.rows, plan.columns):
        if (
            not group
            or group[0] not in shared
            or group[0] in serial
            or any(r.as_columns and group[0] in r.reduced for r in p.reductions)
        ):
            continue
        axis = group[0]
        grows = group is plan.columns and plan.rows and plan.rows[0] in reduced  # more rows, as columns get fewer
        inner = 1 if group is plan.rows or len(group) > 1 else BLOCK_RUN if grows else MINIMUM_RUN
        while (
            tiles() < target.vector_cores
            and plan.tile(plan.rows) * plan.tile(plan.columns) > least
            and plan.chunk[axis] > inner
        ):
            plan.chunk[axis] = max(inner, -(-plan.chunk[axis] // 2))
            if inner > 1:
                plan.chunk[axis] = -(-plan.chunk[axis] // inner) * inner
            if grows:
                plan.chunk[plan.rows[0]] = min(plan.chunk[plan.rows[0]] * 2, p.extent[plan.rows[0]])


def _order_loops(p: Problem, plan: NestPlan, serial: frozenset[int]) -> None:
    """Kept axes outside, reduced ones inside: an accumulator lives just outside the loops of its reduction."""
    reduced = frozenset[int]().union(*(r.reduced for r in p.reductions))
    looped = [a for a in p.order if plan.steps(a) > 1]
    plan.loops = [a for a in looped if a not in reduced] + [a for a in looped if a in reduced]
    position = {a: i for i, a in enumerate(plan.loops)}
    for r in p.reductions:
        inner = [position[a] for a in r.reduced if a in position]
        if not inner:
            continue
        if r.as_columns:
            raise Conflict("an argmax over an axis that does not fit a tile")
        first = min(inner)
        if any(position[a] > first for a in r.operand - r.reduced if a in position):
            raise Conflict("reductions over different axes that both need loops")
        if any(a not in r.operand | r.reduced for a in plan.loops[first:]):
            raise Conflict("a reduction inside a loop it does not depend on")


def _split_over_blocks(p: Problem, plan: NestPlan, target: Target, serial: frozenset[int]) -> None:
    cores = target.vector_cores
    reduced = frozenset[int]().union(*(r.reduced for r in p.reductions))
    parallel = [a for a in plan.loops if a not in reduced]
    blocks = 1
    for axis in parallel:
        blocks *= _split(plan, axis, blocks, cores, 4 * cores)
    work = prod(plan.extent.values()) * (8 * SMALL_TILE // GATHERED_TILE if any(w.gathered for w in p.walks) else 1)
    if work < blocks * SECOND_LAUNCH:
        return
    rest = [a for a in plan.loops if a in reduced and a not in serial]
    for axis in sorted(rest, key=plan.steps, reverse=True):
        most = min(cores // blocks, work // (8 * SMALL_TILE) // blocks)
        if most > 1:
            blocks *= _split(plan, axis, blocks, cores, most * blocks)


def _split(plan: NestPlan, axis: int, blocks: int, cores: int, most: int) -> int:
    """Divide an axis over blocks such that the busiest core has least to do; returns the number of blocks along it."""
    steps = plan.steps(axis)
    best: tuple[int, int] | None = None
    for n in range(1, min(steps, max(1, most // blocks)) + 1):
        per = -(-steps // n)
        if -(-steps // per) != n:
            continue
        waves = -(-blocks * n // cores)
        if best is None or waves * per < best[0]:
            best = (waves * per, n)
    assert best is not None
    n = best[1]
    if n > 1:
        plan.split[axis] = (n, -(-steps // n))
    return n


def live_axes(walks: Iterable[Walk]) -> frozenset[int]:
    """Return the axes that occur in any walk."""
    return frozenset(a for w in walks for a in w.strides)
