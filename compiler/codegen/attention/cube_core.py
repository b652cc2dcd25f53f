"""The cube core's part of an attention: scores of a block of keys, and the product of their weights with the values."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from ...isa.model import Affine, TileRef
from ..cube.emit_epilogue import plain
from ..cube.panels import ZERO, counted
from .forward import PARTIAL_FREE, PARTIAL_READY, SCORES_FREE, SCORES_READY, WEIGHTS_FREE, WEIGHTS_READY, Forward
from .frame import RowTile
from .problem import V


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
            parts = list(zip(p.parts, self.l1q, self.l1k, self.depth_steps, strict=True))
            for part, _, l1k, _ in reversed(parts):  # so that a wait for the first is for all
                offset = tile.base[part.k] + (first + at * t.keys) * self.keys.strides[part.k]
                shape = (*(d.size for d in part.depth), self.in_keys)
                strides = (*(d.strides[1] for d in part.depth), self.keys.strides[part.k])
                b.tload(TileRef(l1k.tile, slot), b.view(self.operands[part.k], offset, shape, strides, len(part.depth)))
            acc = TileRef(self.scores.tile, slot)
            with counted(b, sum(self.depth_steps)) as step:
                l0 = slot * sum(self.depth_steps) + step
                left, right = TileRef(self.left.tile, l0), TileRef(self.right.tile, l0)
                done = 0
                if len(parts) > 1 and not self.in_step.is_constant:
                    self.assign(self.in_step, Affine(t.depth))
                for part, l1q, l1k, steps in parts:
                    with self._within(step, done, done + steps):
                        at_depth = (step - done) * t.depth
                        self.limit(self.in_step, t.depth, Affine(part.size) - at_depth)
                        b.textract(left, l1q, ZERO, at_depth)
                        b.textract(right, TileRef(l1k.tile, slot), at_depth, ZERO)
                    done += steps
                b.tmatmul(acc, left, right, step)
            rows = self.count * self.m.inner_size
            view = b.view(place.argument, place.base + at * t.keys, (rows, self.in_keys), (place.pitch, 1), 1)
            b.tstore(view, acc)
        b.set_cross_flag("FIXP", SCORES_READY)

    @contextmanager
    def _within(self, step: Affine, start: int, stop: int) -> Generator[None]:
        """Open conditions under which a step is one of [start, stop): none where all are."""
        with ExitStack() as conditions:
            if start:
                conditions.enter_context(self.b.when(step - (start - 1)))
            if stop < sum(self.depth_steps):
                conditions.enter_context(self.b.when(stop - step))
            yield

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
