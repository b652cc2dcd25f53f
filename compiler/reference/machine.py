"""The state of one core as an interpreter sees it: memories as bytes, tiles and views as elements on them.

Tiles really lie at their addresses, in their layout, so overlapping tiles and treshape behave as on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..isa.dtypes import DType
from ..isa.machine import Layout, Loc, granularity
from ..isa.model import Affine, TileRef, View
from ..program.kernel import Kernel, Tile
from ..targets import Target

POISON = 0xFF  # of every byte: NaN in every float type, -1 in every integer type, invalid in i1


class ReferenceFault(Exception):
    """A program that does what no program may: reads outside of a buffer, uses tiles of unequal valid regions."""


@cache
def element_offsets(layout: Layout, loc: Loc, rows: int, columns: int, dtype: DType) -> np.ndarray:
    """Return, as [rows, columns], where each element of a tile lies, in elements from its address."""
    r, c = np.arange(rows)[:, None], np.arange(columns)[None, :]
    if layout in (Layout.nd, Layout.fmap):
        return r * columns + c
    rows_of, columns_of = granularity(loc, layout, dtype)
    m, k = (rows_of, columns_of) if layout == Layout.nz else (columns_of, rows_of)
    if layout == Layout.nz:
        return c // k * (rows * k) + r // m * (m * k) + r % m * k + c % k
    return r // k * (columns * k) + c // m * (m * k) + c % m * k + r % k


@dataclass(frozen=True, eq=False)
class TileElements:
    """The valid region of a tile's buffer."""

    tile: Tile
    memory: np.ndarray
    address: int
    rows: int
    columns: int

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self.tile.dtype

    @property
    def shape(self) -> tuple[int, int]:
        """Extents of the valid region."""
        return self.rows, self.columns

    def _flat(self) -> np.ndarray:
        data = self.memory[self.address : self.address + self.tile.bytes]
        if len(data) < self.tile.bytes:
            raise ReferenceFault(f"a tile of {self.tile.bytes} bytes at {self.address} leaves {self.tile.loc.memory}")
        return data.view(np.uint8 if self.dtype is DType.i1 else self.dtype.numpy)

    def _offsets(self) -> np.ndarray:
        t = self.tile
        return element_offsets(t.layout, t.loc, t.rows, t.columns, t.dtype)

    def read(self, rows: int | None = None, columns: int | None = None) -> np.ndarray:
        """Return a copy of the valid region, or of the first `rows` x `columns` of the tile's capacity."""
        rows, columns = self.rows if rows is None else rows, self.columns if columns is None else columns
        values = self._flat()[self._offsets()[:rows, :columns]]
        if self.dtype is DType.i1:
            if (values > 1).any():
                raise ReferenceFault("an i1 tile holds a byte that is neither 0 nor 1")
            return values.astype(np.bool_)
        return values

    def write(self, values: np.ndarray) -> None:
        """Store over the valid region."""
        if values.shape != self.shape:
            raise ReferenceFault(f"the result is {values.shape}, the valid region of its tile {self.shape}")
        self._flat()[self._offsets()[: self.rows, : self.columns]] = values

    def get(self, index: int) -> np.ndarray:
        """Return one element, counted row by row over the capacity."""
        value = self._flat()[self._offsets().reshape(-1)[index]]
        if self.dtype is DType.i1 and value > 1:
            raise ReferenceFault("an i1 tile holds a byte that is neither 0 nor 1")
        return value

    def set(self, index: int, value: np.ndarray) -> None:
        """Store one element, counted row by row over the capacity."""
        self._flat()[self._offsets().reshape(-1)[index]] = value[0]

    def insert(self, values: np.ndarray, row: int, column: int) -> None:
        """Store values over a piece of the capacity."""
        rows, columns = values.shape
        self._flat()[self._offsets()[row : row + rows, column : column + columns]] = values

    def clear(self, rows: int, columns: int) -> None:
        """Set the first `rows` x `columns` elements of the capacity to zero."""
        self._flat()[self._offsets()[:rows, :columns]] = 0


@dataclass(frozen=True, eq=False)
class ViewElements:
    """A view on a GM argument, with its extents known."""

    argument: np.ndarray  # bytes
    dtype: DType
    size: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    split: int

    @property
    def rows(self) -> int:
        """Product of the dimensions before the split."""
        return int(np.prod(self.shape[: self.split], dtype=np.int64))

    @property
    def columns(self) -> int:
        """Product of the dimensions from the split on."""
        return int(np.prod(self.shape[self.split :], dtype=np.int64))

    def elements(self) -> np.ndarray:
        """Return all elements of the argument, to be indexed."""
        return self.argument[: self.size * self.dtype.bytes].view(self.dtype.numpy)

    def column_offsets(self) -> np.ndarray:
        """Return, for each column, its offset in elements."""
        return _offsets(self.shape[self.split :], self.strides[self.split :])

    def offsets(self) -> np.ndarray:
        """Return [rows, columns] offsets of the view's elements into the argument."""
        rows = _offsets(self.shape[: self.split], self.strides[: self.split])
        return self.check(self.offset + rows[:, None] + self.column_offsets()[None, :])

    def check(self, offsets: np.ndarray) -> np.ndarray:
        """Return offsets, or raise if one is outside of the argument."""
        if offsets.size and (offsets.min() < 0 or offsets.max() >= self.size):
            raise ReferenceFault(
                f"elements {offsets.min()} to {offsets.max()} of an argument are touched; it has {self.size}"
            )
        return offsets


def _offsets(shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    total = np.zeros((1,), np.int64)
    for extent, stride in zip(shape, strides, strict=True):
        total = (total[:, None] + np.arange(max(extent, 0)) * stride).reshape(-1)
    return total


class Machine:
    """A kernel being run by one block: memories, registers, arguments."""

    def __init__(self, kernel: Kernel, arguments: list[np.ndarray], target: Target, block: tuple[int, ...]):
        self.kernel, self.arguments = kernel, arguments
        self.registers: dict[int, int] = dict(enumerate(block))
        self.subblock = 0
        cube = {loc: np.full(target.capacity(loc), POISON, np.uint8) for loc in Loc if loc != Loc.vec}
        self.cores = [{Loc.vec: np.full(target.ub_bytes, POISON, np.uint8), **cube} for _ in range(2)]

    def value(self, affine: Affine | int) -> int:
        """Return an affine's value now."""
        try:
            return Affine.of(affine).evaluate(self.registers)
        except KeyError as error:
            raise ReferenceFault(f"register %r{error.args[0]} is read before it is set") from None

    def tile(self, ref: TileRef) -> TileElements:
        """Return the valid region of a tile operand."""
        tile = self.kernel.tiles[ref.tile]
        address = tile.address + self.value(ref.slot) % tile.slots * tile.slot_stride
        rows, columns = self.value(tile.valid_rows), self.value(tile.valid_columns)
        if not (0 <= rows <= tile.rows and 0 <= columns <= tile.columns):
            raise ReferenceFault(f"%t{ref.tile} is {tile.rows} x {tile.columns}, its valid region {rows} x {columns}")
        return TileElements(tile, self.cores[self.subblock][tile.loc], address, rows, columns)

    def view(self, view: View) -> ViewElements:
        """Return a view operand with its extents evaluated."""
        argument = self.kernel.arguments[view.argument]
        shape = tuple(map(self.value, view.shape))
        data = self.arguments[view.argument]
        return ViewElements(
            data, argument.dtype, argument.size, self.value(view.offset), shape, view.strides, view.split
        )
