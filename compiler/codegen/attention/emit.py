"""The kernel of an attention: scores stay on the way between the cube core and the vector cores, a block of keys at a time.

    for each tile of rows of this block:                                       persistent, as for a product
      for each block of keys, the second product one behind the first:
        cube core                                    vector cores, each half of the rows
        scores = q k        -> L2
                                                     t = scale, mask ; grow the maximum ; e = exp(t - maximum)
                                                     total = total * shrink + sum e ; weights -> L2
        partial = weights v -> L2    (block before)
                                                     result = result * shrink + partial
                                                     result / total -> GM

Maximum, total and result of a row stay in UB over all blocks. Scores, weights and partial results have two places each in a
workspace of the block, which L2 holds; cross-core flags say which are ready and which are free.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np

from ...isa.dtypes import DType
from ...isa.machine import FRACTAL, FRACTAL_BYTES, LIMITS, Layout, Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import Kernel, KernelBuilder
from ...targets import Target
from ...tiling.cube import round_up
from ...tiling.vector_plan import NestPlan
from ..cube.emit_epilogue import Handover, Rows, TileEmitter, choose_rows, plain
from ..cube.groups import Dim, group_size, tile_group, unravel
from ..cube.panels import ZERO, counted
from ..vector.emit import Kind
from ..vector.nodes import NotVectorizable
from .problem import OUT, Attention, K, Q, V
from .softmax import Softmax
from .tiles import AttentionTiles
from .visibility import Bound

_SCORES_READY, _SCORES_FREE, _WEIGHTS_READY, _WEIGHTS_FREE, _PARTIAL_READY, _PARTIAL_FREE = range(6)  # cross-core flags
_PLACES = 2  # of scores, weights and partial results, per block
_LOWEST = float(np.finfo(np.float32).min)  # where maxima start: -inf minus it is -inf, not NaN


@dataclass(frozen=True)
class RowTile:
    """A tile of rows: the first index along each axis, the element of each operand it starts at, and the keys it sees.

    start: its first index along the split dimension; blocks of keys from `first_block` to before `last`, those before `whole`
    seen by every row.
    """

    first: dict[int, Affine]
    base: list[Affine]
    start: Affine
    first_block: Affine
    whole: Affine
    last: Affine


@dataclass(frozen=True)
class Chunk:
    """Some rows of a vector core: number `step` of the core's share, rows from `row` on of the tile."""

    step: Affine
    row: Affine
    first: dict[int, Affine]  # of each axis
    valid: dict[int, int | Affine]
    rows: int | Affine


def emit_attention(p: Attention, tiles: AttentionTiles, target: Target) -> tuple[Kernel, list[int]]:
    """Generate the kernel; arguments are q, k, v, inputs, three workspaces of the returned sizes, result."""
    return _Emitter(p, tiles, target).run()


class _ChunkEmitter(TileEmitter):
    """Emits what is made of a chunk of scores; chunks wherever in the kernel alternate between the same tiles."""

    pool: dict[tuple[DType, Kind, int], TileRef]

    def new_tile(self, dtype: DType, kind: Kind, slots: int = 1, transposed: bool = False) -> TileRef:
        """Add a tile, or return the one that another chunk has taken in the same place."""
        if slots == 1:
            return super().new_tile(dtype, kind, slots, transposed)
        self.taken = getattr(self, "taken", -1) + 1
        key = (dtype, kind, self.taken)
        if key not in self.pool:
            self.pool[key] = super().new_tile(dtype, kind, slots, transposed)
        return TileRef(self.pool[key].tile, self.scopes[-1].slot)


