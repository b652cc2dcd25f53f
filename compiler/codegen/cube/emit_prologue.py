"""The vector cores' part before a product: they make panels of its right operand, which L2 holds until the cube core loads them.

vector cores, each half of the panel's depth          cube core
wait free ; loop { tload ; tcvt ; ... ; tstore panel } ; set ready
wait ready ; tload panel ; set free
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...isa.dtypes import DType
from ...isa.machine import FRACTAL
from ...isa.model import Affine, View
from ...program.kernel import KernelBuilder
from ...tiling.cube import round_up
from ...tiling.vector_plan import NestPlan
from .emit_epilogue import Handover, TileEmitter, choose_rows, plain
from .groups import Dim, Position, Tiling
from .panels import ZERO

if TYPE_CHECKING:
    from .prologue import Prologue

_READY, _FREE = 2, 3  # cross-core flags
_PANELS = 4  # that the vector cores may be ahead
_VECTOR_CORES = 2  # of an AI core


class PrologueWriter:
    """Writes the prologue of one kernel; `k` and `n` are how panels cover the operand, `limit` elements are made at a time."""

    def __init__(self, b: KernelBuilder, prologue: Prologue, k: Tiling, n: Tiling, dtype: DType, limit: int):
        self.b, self.prologue, self.k, self.n = b, prologue, k, n
        self.arguments = {v: b.argument(v.dtype, v.type.size) for v in prologue.inputs}
        self.pitch = round_up(n.capacity, FRACTAL)
        self.size = k.capacity * self.pitch
        self.workspace = b.argument(dtype, b.kernel.grid[0] * _PANELS * self.size, writes=True)
        self.half = -(-k.tile // _VECTOR_CORES)
        dims = (Dim(self.half, (), k.split.axis), *k.inner)
        self.rows = choose_rows(dims, max(1, limit // n.capacity), prologue.nodes)

    def open(self) -> None:
        """Begin the kernel: all places are free."""
        for _ in range(_PANELS):
            self.b.set_cross_flag("MTE2", _FREE)

    def close(self) -> None:
        """End the kernel: as many waits as there were sets."""
        with self.b.subblocks():
            for _ in range(_PANELS):
                self.b.wait_cross_flag("MTE3", _FREE)

    def make(self, number: Affine, first: dict[int, Affine], k: Position, n: Position) -> View:
        """Write how a panel is made, the first index of it along every axis given; returns it once it is ready."""
        b, rows = self.b, self.rows
        place = self.b.scalar("smod", number, _PANELS)
        panel = Handover(self.workspace, (b.blocks[0] * _PANELS + place) * self.size, self.pitch)
        with b.subblocks() as core:
            b.wait_cross_flag("MTE3", _FREE)
            skipped = core * self.half
            own = Affine(self.half) if k.count == Affine(2 * self.half) else b.minimum(self.half, k.count - skipped)
            with b.loop(0, rows.trips(b, own)) as step:
                at = rows.locate(b, step)
                valid = rows.valid(b, own, at) | {self.n.split.axis: plain(n.count)}
                valid |= {d.axis: d.size for d in self.n.inner}
                here = dict(first)
                here[self.k.split.axis] = here.get(self.k.split.axis, ZERO) + skipped
                for dim, index in zip(rows.dims, at):
                    here[dim.axis] = here.get(dim.axis, ZERO) + index
                columns = (Dim(self.n.tile, (), self.n.split.axis), *self.n.inner)
                sizes = {d.axis: d.size for d in (*rows.chunk, *columns)}
                plan = NestPlan(sizes, [d.axis for d in rows.chunk], [d.axis for d in columns], chunk=sizes)
                emitter = TileEmitter(b, plan, self.arguments, here, valid)
                node = self.prologue.node
                emitter.begin([node], {node}, number * rows.most_trips + step)
                src = emitter.value(node, (True, True))
                tile = b.kernel.tiles[src.tile]
                row = skipped * self.k.inner_size + rows.row(at)
                b.tstore(panel.rows(b, row, tile.valid_rows, tile.valid_columns), src)
            b.set_cross_flag("MTE3", _READY)
        b.wait_cross_flag("MTE2", _READY)
        return panel.rows(b, 0, plain(k.extent), plain(n.extent))

    def loaded(self) -> None:
        """Write that the panel has been loaded."""
        self.b.set_cross_flag("MTE2", _FREE)
