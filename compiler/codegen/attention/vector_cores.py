"""The vector cores' part of an attention: weights of a block of scores, and the sums over all blocks."""

from __future__ import annotations

import numpy as np

from ...isa.dtypes import DType
from ...isa.machine import Loc
from ...isa.model import Affine, TileRef
from ...tiling.cube import round_up
from ..cube.emit_epilogue import plain
from ..cube.groups import group_size
from .forward import PARTIAL_FREE, PARTIAL_READY, SCORES_FREE, SCORES_READY, WEIGHTS_FREE, WEIGHTS_READY, Forward
from .frame import Chunk, RowTile
from .softmax import Softmax

_LOWEST = float(np.finfo(np.float32).min)  # where maxima start: -inf minus it is -inf, not NaN


class VectorCores(Forward):
    """Writes what the vector cores do."""

    def write_start(self, tile: RowTile, turn: Affine) -> None:
        """Emit the maxima and sums of a tile that has seen nothing."""
        b = self.b
        with self.chunks(tile) as chunk:
            row = turn * self.rows.most_trips + chunk.step
            b.texpands(TileRef(self.maximum.tile, row), _LOWEST)
            b.texpands(TileRef(self.sum.tile, row), 0.0)

    def write_zeros(self, tile: RowTile) -> None:
        """Emit the results of a tile that has seen nothing."""
        with self.chunks(tile) as chunk:
            self.b.texpands(TileRef(self.result.tile, chunk.step), 0.0)

    def write_weights(self, tile: RowTile, block: Affine, turn: Affine, softmax: Softmax) -> None:
        """Emit what the vector cores make of a block of scores."""
        b, trips = self.b, self.rows.most_trips
        self.limit(self.in_block, self.block, self.keys.size - block * self.block)
        scores, weights = self.place(0, self.number), self.place(1, self.number)
        waits = (("MTE2", SCORES_READY), ("MTE3", WEIGHTS_FREE))
        with self.chunks(tile, waits, (("MTE2", SCORES_FREE), ("MTE3", WEIGHTS_READY))) as chunk:
            e = self.emitter(chunk, block, {self.p.head: scores})
            e.begin(
                [softmax.bounded, softmax.summed, softmax.weight], {softmax.weight}, self.number * trips + chunk.step
            )
            along_rows = any(d.axis in softmax.summed.axes for d in self.rows.dims)
            full, column = (along_rows, True), (along_rows, False)
            maximum = TileRef(self.maximum.tile, turn * trips + chunk.step)
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
        partial = self.place(2, number)
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
        dtype = p.buffers[p.out].dtype
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
            b.tstore(self.row_view(chunk, tile, p.out, self.outs[0], p.width, 1), src)
            for i, node in enumerate(p.statistics):
                self._store_statistic(tile, chunk, i, self.maximum if node is p.softmax.maximum else self.sum, turn)

    def _store_statistic(self, tile: RowTile, chunk: Chunk, i: int, column: TileRef, turn: Affine) -> None:
        """Emit the store of a number per row."""
        operand = self.p.out + 1 + i
        dtype = self.p.buffers[operand].dtype
        src = TileRef(column.tile, turn * self.rows.most_trips + chunk.step)
        if dtype is not DType.f32:
            unit = max(1, 32 // dtype.bytes)
            narrow = self.b.tile(Loc.vec, dtype, group_size(self.rows.chunk), unit, (chunk.rows, 1), slots=2)
            self.b.tcvt(TileRef(narrow.tile, chunk.step), src)
            src = TileRef(narrow.tile, chunk.step)
        self.b.tstore(self.row_view(chunk, tile, operand, self.outs[1 + i], (), operand), src)
