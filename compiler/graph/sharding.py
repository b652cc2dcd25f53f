"""How a value lies on several devices: along which axes of a mesh each of its dimensions is cut.

A mesh is a grid of devices. Its axes here are the smallest that the program cuts along: where a dimension takes a part of an
axis, `"x":(1)2` of an axis of 8, the axis is two, of 2 and of 4. So all that is said of axes is said of whole ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from math import prod

import numpy as np

Axes = tuple[int, ...]
"""Numbers of axes of a mesh, the most significant first."""


@dataclass(frozen=True)
class Mesh:
    """Devices, by their number in the program, in a grid of these sizes, row-major. No axis has size 1."""

    sizes: tuple[int, ...]
    devices: tuple[int, ...]
    names: tuple[str, ...] = field(compare=False)

    def extent(self, axes: Iterable[int]) -> int:
        """Return into how many parts these axes cut."""
        return prod(self.sizes[a] for a in axes)

    def index(self, axes: Axes) -> np.ndarray:
        """Return i32[devices]: which part each device has, by its number in the program."""
        return _index(self, axes)

    def groups(self, axes: Axes) -> tuple[tuple[int, ...], ...]:
        """Return the devices that differ in these axes only, those of a group in the order of their parts."""
        others = tuple(a for a in range(len(self.sizes)) if a not in axes)
        part, group = self.index(axes), self.index(others)
        found = np.empty((self.extent(others), self.extent(axes)), np.int64)
        found[group, part] = np.arange(len(self.devices))
        return tuple(tuple(map(int, row)) for row in found)


@cache
def _index(mesh: Mesh, axes: Axes) -> np.ndarray:
    coordinates = np.indices(mesh.sizes).reshape(len(mesh.sizes), -1)
    part = np.zeros(len(mesh.devices), np.int32)
    for a in axes:
        part = part * mesh.sizes[a] + coordinates[a]
    by_device = np.empty(len(mesh.devices), np.int32)
    by_device[list(mesh.devices)] = part
    return by_device


@dataclass(frozen=True)
class Sharding:
    """The axes that cut each dimension; those that cut none hold copies. No axis cuts twice.

    Along the axes of `partial` devices hold neither parts nor copies, but terms: the value is their sum.

    A dimension of n elements in k parts has ceil(n / k) of them on each device; what the last parts have beyond n counts
    for nothing, and may be anything.
    """

    mesh: Mesh
    dims: tuple[Axes, ...]
    partial: Axes = ()

    @property
    def axes(self) -> Axes:
        """All axes that cut."""
        return tuple(chain.from_iterable(self.dims))

    def local_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of what a device has."""
        return tuple(-(-n // self.mesh.extent(axes)) for n, axes in zip(shape, self.dims, strict=True))

    def is_even(self, shape: Sequence[int]) -> bool:
        """Whether all devices have the same number of elements that count."""
        return all(n % self.mesh.extent(axes) == 0 for n, axes in zip(shape, self.dims, strict=True))

    def __str__(self) -> str:
        terms = f" sum of {''.join(self.mesh.names[a] for a in self.partial)}" if self.partial else ""
        return "{" + ",".join("".join(self.mesh.names[a] for a in axes) or "-" for axes in self.dims) + terms + "}"


def replicated(mesh: Mesh, rank: int) -> Sharding:
    """Return that every device has all of a value."""
    return Sharding(mesh, ((),) * rank)
