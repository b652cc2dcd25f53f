"""The cube core's part of an attention: scores of a block of keys, and the product of their weights with the values."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ...isa.model import Affine, TileRef
from ...tiling.cube import round_up
from ..cube.emit_epilogue import plain
from ..cube.panels import ZERO, counted
from .forward import PARTIAL_FREE, PARTIAL_READY, SCORES_FREE, SCORES_READY, WEIGHTS_FREE, WEIGHTS_READY, Forward
from .frame import RowTile
from .problem import K, V


class CubeCore(Forward):
    """Writes what the cube core does."""

    def write_scores(self, tile: RowTile, block: Affine) -> None:
        """Emit the scores of a block of keys."""
        b, p, t = self.b, self.p, self.tiles
        first = block * self.block
        self.limit(self.in_block, self.block, self.keys.size - first)
        place = self.place(0, self.number)
        b.wait_cross_flag("FIXP", SCORES_FREE)
        most = -(-self.block // t.keys)
        with self._pieces(self.in_block, t.keys, most) as at:
            self.limit(self.in_keys, t.keys, self.in_block - at * t.keys)
            slot = self.number * most + at
            offset = tile.base[K] + (first + at * t.keys) * self.keys.strides[K]
            shape = (*(d.size for d in p.depth), self.in_keys)
            strides = (*(d.strides[K] for d in p.depth), self.keys.strides[K])
            b.tload(TileRef(self.l1k.tile, slot), b.view(self.operands[K], offset, shape, strides, len(p.depth)))
            acc = TileRef(self.scores.tile, slot)
            with counted(b, self.depth_steps) as step:
                size = min(t.depth, round_up(self.depth, 1)) if self.depth_steps == 1 else t.depth
                self.limit(self.in_step, size, self.depth - step * size)
                l0 = slot * self.depth_steps + step
                b.textract(TileRef(self.left.tile, l0), self.l1q, ZERO, step * size)
                b.textract(TileRef(self.right.tile, l0), TileRef(self.l1k.tile, slot), step * size, ZERO)
                b.tmatmul(acc, TileRef(self.left.tile, l0), TileRef(self.right.tile, l0), step)
            rows = self.count * self.m.inner_size
            view = b.view(place.argument, place.base + at * t.keys, (rows, self.in_keys), (place.pitch, 1), 1)
            b.tstore(view, acc)
        b.set_cross_flag("FIXP", SCORES_READY)

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

    def write_product(self, tile: RowTile, block: Affine) -> None:
        """Emit the product of the weights, one block behind, and the values of a block of keys."""
        b, p, t = self.b, self.p, self.tiles
        number = self.number - 1
        first = block * self.block
        self.limit(self.in_block, self.block, self.keys.size - first)
        weights, partial = self.place(1, number), self.place(2, number)
        rows = self.count * self.m.inner_size
        b.wait_cross_flag("MTE2", WEIGHTS_READY)
        b.tload(self.l1w, weights.rows(b, 0, rows, plain(self.in_block)))
        b.set_cross_flag("MTE2", WEIGHTS_FREE)
        b.wait_cross_flag("FIXP", PARTIAL_FREE)
        most = -(-self.block // t.over)
        pieces = -(-self.width // t.width)
        with counted(b, pieces) as piece:
            self.limit(self.in_width, t.width, self.width - piece * t.width)
            acc = TileRef(self.partial.tile, number * pieces + piece)
            with self._pieces(self.in_block, t.over, most) as at:
                self.limit(self.in_over, t.over, self.in_block - at * t.over)
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
        b.set_cross_flag("FIXP", PARTIAL_READY)
