"""Kernels that work on whole rows: tiles of some rows, which blocks share out."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ...graph.graph import Op
from ...isa.dtypes import DType
from ...isa.machine import Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import KernelBuilder
from ...targets import Target
from ...tiling.sorting import padded
from ..steps import Launch
from .window import batch_loop, split_blocks


def heights(rows: int, most: int, target: Target) -> Iterator[int]:
    """Yield rows of a tile: as many as fit, but so that all cores have some; then fewer."""
    height = min(most, max(-(-rows // target.vector_cores), 1))
    while height > 1:
        yield height
        height //= 2
    yield 1


@dataclass
class Rows:
    """Rows of a tile: room for `height`, of which `count` are there."""

    b: KernelBuilder
    height: int
    count: Affine

    def tile(self, dtype: DType, columns: int) -> TileRef:
        """A tile of so many columns."""
        return self.b.tile(Loc.vec, dtype, self.height, padded(columns), (self.count, columns))

    def load(self, argument: int, dtype: DType, first: Affine, columns: int, row: int) -> TileRef:
        """Load from element `first` of an argument on, whose rows are `row` apart."""
        tile = self.tile(dtype, columns)
        self.b.tload(tile, self.b.view(argument, first, (self.count, columns), (row, 1)))
        return tile

    def store(self, argument: int, tile: TileRef, first: Affine, columns: int) -> None:
        """Store dense rows."""
        self.b.tstore(self.b.view(argument, first, (self.count, columns), (columns, 1)), tile)

    def convert(self, tile: TileRef, dtype: DType, to: DType, columns: int) -> TileRef:
        """The elements in another type."""
        if dtype is to:
            return tile
        converted = self.tile(to, columns)
        self.b.tcvt(converted, tile)
        return converted

    def gather(self, tile: TileRef, dtype: DType, index: TileRef, columns: int) -> TileRef:
        """Elements of each row, by their columns."""
        gathered = self.tile(dtype, columns)
        self.b.tgather(gathered, tile, index)
        return gathered


class RowKernel:
    """A kernel under construction: its arguments, and the loop of a block over tiles of `height` rows."""

    def __init__(self, name: str, op: Op, rows: int, height: int, target: Target) -> None:
        self.op, self.rows, self.height, self.count = op, rows, height, -(-rows // height)
        blocks, self.per_block = split_blocks(self.count, target.vector_cores)
        self.b = KernelBuilder(name, "aiv", (blocks,))
        self.given = [self.b.argument(v.dtype, v.type.size) for v in op.operands]
        self.made = [self.b.argument(v.dtype, v.type.size, writes=True) for v in op.results]

    @contextmanager
    def tiles(self) -> Generator[tuple[Rows, Affine]]:
        """Give a tile's rows and the number of the first."""
        b = self.b
        with ExitStack() as stack:
            first = batch_loop(b, b.blocks[0], self.count, self.per_block, stack) * self.height
            ragged = self.rows % self.height
            count = b.minimum(self.height, self.rows - first) if ragged else Affine(self.height)
            yield Rows(b, self.height, count), first

    def launch(self) -> Launch:
        """The launch of what was built."""
        return Launch(self.b.kernel, [*self.op.operands, *self.op.results], list(self.op.results))
