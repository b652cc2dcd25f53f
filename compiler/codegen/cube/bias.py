"""A bias row in the bias table, and the product that starts from it."""

from __future__ import annotations

from ...isa.dtypes import DType
from ...isa.machine import Layout, Loc
from ...isa.model import Affine, TileRef, View
from ...program.kernel import KernelBuilder
from ...targets import Target


class BiasRow:
    """A row of `columns` in BT, double buffered where two fit."""

    def __init__(self, b: KernelBuilder, dtype: DType, columns: int, valid: Affine, target: Target):
        slots = 2 if 2 * columns * 4 <= target.bt_bytes else 1  # BT holds sums' types
        self.b = b
        self.staged = b.tile(Loc.mat, dtype, 1, columns, (1, valid), Layout.nd, slots)
        self.row = b.tile(Loc.bias, dtype, 1, columns, (1, valid), Layout.nd, slots)

    def load(self, view: View, slot: Affine) -> None:
        """Load the row of one tile of the result."""
        self.slot = slot
        self.b.tload(TileRef(self.staged.tile, slot), view)
        self.b.tmov(TileRef(self.row.tile, slot), TileRef(self.staged.tile, slot))

    def multiply(self, acc: TileRef, left: TileRef, right: TileRef, done: Affine) -> None:
        """Emit acc = left x right + bias if no step is `done` yet, else acc += left x right."""
        b, bias = self.b, TileRef(self.row.tile, self.slot)
        if done.is_constant:
            b.tmatmul_bias(acc, left, right, bias)
            return
        with b.when(1 - done):
            b.tmatmul_bias(acc, left, right, bias)
        with b.when(done):
            b.tmatmul(acc, left, right, 1)
