"""Cumulative: running sums, products, maxima and minima along a dimension, by trowcum* on tiles.

    x[outer, n, inner]: tiles of rows x a piece of n, the total of the pieces before combined with each row

With inner > 1 a tile is a piece of n x columns of inner, transposed in UB. Backwards goes from the last piece to the first,
each reversed in UB. Blocks share out the rows, or outer and the columns.
"""

from __future__ import annotations

from contextlib import ExitStack
from math import prod

from ...graph.identities import identity_element
from ...graph.ops import Cumulative
from ...isa.machine import Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import KernelBuilder
from ...targets import Target
from ...tiling.sorting import RUN, padded
from ..steps import Launch, Step
from .window import INDEX, batch_loop, split_blocks

_PIECE = 8192  # elements of a tile
_INSTRUCTION = {"add": "sum", "mul": "prod", "max": "max", "min": "min"}


def lower_cumulative(op: Cumulative, target: Target) -> list[Step]:
    """Return the launch that combines; none for an empty result."""
    return [_Cumulative(op, target).launch()] if op.result.type.size else []


class _Cumulative:
    """The kernel: `groups` of `rows` rows of `n` elements, in tiles of `height` rows and `width` elements."""

    def __init__(self, op: Cumulative, target: Target) -> None:
        shape, d = op.result.shape, op.dimension
        outer, self.n, inner = prod(shape[:d]), shape[d], prod(shape[d + 1 :])
        self.op, self.dtype, self.transposed = op, op.result.dtype, inner > 1
        self.rows, self.groups = (inner, outer) if self.transposed else (outer, 1)
        share = -(-self.rows * self.groups // target.vector_cores)
        elements = _PIECE * 4 // max(self.dtype.bytes, 4)
        self.height = min(self.rows, max(share, RUN if self.transposed else 1), elements // RUN)
        self.room = padded(self.height) if self.transposed else self.height  # rows of a tile
        self.width = min(padded(self.n), max(elements // self.room // RUN, 1) * RUN)
        self.tiles = -(-self.rows // self.height)  # of a group
        blocks, self.per_block = split_blocks(self.tiles * self.groups, target.vector_cores)
        self.b = KernelBuilder(f"cumulative_{op.kind}_{self.dtype}_{'x'.join(map(str, shape))}", "aiv", (blocks,))
        self.given = self.b.argument(self.dtype, op.result.type.size)
        self.made = self.b.argument(self.dtype, op.result.type.size, writes=True)

    def launch(self) -> Launch:
        b = self.b
        with ExitStack() as stack:
            tile = batch_loop(b, b.blocks[0], self.tiles * self.groups, self.per_block, stack)
            group = b.scalar("sdiv", tile, self.tiles) if self.groups > 1 else Affine()
            row = (tile - group * self.tiles) * self.height
            count = b.minimum(self.height, self.rows - row) if self.rows % self.height else Affine(self.height)
            total = self._tile(count, 1)
            b.texpands(total, identity_element(self.op.kind, self.dtype))
            pieces = -(-self.n // self.width)
            with b.loop(0, pieces) as i:
                start = ((pieces - 1) - i if self.op.backwards else i) * self.width
                width = b.minimum(self.width, self.n - start) if self.n % self.width else Affine(self.width)
                self._piece(total, group, row, count, start, width)
        return Launch(b.kernel, [*self.op.operands, self.op.result], [self.op.result])

    def _piece(self, total: TileRef, group: Affine, row: Affine, count: Affine, start: Affine, width: Affine) -> None:
        """Combine `width` elements of `count` rows with the total of those before them, which becomes that of all."""
        b, kind = self.b, self.op.kind
        if self.transposed:
            window = (group * (self.n * self.rows) + start * self.rows + row, (width, count), (self.rows, 1))
            given, x = self._lying(width, count), self._tile(count, width)
            b.tload(given, b.view(self.given, *window))
            b.ttrans(x, given)
        else:
            window = (row * self.n + start, (count, width), (self.n, 1))
            x = self._tile(count, width)
            b.tload(x, b.view(self.given, *window))
        x = self._turned(x, count, width)
        local, found = self._tile(count, width), self._tile(count, width)
        getattr(b, f"trowcum{_INSTRUCTION[kind]}")(local, x)
        getattr(b, f"trowexpand{kind}")(found, local, total)
        b.tslice(total, found, 0, width - 1)
        found = self._turned(found, count, width)
        if self.transposed:
            lying = self._lying(width, count)
            b.ttrans(lying, found)
            found = lying
        b.tstore(b.view(self.made, *window), found)

    def _turned(self, x: TileRef, count: Affine, width: Affine) -> TileRef:
        """Return a tile from its last column to its first, if that is how it is combined."""
        if not self.op.backwards:
            return x
        b = self.b
        index = b.tile(Loc.vec, INDEX, self.room, self.width, (count, width))
        b.tci(index, width - 1, 0, -1)
        turned = self._tile(count, width)
        b.tgather(turned, x, index)
        return turned

    def _tile(self, rows: Affine, columns: Affine | int) -> TileRef:
        room = self.width if columns != 1 else RUN
        return self.b.tile(Loc.vec, self.dtype, self.room, room, (rows, columns))

    def _lying(self, rows: Affine, columns: Affine) -> TileRef:
        return self.b.tile(Loc.vec, self.dtype, self.width, self.room, (rows, columns))
