"""The vector cores' part of an attention: weights of a block of scores, and the sums over all blocks."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ...isa.dtypes import DType
from ...isa.machine import Loc
from ...isa.model import Affine, TileRef
from ...tiling.cube import round_up
from ...tiling.vector_plan import NestPlan
from ..cube.emit_epilogue import TileEmitter, plain
from ..cube.groups import group_size
from ..cube.panels import ZERO
from ..vector.emit import Kind
from .frame import PARTIAL_FREE, PARTIAL_READY, SCORES_FREE, SCORES_READY, WEIGHTS_FREE, WEIGHTS_READY, Frame, RowTile
from .problem import OUT
from .softmax import Softmax

_LOWEST = float(np.finfo(np.float32).min)  # where maxima start: -inf minus it is -inf, not NaN


@dataclass(frozen=True)
class Chunk:
    """Some rows of a vector core: number `step` of the core's share, rows from `row` on of the tile."""

    step: Affine
    row: Affine
    first: dict[int, Affine]  # of each axis
    valid: dict[int, int | Affine]
    rows: int | Affine


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


class VectorCores(Frame):
    """Writes what the vector cores do."""

    def write_start(self, tile: RowTile, turn: Affine) -> None:
        """Emit the maxima and sums of a tile that has seen nothing."""
        b = self.b
        with self.chunks(tile) as chunk:
            b.texpands(TileRef(self.maximum.tile, chunk.step), _LOWEST)
            b.texpands(TileRef(self.sum.tile, turn * self.rows.most_trips + chunk.step), 0.0)

    def write_zeros(self, tile: RowTile) -> None:
        """Emit the results of a tile that has seen nothing."""
        with self.chunks(tile) as chunk:
            self.b.texpands(TileRef(self.result.tile, chunk.step), 0.0)

    @contextmanager
    def chunks(
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

    def write_weights(self, tile: RowTile, block: Affine, turn: Affine, softmax: Softmax) -> None:
        """Emit what the vector cores make of a block of scores."""
        b, trips = self.b, self.rows.most_trips
        self.limit(self.in_block, self.block, self.keys.size - block * self.block)
        scores, weights = self.place(0, self.number, self.pitch), self.place(1, self.number, self.pitch)
        waits = (("MTE2", SCORES_READY), ("MTE3", WEIGHTS_FREE))
        with self.chunks(tile, waits, (("MTE2", SCORES_FREE), ("MTE3", WEIGHTS_READY))) as chunk:
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

    def write_sum(self, tile: RowTile) -> None:
        """Emit the addition of a product to the rows' results."""
        b, trips = self.b, self.rows.most_trips
        number = self.number - 1
        partial = self.place(2, number, self.width_pitch)
        with self.chunks(tile, (("MTE2", PARTIAL_READY),), (("MTE2", PARTIAL_FREE),)) as chunk:
            rows = group_size(self.rows.chunk)
            part = b.tile(Loc.vec, DType.f32, rows, round_up(self.width, 8), (chunk.rows, self.width))
            b.tload(part, partial.rows(b, chunk.row, chunk.rows, self.width))
            result = TileRef(self.result.tile, chunk.step)
            b.trowexpandmul(result, result, TileRef(self.shrink.tile, number * trips + chunk.step))
            b.tadd(result, result, part)

    def write_results(self, tile: RowTile, turn: Affine) -> None:
        """Emit the division of the results by the rows' sums, and their stores."""
        b, p = self.b, self.p
        dtype = p.buffers[OUT].dtype
        with self.chunks(tile) as chunk:
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
