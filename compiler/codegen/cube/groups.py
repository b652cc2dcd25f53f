"""Groups of tensor dimensions that act as one matrix dimension (M, N, K or batch), and how a tile covers part of one.

A group is a list of dimensions, outermost first, each with its size and its stride in every operand it occurs in.
Where strides compose, dimensions collapse; where they do not, a tile takes some whole inner dimensions, a piece of one,
and one index of the others. So any dimension order is read through views, and no operand is ever laid out anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod

from ...isa.model import Affine
from ...program.kernel import KernelBuilder


@dataclass(frozen=True)
class Dim:
    """One dimension: its size, its stride, in elements, in each operand of the group, and the epilogue's axis if any."""

    size: int
    strides: tuple[int, ...]
    axis: int = -1


Group = tuple[Dim, ...]


def group_size(group: Group) -> int:
    """Return the number of indices of a group."""
    return prod(d.size for d in group)


def collapse(dims: Iterable[Dim]) -> Group:
    """Drop dimensions of size 1 and merge neighbours whose strides compose in every operand."""
    merged: list[Dim] = []
    for dim in dims:
        if dim.size == 1:
            continue
        if merged and all(o == i * dim.size for o, i in zip(merged[-1].strides, dim.strides, strict=True)):
            dim = Dim(merged.pop().size * dim.size, dim.strides)
        merged.append(dim)
    return tuple(merged)


@dataclass(frozen=True)
class Tiling:
    """A tile of a group: one index of each `outer` dimension, up to `tile` of `split`, all of each `inner` one."""

    outer: Group
    split: Dim
    tile: int
    inner: Group

    @cached_property
    def inner_size(self) -> int:
        """Indices of the inner dimensions together."""
        return group_size(self.inner)

    @property
    def capacity(self) -> int:
        """Indices of a whole tile."""
        return self.tile * self.inner_size

    @property
    def rank(self) -> int:
        """View dimensions a tile needs."""
        return 1 + len(self.inner)

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Steps along each outer dimension and the split one."""
        return (*(d.size for d in self.outer), -(-self.split.size // self.tile))

    @property
    def steps(self) -> int:
        """Tiles that cover the group."""
        return prod(self.counts)

    def strides(self, operand: int) -> tuple[int, ...]:
        """Return the strides of a tile's view dimensions in one operand."""
        return (self.split.strides[operand], *(d.strides[operand] for d in self.inner))


def tile_group(group: Group, target: int, rank: int = 4) -> Tiling:
    """Choose how tiles of about `target` indices cover a group, with at most `rank` view dimensions."""
    if not group:
        return Tiling((), Dim(1, (0, 0, 0, 0)), 1, ())
    split, inner = len(group) - 1, 1
    while split > 0 and len(group) - split < rank and group[split].size * inner * 2 <= target:
        inner *= group[split].size
        split -= 1
    tile = min(group[split].size, max(1, target // inner))
    return Tiling(group[:split], group[split], tile, group[split + 1 :])


@dataclass(frozen=True)
class Position:
    """Where a tile lies: element offset per operand, and how many indices of the split dimension and in all."""

    offsets: tuple[Affine, ...]
    count: Affine
    extent: Affine
    coordinates: tuple[Affine, ...]  # one per outer dimension, then the index of the first of the split dimension


def divide(b: KernelBuilder, value: Affine, divisor: int) -> tuple[Affine, Affine]:
    """Emit the quotient and the remainder of a nonnegative value by a constant."""
    if divisor == 1:
        return value, Affine()
    if value.is_constant:
        return Affine(value.const // divisor), Affine(value.const % divisor)
    quotient = b.scalar("sdiv", value, divisor)
    return quotient, value - quotient * divisor


def unravel(b: KernelBuilder, index: Affine, sizes: Iterable[int]) -> list[Affine]:
    """Emit the coordinates, outermost first, of a flat index over `sizes`; 0 along sizes of 1."""
    coordinates: list[Affine] = []
    remaining = list(sizes)
    while remaining:
        size = remaining.pop()
        if size == 1:
            coordinates.append(Affine())
        elif all(s == 1 for s in remaining):
            coordinates.append(index)
            index = Affine()
        else:
            index, remainder = divide(b, index, size)
            coordinates.append(remainder)
    return coordinates[::-1]


def locate(b: KernelBuilder, tiling: Tiling, index: Affine, operands: int) -> Position:
    """Emit the position of tile number `index` of a group in each of its operands."""
    *outer, step = unravel(b, index, tiling.counts)
    first = step * tiling.tile
    offsets: list[Affine] = []
    for operand in range(operands):
        offset = first * tiling.split.strides[operand]
        for coordinate, dim in zip(outer, tiling.outer, strict=True):
            offset += coordinate * dim.strides[operand]
        offsets.append(offset)
    size, tile = tiling.split.size, tiling.tile
    count = Affine(tile) if size % tile == 0 else b.minimum(tile, size - first)
    return Position(tuple(offsets), count, count * tiling.inner_size, (*outer, first))
