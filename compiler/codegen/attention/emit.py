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

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from ...isa.model import Affine
from ...program.kernel import Kernel
from ...targets import Target
from ..cube.groups import unravel
from ..cube.panels import ZERO
from .cube_core import CubeCore
from .forward import PARTIAL_FREE, SCORES_FREE, WEIGHTS_FREE
from .frame import PLACES, RowTile
from .problem import Attention
from .tiles import AttentionTiles
from .vector_cores import VectorCores


def emit_attention(p: Attention, tiles: AttentionTiles, target: Target) -> tuple[Kernel, list[int]]:
    """Generate the kernel; arguments are q, k, v, inputs, three workspaces of the returned sizes, results."""
    return _Emitter(p, tiles, target).run()


class _Emitter(CubeCore, VectorCores):
    """Writes the instructions of one kernel."""

    def run(self) -> tuple[Kernel, list[int]]:
        """Emit the loop over the block's tiles of rows; a tile ends when the first block of keys of the next is on its way."""
        b = self.b
        with b.subblocks():
            for flag in (SCORES_FREE, PARTIAL_FREE):
                for _ in range(PLACES):
                    b.set_cross_flag("MTE2", flag)
        for _ in range(PLACES):
            b.set_cross_flag("MTE2", WEIGHTS_FREE)
        self.assign(self.number, ZERO)
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
                turns = b.scalar("sdiv", self.total + blocks - 1 - self._of_turn(block, turns), blocks)
            with b.loop(0, turns + 1) as turn:
                tile = self._enter(self._of_turn(block, turn) + turn * blocks)  # in the last turn there is none
                with b.when(turns - turn):
                    self._begin(tile, turn)
                with b.when(turn):
                    before = self._enter(self._of_turn(block, turn - 1) + (turn - 1) * blocks)
                    self._end(before, turn - 1)
                with b.when(turns - turn):
                    self.return_to(tile)
                    self._go_on(tile, turn)
        for flag in (SCORES_FREE, PARTIAL_FREE):
            for _ in range(PLACES):
                b.wait_cross_flag("FIXP", flag)
        with b.subblocks():
            for _ in range(PLACES):
                b.wait_cross_flag("MTE3", WEIGHTS_FREE)
        return b.kernel, self.sizes

    def _of_turn(self, block: Affine, turn: Affine) -> Affine:
        """Emit which of a turn's tiles a block takes: where masks make some dearer than others, to and fro, so that all have even shares."""
        last = self.b.kernel.grid[0] - 1
        if self.p.visibility is None:
            return block
        if turn.is_constant:
            return last - block if turn.const % 2 else block
        back = self.b.scalar("smul", self.b.scalar("smod", turn, 2), last - block * 2)
        return block + back

    def _enter(self, index: Affine) -> RowTile:
        """Emit where tile number `index` lies, and what it sees."""
        *batch, row = unravel(self.b, index, (*(d.size for d in self.batch), self.m.steps))
        return self._visible(self.enter(batch, row))

    def _begin(self, tile: RowTile, turn: Affine) -> None:
        """Emit the load of a tile's queries, and the scores and weights of its last block of keys."""
        b, p, m = self.b, self.p, self.m
        for part, l1q in reversed(list(zip(p.parts, self.l1q, strict=True))):  # so that a wait for the first is for all
            shape = (self.count, *(d.size for d in m.inner), *(d.size for d in part.depth))
            strides = (*m.strides(part.q), *(d.strides[0] for d in part.depth))
            b.tload(l1q, b.view(self.operands[part.q], tile.base[part.q], shape, strides, m.rank))
        self.write_start(tile, turn)
        with self._if_any(tile):
            self.write_scores(tile, tile.last - 1)
            self.write_weights(tile, tile.last - 1, turn, p.softmax)

    def _if_any(self, tile: RowTile) -> AbstractContextManager[None]:
        """Open a condition: the tile sees any keys."""
        count = tile.last - tile.first_block
        return nullcontext() if count.is_constant else self.b.when(count)

    def _go_on(self, tile: RowTile, turn: Affine) -> None:
        """Emit the other blocks of keys of a tile, from the last to the first; products follow a block behind."""
        b, p = self.b, self.p
        self.write_zeros(tile)
        with self._if_any(tile):
            self._count()
        if self.blocks == 1:
            return
        unmasked = p.visibility.unmasked if p.visibility else None
        with b.loop(1, tile.last - tile.first_block) as at:
            block = tile.last - 1 - at
            self.write_scores(tile, block)
            if unmasked:
                with b.when(tile.whole - block):
                    self.write_weights(tile, block, turn, unmasked)
                with b.when(block + 1 - tile.whole):
                    self.write_weights(tile, block, turn, p.softmax)
            else:
                self.write_weights(tile, block, turn, p.softmax)
            self.write_product(tile, block + 1)
            self.write_sum(tile)
            self._count()

    def _end(self, tile: RowTile, turn: Affine) -> None:
        """Emit the product of a tile's first block of keys, the last one left, and the stores of its results."""
        with self._if_any(tile):
            self.write_product(tile, tile.first_block)
            self.write_sum(tile)
        self.write_results(tile, turn)

    def _count(self) -> None:
        self.assign(self.number, self.number + 1)

    def _visible(self, tile: RowTile) -> RowTile:
        """Emit the first block of keys a tile sees, the first it does not see all of, and the end of all it sees."""
        b, seen = self.b, self.p.visibility
        if seen is None:
            return tile
        start, whole, stop = tile.first_block, tile.whole, tile.last
        for bound in seen.last:
            end = b.scalar("sdiv", self.extreme(tile, bound, True) + self.block, self.block)
            stop = b.scalar("smin", stop, b.scalar("smax", end, 0))
            whole = b.scalar("sdiv", self.extreme(tile, bound, False) + 1, self.block)
        for bound in seen.first:
            begin = b.scalar("smax", Affine() - self.extreme(tile, bound, True), 0)
            start = b.scalar("smax", start, b.scalar("sdiv", begin, self.block))
        if seen.first:
            stop = b.scalar("smax", stop, start)
        return replace(tile, first_block=start, whole=whole, last=stop)