class _Emitter:
    """Writes the instructions of one kernel."""

    def __init__(self, p: Attention, tiles: AttentionTiles, target: Target):
        self.p, self.tiles = p, tiles
        self.m = tile_group(p.m, tiles.rows, 3)
        total = group_size(p.batch) * self.m.steps
        self.total = total
        blocks = min(total, target.cube_cores)
        self.b = b = KernelBuilder(p.name, "mix", (blocks,))
        self.operands = [b.argument(x.dtype, x.size) for x in p.buffers[:3]]
        self.arguments = {v: b.argument(v.dtype, v.type.size) for v in p.inputs}
        (self.keys,) = p.keys
        self.block = min(tiles.block, round_up(self.keys.size, FRACTAL))
        self.blocks = -(-self.keys.size // self.block)
        self.depth, self.width = group_size(p.depth), group_size(p.width)
        self.pitch, self.width_pitch = self.block, round_up(self.width, FRACTAL)
        rows = self.m.capacity
        self.sizes = [blocks * _PLACES * rows * n for n in (self.pitch, self.pitch, self.width_pitch)]
        types = (p.head.dtype, p.dtype, DType.f32)
        self.places = [b.argument(t, n, writes=True) for t, n in zip(types, self.sizes, strict=True)]
        self.out = b.argument(p.buffers[OUT].dtype, p.buffers[OUT].size, writes=True)
        half = -(-self.m.tile // 2)
        limit = max(1, tiles.chunk // max(self.block, self.width_pitch))
        self.half = half
        self.rows: Rows = choose_rows(
            (Dim(half, self.m.split.strides, self.m.split.axis), *self.m.inner), limit, p.softmax.nodes
        )
        self.pool: dict[tuple[DType, Kind, int], TileRef] = {}
        if 2 * self.rows.most_trips > LIMITS.slots:
            raise NotVectorizable("[attention] more chunks of rows than a tile has slots")
        self._declare()

    # --- tiles ---

    def _register(self) -> Affine:
        return Affine(0, ((self.b.register(), 1),))

    def _limited(self, most: int, total: int) -> Affine:
        """Return a register for how much of `most` is left of `total`; a constant if all pieces are whole."""
        return Affine(min(most, total)) if total % most == 0 or total <= most else self._register()

    def _limit(self, extent: Affine, most: int, left: Affine) -> None:
        if not extent.is_constant:
            self.b.smin(extent.terms[0][0], Affine(most), left)

    def _declare(self) -> None:
        b, p, t, m = self.b, self.p, self.tiles, self.m
        dtype, weights = p.buffers[Q].dtype, p.dtype
        height = round_up(m.capacity, FRACTAL)
        self.count = Affine(m.tile) if m.split.size % m.tile == 0 else self._register()
        extent = self.count * m.inner_size
        unit = max(1, FRACTAL_BYTES // dtype.bytes)
        depth = round_up(self.depth, unit)
        step = min(t.depth, depth)
        self.depth_steps = -(-depth // step)
        self.in_step = self._limited(step, self.depth)
        self.in_block = self._limited(self.block, self.keys.size)
        whole = self.in_block.is_constant
        self.in_keys = self._limited(t.keys, self.in_block.const) if whole else self._register()
        self.in_over = self._limited(t.over, self.in_block.const) if whole else self._register()
        self.in_width = self._limited(t.width, self.width)
        self.in_chunk = self._register()
        self.number = self._register()  # of the block of keys in all, which says what of two places it takes
        f = FRACTAL
        columns, over, width = round_up(t.keys, f), round_up(t.over, f), round_up(min(t.width, self.width), f)
        nz, zn = Layout.nz, Layout.zn
        self.l1q = b.tile(Loc.mat, dtype, height, depth, (extent, self.depth), nz, 1)
        self.l1k = b.tile(Loc.mat, dtype, depth, columns, (self.depth, self.in_keys), zn, 2)
        self.l1w = b.tile(Loc.mat, weights, height, self.block, (extent, self.in_block), nz, 1)
        self.l1v = b.tile(Loc.mat, weights, over, width, (self.in_over, self.in_width), zn, 2)
        self.left = b.tile(Loc.left, dtype, height, step, (extent, self.in_step), nz, 2)
        self.right = b.tile(Loc.right, dtype, step, columns, (self.in_step, self.in_keys), zn, 2)
        self.left_w = b.tile(Loc.left, weights, height, over, (extent, self.in_over), nz, 2)
        self.right_v = b.tile(Loc.right, weights, over, width, (self.in_over, self.in_width), zn, 2)
        self.scores = b.tile(Loc.acc, DType.f32, height, columns, (extent, self.in_keys), nz, t.scores)
        self.partial = b.tile(Loc.acc, DType.f32, height, width, (extent, self.in_width), nz, t.buffers)
        rows, trips = group_size(self.rows.chunk), self.rows.most_trips
        inner = rows // self.rows.size
        level = self.rows.dims[self.rows.level]
        if level.size % self.rows.size == 0 and (self.rows.level or m.split.size % (2 * self.half) == 0):
            self.in_chunk = Affine(self.rows.size)
        valid = self.in_chunk * inner
        self.maximum = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=trips)
        self.sum = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=2 * trips)
        self.shrink = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=2 * trips)
        self.result = b.tile(Loc.vec, DType.f32, rows, round_up(self.width, 8), (valid, self.width), slots=trips)

    # --- the kernel ---

    def run(self) -> tuple[Kernel, list[int]]:
        """Emit the loop over the block's tiles of rows; a tile ends when the first block of keys of the next is on its way."""
        b = self.b
        with b.subblocks():
            for flag in (_SCORES_FREE, _PARTIAL_FREE):
                for _ in range(_PLACES):
                    b.set_cross_flag("MTE2", flag)
        for _ in range(_PLACES):
            b.set_cross_flag("MTE2", _WEIGHTS_FREE)
        b.saffine(self.number.terms[0][0], ZERO)
        blocks = b.kernel.grid[0]
        (block,) = b.blocks
        if self.total == blocks:
            tile = self._enter(block)
            self._begin(tile, ZERO)
            self._go_on(tile, ZERO)
            self._end(tile, ZERO)
        else:
            turns = Affine(self.total // blocks)
            if self.total % blocks:
                turns = b.scalar("sdiv", self.total + blocks - 1 - block, blocks)
            with b.loop(0, turns + 1) as turn:
                tile = self._enter(block + turn * blocks)  # in the last turn there is none
                with b.when(turns - turn):
                    self._begin(tile, turn)
                with b.when(turn):
                    before = self._enter(block + (turn - 1) * blocks)
                    self._end(before, turn - 1)
                with b.when(turns - turn):
                    self._return_to(tile)
                    self._go_on(tile, turn)
        for flag in (_SCORES_FREE, _PARTIAL_FREE):
            for _ in range(_PLACES):
                b.wait_cross_flag("FIXP", flag)
        with b.subblocks():
            for _ in range(_PLACES):
                b.wait_cross_flag("MTE3", _WEIGHTS_FREE)
        return b.kernel, self.sizes

    def _enter(self, index: Affine) -> RowTile:
        """Emit where tile number `index` lies."""
        b, p, m = self.b, self.p, self.m
        *batch, row = unravel(b, index, (*(d.size for d in p.batch), m.steps))
        *outer, step = unravel(b, row, m.counts)
        at = [*outer, step * m.tile]
        dims = (*p.batch, *m.outer, m.split)
        first = {d.axis: i for d, i in zip(dims, (*batch, *at), strict=True)}
        base = [Affine(x.offset) for x in p.buffers]
        for dim in dims:
            base = [o + first[dim.axis] * s for o, s in zip(base, dim.strides, strict=True)]
        tile = RowTile(first, base, at[-1], ZERO, ZERO, Affine(self.blocks))
        self._return_to(tile)
        return self._visible(tile)

    def _return_to(self, tile: RowTile) -> None:
        self._limit(self.count, self.m.tile, self.m.split.size - tile.start)

    def _begin(self, tile: RowTile, turn: Affine) -> None:
        """Emit the load of a tile's queries, and the scores and weights of its last block of keys."""
        b, p, m = self.b, self.p, self.m
        dims = tuple(d.size for d in p.depth)
        shape = (self.count, *(d.size for d in m.inner), *dims)
        strides = (*m.strides(Q), *(d.strides[Q] for d in p.depth))
        b.tload(self.l1q, b.view(self.operands[Q], tile.base[Q], shape, strides, m.rank))
        with self._vector(tile) as chunk:
            b.texpands(TileRef(self.maximum.tile, chunk.step), _LOWEST)
            b.texpands(TileRef(self.sum.tile, turn * self.rows.most_trips + chunk.step), 0.0)
        with self._if_any(tile):
            self._scores(tile, tile.last - 1)
            self._weights(tile, tile.last - 1, turn, p.softmax)

    def _if_any(self, tile: RowTile) -> AbstractContextManager[None]:
        """Open a condition: the tile sees any keys."""
        count = tile.last - tile.first_block
        return nullcontext() if count.is_constant else self.b.when(count)

    def _go_on(self, tile: RowTile, turn: Affine) -> None:
        """Emit the other blocks of keys of a tile, from the last to the first; products follow a block behind."""
        b, p = self.b, self.p
        with self._vector(tile) as chunk:
            b.texpands(TileRef(self.result.tile, chunk.step), 0.0)
        with self._if_any(tile):
            self._count()
        if self.blocks == 1:
            return
        unmasked = p.visibility.unmasked if p.visibility else None
        with b.loop(1, tile.last - tile.first_block) as at:
            block = tile.last - 1 - at
            self._scores(tile, block)
            if unmasked:
                with b.when(tile.whole - block):
                    self._weights(tile, block, turn, unmasked)
                with b.when(block + 1 - tile.whole):
                    self._weights(tile, block, turn, p.softmax)
            else:
                self._weights(tile, block, turn, p.softmax)
            self._product(tile, block + 1)
            self._add(tile)
            self._count()

    def _end(self, tile: RowTile, turn: Affine) -> None:
        """Emit the product of a tile's first block of keys, the last one left, and the stores of its results."""
        with self._if_any(tile):
            self._product(tile, tile.first_block)
            self._add(tile)
        self._finish(tile, turn)

    def _count(self) -> None:
        self.b.saffine(self.number.terms[0][0], self.number + 1)

    def _visible(self, tile: RowTile) -> RowTile:
        """Emit the first block of keys a tile sees, the first it does not see all of, and the end of all it sees."""
        b, seen = self.b, self.p.visibility
        if seen is None:
            return tile
        start, whole, stop = tile.first_block, tile.whole, tile.last
        for bound in seen.last:
            end = b.scalar("sdiv", self._extreme(tile, bound, True) + self.block, self.block)
            stop = b.scalar("smin", stop, b.scalar("smax", end, 0))
            whole = b.scalar("sdiv", self._extreme(tile, bound, False) + 1, self.block)
        for bound in seen.first:
            begin = b.scalar("smax", Affine() - self._extreme(tile, bound, True), 0)
            start = b.scalar("smax", start, b.scalar("sdiv", begin, self.block))
        if seen.first:
            stop = b.scalar("smax", stop, start)
        return replace(tile, first_block=start, whole=whole, last=stop)

    def _extreme(self, tile: RowTile, bound: Bound, largest: bool) -> Affine:
        """Return the largest or smallest value of a bound over a tile's rows, for key 0."""
        value = Affine(bound.constant)
        for axis, at in tile.first.items():
            value += at * bound.coefficients.get(axis, 0)
        for axis, most in ((self.m.split.axis, self.count - 1), *((d.axis, Affine(d.size - 1)) for d in self.m.inner)):
            c = bound.coefficients.get(axis, 0)
            if (c > 0) == largest:
                value += most * c
        return value

    def _place(self, which: int, number: Affine, pitch: int) -> Handover:
        slot = self.b.scalar("smod", number, _PLACES)
        base = (self.b.blocks[0] * _PLACES + slot) * (self.m.capacity * pitch)
        return Handover(self.places[which], base, pitch)

    # --- the cube core ---

    def _scores(self, tile: RowTile, block: Affine) -> None:
        """Emit the scores of a block of keys."""
        b, p, t = self.b, self.p, self.tiles
        first = block * self.block
        self._limit(self.in_block, self.block, self.keys.size - first)
        place = self._place(0, self.number, self.pitch)
        b.wait_cross_flag("FIXP", _SCORES_FREE)
        most = -(-self.block // t.keys)
        with self._pieces(self.in_block, t.keys, most) as at:
            self._limit(self.in_keys, t.keys, self.in_block - at * t.keys)
            slot = self.number * most + at
            offset = tile.base[K] + (first + at * t.keys) * self.keys.strides[K]
            shape = (*(d.size for d in p.depth), self.in_keys)
            strides = (*(d.strides[K] for d in p.depth), self.keys.strides[K])
            b.tload(TileRef(self.l1k.tile, slot), b.view(self.operands[K], offset, shape, strides, len(p.depth)))
            acc = TileRef(self.scores.tile, slot)
            with counted(b, self.depth_steps) as step:
                size = min(t.depth, round_up(self.depth, 1)) if self.depth_steps == 1 else t.depth
                self._limit(self.in_step, size, self.depth - step * size)
                l0 = slot * self.depth_steps + step
                b.textract(TileRef(self.left.tile, l0), self.l1q, ZERO, step * size)
                b.textract(TileRef(self.right.tile, l0), TileRef(self.l1k.tile, slot), step * size, ZERO)
                b.tmatmul(acc, TileRef(self.left.tile, l0), TileRef(self.right.tile, l0), step)
            rows = self.count * self.m.inner_size
            view = b.view(place.argument, place.base + at * t.keys, (rows, self.in_keys), (place.pitch, 1), 1)
            b.tstore(view, acc)
        b.set_cross_flag("FIXP", _SCORES_READY)

    @contextmanager
    def _pieces(self, extent: Affine, size: int, most: int) -> Generator[Affine]:
        """Loop over the pieces of `size` of an extent of at most `most` pieces."""
        if most == 1:
            yield ZERO
            return
        stop = (
            Affine(-(-extent.const // size)) if extent.is_constant else self.b.scalar("sdiv", extent + (size - 1), size)
        )
        with self.b.loop(0, stop) as at:
            yield at

    def _product(self, tile: RowTile, block: Affine) -> None:
        """Emit the product of the weights, one block behind, and the values of a block of keys."""
        b, p, t = self.b, self.p, self.tiles
        number = self.number - 1
        first = block * self.block
        self._limit(self.in_block, self.block, self.keys.size - first)
        weights, partial = self._place(1, number, self.pitch), self._place(2, number, self.width_pitch)
        rows = self.count * self.m.inner_size
        b.wait_cross_flag("MTE2", _WEIGHTS_READY)
        b.tload(self.l1w, weights.rows(b, 0, rows, plain(self.in_block)))
        b.set_cross_flag("MTE2", _WEIGHTS_FREE)
        b.wait_cross_flag("FIXP", _PARTIAL_FREE)
        most = -(-self.block // t.over)
        pieces = -(-self.width // t.width)
        with counted(b, pieces) as piece:
            self._limit(self.in_width, t.width, self.width - piece * t.width)
            acc = TileRef(self.partial.tile, number * pieces + piece)
            with self._pieces(self.in_block, t.over, most) as at:
                self._limit(self.in_over, t.over, self.in_block - at * t.over)
                slot = number * most + at if pieces == 1 else at + piece * most
                offset = tile.base[V] + (first + at * t.over) * self.keys.strides[V]
                if pieces == 1:
                    shape = (self.in_over, *(d.size for d in p.width))
                    strides = (self.keys.strides[V], *(d.strides[V] for d in p.width))
                else:
                    (dim,) = p.width
                    offset += piece * (t.width * dim.strides[V])
                    shape, strides = (self.in_over, self.in_width), (self.keys.strides[V], dim.strides[V])
                b.tload(TileRef(self.l1v.tile, slot), b.view(self.operands[V], offset, shape, strides, 1))
                left, right = TileRef(self.left_w.tile, slot), TileRef(self.right_v.tile, slot)
                b.textract(left, self.l1w, ZERO, at * t.over)
                b.textract(right, TileRef(self.l1v.tile, slot), ZERO, ZERO)
                b.tmatmul(acc, left, right, at)
            view = b.view(
                partial.argument, partial.base + piece * t.width, (rows, self.in_width), (partial.pitch, 1), 1
            )
            b.tstore(view, acc)
        b.set_cross_flag("FIXP", _PARTIAL_READY)

    # --- the vector cores ---

    @contextmanager
    def _vector(
        self, tile: RowTile, waits: tuple[tuple[str, int], ...] = (), sets: tuple[tuple[str, int], ...] = ()
    ) -> Generator[Chunk]:
        """Loop over the chunks of both vector cores, between flags towards the cube core."""
        b, m, rows = self.b, self.m, self.rows
        with b.subblocks() as core:
            for pipe, flag in waits:
                b.wait_cross_flag(pipe, flag)
            skipped = core * self.half
            own = (
                Affine(self.half) if self.count == Affine(2 * self.half) else b.minimum(self.half, self.count - skipped)
            )
            with b.loop(0, rows.trips(b, own)) as step:
                at = rows.locate(b, step)
                level = rows.dims[rows.level]
                if not self.in_chunk.is_constant:
                    total = Affine(level.size) if rows.level else own
                    b.smin(self.in_chunk.terms[0][0], Affine(rows.size), total - at[-1])
                valid = {level.axis: plain(self.in_chunk), **{d.axis: d.size for d in rows.dims[rows.level + 1 :]}}
                first = dict(tile.first)
                first[m.split.axis] = first.get(m.split.axis, ZERO) + skipped
                for dim, index in zip(rows.dims, at):
                    first[dim.axis] = first.get(dim.axis, ZERO) + index
                inner = group_size(rows.chunk) // rows.size
                yield Chunk(step, skipped * m.inner_size + rows.row(at), first, valid, plain(self.in_chunk * inner))
            for pipe, flag in sets:
                b.set_cross_flag(pipe, flag)

    def _weights(self, tile: RowTile, block: Affine, turn: Affine, softmax: Softmax) -> None:
        """Emit what the vector cores make of a block of scores."""
        b, trips = self.b, self.rows.most_trips
        self._limit(self.in_block, self.block, self.keys.size - block * self.block)
        scores, weights = self._place(0, self.number, self.pitch), self._place(1, self.number, self.pitch)
        waits = (("MTE2", _SCORES_READY), ("MTE3", _WEIGHTS_FREE))
        with self._vector(tile, waits, (("MTE2", _SCORES_FREE), ("MTE3", _WEIGHTS_READY))) as chunk:
            axis = self.keys.axis
            sizes = {d.axis: d.size for d in self.rows.chunk}
            plan = NestPlan({**sizes, axis: self.block}, list(sizes), [axis], {**sizes, axis: self.block})
            first, valid = {**chunk.first, axis: block * self.block}, {**chunk.valid, axis: plain(self.in_block)}
            e = _ChunkEmitter(b, plan, self.arguments, first, valid)
            e.pool = self.pool
            e.head, e.handover, e.row = self.p.head, scores, chunk.row
            e.begin(
                [softmax.bounded, softmax.summed, softmax.weight], {softmax.weight}, self.number * trips + chunk.step
            )
            along_rows = any(d.axis in softmax.summed.axes for d in self.rows.dims)
            full, column = (along_rows, True), (along_rows, False)
            maximum = TileRef(self.maximum.tile, chunk.step)
            total = TileRef(self.sum.tile, turn * trips + chunk.step)
            shrink = TileRef(self.shrink.tile, self.number * trips + chunk.step)
            new, part = e.new_tile(DType.f32, column), e.new_tile(DType.f32, column)
            b.trowmax(part, e.value(softmax.bounded, full))
            b.tmax(new, part, maximum)
            b.tsub(part, maximum, new)
            b.texp(shrink, part)
            b.tmov(maximum, new)
            e.know(softmax.shift, new)
            part = e.new_tile(DType.f32, column)
            b.trowsum(part, e.value(softmax.summed, full))
            b.tmul(total, total, shrink)
            b.tadd(total, total, part)
            src = e.value(softmax.weight, full)
            b.tstore(weights.rows(b, chunk.row, chunk.rows, plain(self.in_block)), src)

    def _add(self, tile: RowTile) -> None:
        """Emit the addition of a product to the rows' results."""
        b, trips = self.b, self.rows.most_trips
        number = self.number - 1
        partial = self._place(2, number, self.width_pitch)
        with self._vector(tile, (("MTE2", _PARTIAL_READY),), (("MTE2", _PARTIAL_FREE),)) as chunk:
            rows = group_size(self.rows.chunk)
            part = b.tile(Loc.vec, DType.f32, rows, round_up(self.width, 8), (chunk.rows, self.width))
            b.tload(part, partial.rows(b, chunk.row, chunk.rows, self.width))
            result = TileRef(self.result.tile, chunk.step)
            b.trowexpandmul(result, result, TileRef(self.shrink.tile, number * trips + chunk.step))
            b.tadd(result, result, part)

    def _finish(self, tile: RowTile, turn: Affine) -> None:
        """Emit the division of the results by the rows' sums, and their stores."""
        b, p = self.b, self.p
        dtype = p.buffers[OUT].dtype
        with self._vector(tile) as chunk:
            rows = group_size(self.rows.chunk)
            shape = (chunk.rows, self.width)

            def new(dtype: DType) -> TileRef:
                unit = max(1, 32 // dtype.bytes)
                return b.tile(Loc.vec, dtype, rows, round_up(self.width, unit), shape, slots=2)

            src = TileRef(new(DType.f32).tile, chunk.step)
            total = TileRef(self.sum.tile, turn * self.rows.most_trips + chunk.step)
            b.trowexpanddiv(src, TileRef(self.result.tile, chunk.step), total)
            if dtype is not DType.f32:
                narrow = TileRef(new(dtype).tile, chunk.step)
                b.tcvt(narrow, src)
                src = narrow
            offset = tile.base[OUT]
            for dim in self.rows.dims:
                offset += (chunk.first.get(dim.axis, ZERO) - tile.first.get(dim.axis, ZERO)) * dim.strides[OUT]
            dims = self.rows.chunk
            view = b.view(
                self.out, offset,
                (*(chunk.valid[d.axis] for d in dims), *(d.size for d in p.width)),
                (*(d.strides[OUT] for d in dims), *(d.strides[OUT] for d in p.width)), len(dims),
            )  # fmt: skip
            b.tstore(view, src)
