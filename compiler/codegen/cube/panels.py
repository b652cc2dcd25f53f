"""What every cube kernel does: a persistent loop over tiles of the result, and panels of K taken in steps through L0.

Extents that the last panel or step cuts short live in scalar registers, written where the panel or step begins; where
every panel and step is whole they are constants and cost no instruction.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ...isa.model import Affine
from ...program.kernel import KernelBuilder
from .groups import Position, Tiling, unravel

ZERO = Affine()


@contextmanager
def persistent(b: KernelBuilder, total: int) -> Generator[tuple[Affine, Affine]]:
    """Loop over the block's tiles of `total`; yields the tile's number and how many the block did before it."""
    block, blocks = b.blocks[0], b.kernel.grid[0]
    if total == blocks:
        yield block, ZERO
        return
    trips = Affine(total // blocks)
    if total % blocks:
        trips = b.scalar("sdiv", total + blocks - 1 - block, blocks)
    with b.loop(0, trips) as turn:
        yield block + turn * blocks, turn


@contextmanager
def counted(b: KernelBuilder, stop: int | Affine) -> Generator[Affine]:
    """Loop from 0 to `stop`, or just run once if that is 1."""
    if Affine.of(stop) == Affine(1):
        yield ZERO
    else:
        with b.loop(0, stop) as index:
            yield index


class Panels:
    """The panels that tile K, and the steps of a panel."""

    def __init__(self, b: KernelBuilder, tiling: Tiling, capacity: int, step: int):
        self.b, self.tiling, self.capacity = b, tiling, capacity
        self.step = min(step, capacity)
        self.steps = -(-tiling.capacity // self.step)  # of a whole panel
        self.count = Affine(tiling.tile)
        if tiling.split.size % tiling.tile:
            self.count = self._register()
        self.extent = self.count * tiling.inner_size
        self.valid = Affine(self.step)  # K of the step
        self._trips = Affine(self.steps)
        if self.steps > 1 and not self.extent.is_constant:
            self._trips = self._register()
        if not self.extent.is_constant or tiling.capacity % self.step:
            self.valid = self._register() if self.steps > 1 else self.extent

    def _register(self) -> Affine:
        return Affine(0, ((self.b.register(), 1),))

    def enter(self, panel: Affine, operands: int) -> Position:
        """Begin a panel: emit its extents; returns where it lies in each operand."""
        tiling = self.tiling
        *outer, at = unravel(self.b, panel, tiling.counts)
        first = at * tiling.tile
        if not self.count.is_constant:
            self.b.smin(self.count.terms[0][0], Affine(tiling.tile), tiling.split.size - first)
        if not self._trips.is_constant:
            self.b.sdiv(self._trips.terms[0][0], self.extent + (self.step - 1), Affine(self.step))
        offsets: list[Affine] = []
        for operand in range(operands):
            offset = first * tiling.split.strides[operand]
            for coordinate, dim in zip(outer, tiling.outer, strict=True):
                offset += coordinate * dim.strides[operand]
            offsets.append(offset)
        return Position(tuple(offsets), self.count, self.extent, (*outer, first))

    @contextmanager
    def each_step(self) -> Generator[Affine]:
        """Loop over the steps of the panel entered last."""
        if self.steps == 1:
            yield ZERO
            return
        with self.b.loop(0, self._trips) as at:
            if not self.valid.is_constant:
                self.b.smin(self.valid.terms[0][0], Affine(self.step), self.extent - at * self.step)
            yield at


def view_shape(tiling: Tiling, at: Position) -> tuple[Affine | int, ...]:
    """Return the extents of a tile's view dimensions."""
    return (at.count, *(d.size for d in tiling.inner))
