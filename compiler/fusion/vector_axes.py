"""Axes: the atoms of a vector region's iteration space.

Every value of a region is indexed by dimensions, and every dimension is a product of axes (outer to inner). Ops say
which axes are the same (an addition identifies the dimensions of its operands) or which axis is a product of two others
(a reshape): a union-find whose nodes may also split. Changes are logged, so that fusion can try and take back.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

Dims = tuple[tuple[int, ...], ...]  # per dimension its axes, outer to inner; a dimension of extent 1 has none


class Axes:
    """A growing set of axes with union, split and undo."""

    def __init__(self) -> None:
        self.extent: list[int] = []
        self._link: list[int | tuple[int, int] | None] = []  # another axis, or (outer, inner) parts
        self._mates: list[set[int]] = []  # axes that index the same value: never to be united
        self._weight: list[int] = []  # unions into an axis: the heavier one stays, so that chains of links stay short
        self._log: list[tuple[int, set[int] | None]] = []

    def fresh(self, extent: int) -> tuple[int, ...]:
        """Return a new axis as a dimension; none for extent 1."""
        if extent == 1:
            return ()
        self.extent.append(extent)
        self._link.append(None)
        self._mates.append(set())
        self._weight.append(1)
        return (len(self.extent) - 1,)

    def fresh_dims(self, shape: Iterable[int]) -> Dims:
        """Return new axes for every dimension of a shape, as one value is indexed by them."""
        dims = tuple(self.fresh(n) for n in shape)
        self.together(dims)
        return dims

    def atoms(self, dim: Iterable[int]) -> tuple[int, ...]:
        """Return the axes a dimension consists of now, outer to inner."""
        link = self._link
        out: list[int] = []
        for axis in dim:
            to = link[axis]
            while isinstance(to, int):
                axis, to = to, link[to]
            if to is None:
                out.append(axis)
            else:
                out.extend(self.atoms(to))
        return tuple(out)

    def flat(self, dims: Dims) -> tuple[int, ...]:
        """Return all axes of a value, outer to inner."""
        return self.atoms([a for dim in dims for a in dim])

    def together(self, dims: Dims) -> bool:
        """Record that one value has these dimensions; False if an axis would occur twice."""
        axes = self.flat(dims)
        if len(set(axes)) < len(axes):
            return False
        if len(axes) > 1:
            for a in axes:
                self._join(a, axes)
        return True

    def mark(self) -> int:
        """Return a point to roll back to."""
        return len(self._log)

    def rollback(self, mark: int) -> None:
        """Undo unions and splits since `mark` (axes made since then stay, unused)."""
        while len(self._log) > mark:
            axis, mates = self._log.pop()
            if mates is None:
                self._link[axis] = None
            else:
                self._mates[axis] = mates

    def unify(self, a: Dims, b: Dims) -> bool:
        """Identify the dimensions of two values of equal shape; False (changes to roll back) if that cannot be."""
        return all(self.unify_dim(x, y) for x, y in zip(a, b, strict=True))

    def unify_dim(self, a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        """Identify two dimensions of equal extent, splitting axes where their factors differ."""
        if a == b:
            return True
        left, right = list(self.atoms(a)), list(self.atoms(b))
        while left and right:
            x, y = self._pop(left), self._pop(right)
            if x == y:
                continue
            n, m = self.extent[x], self.extent[y]
            if n > m:
                if n % m:
                    return False
                outer, x = self._split(x, m)
                left.append(outer)
            elif m > n:
                if m % n:
                    return False
                outer, y = self._split(y, n)
                right.append(outer)
            if not self._unite(x, y):
                return False
        return not left and not right

    def regroup(self, dims: Dims, shape: tuple[int, ...]) -> Dims | None:
        """Return the dimensions of the value reshaped to `shape`, or None if no split of axes gives them."""
        axes = list(self.flat(dims))
        out: list[tuple[int, ...]] = []
        for size in reversed(shape):
            taken: list[int] = []
            while size > 1:
                if not axes:
                    return None
                axis = axes.pop()
                n = self.extent[axis]
                if n > size:
                    if n % size:
                        return None
                    outer, axis = self._split(axis, size)
                    axes.append(outer)
                    n = size
                elif n == 0 or size % n:
                    return None
                taken.append(axis)
                size //= n
            out.append(tuple(reversed(taken)))
        return None if axes else tuple(reversed(out))

    def size(self, axes: Iterable[int]) -> int:
        """Return the product of extents."""
        return prod(self.extent[a] for a in axes)

    def _pop(self, axes: list[int]) -> int:
        *outer, inner = self.atoms((axes.pop(),))  # may have been split or united since the list was made
        axes.extend(outer)
        return inner

    def _join(self, axis: int, others: Iterable[int]) -> None:
        old = self._mates[axis]
        self._log.append((axis, old))
        new = old.union(others)
        new.discard(axis)
        self._mates[axis] = new

    def _meets(self, axis: int) -> set[int]:
        mates = self._mates[axis]
        link = self._link
        if all(link[m] is None for m in mates):
            return mates
        now = set(self.atoms(mates))  # kept, so that names of axes that are no more do not pile up
        self._log.append((axis, mates))
        self._mates[axis] = now
        return now

    def _split(self, axis: int, inner_extent: int) -> tuple[int, int]:
        """Replace `axis` by (outer, inner); returns them."""
        mates = self._meets(axis)
        (outer,), (inner,) = self.fresh(self.extent[axis] // inner_extent), self.fresh(inner_extent)
        self._log.append((axis, None))
        self._link[axis] = (outer, inner)
        self._mates[outer] = {inner, *mates}
        self._mates[inner] = {outer, *mates}
        return outer, inner  # the mates name `axis`, which now means both

    def _unite(self, x: int, y: int) -> bool:
        if y in self._meets(x):
            return False
        if self._weight[x] > self._weight[y]:
            x, y = y, x
        self._weight[y] += self._weight[x]
        mates = self._meets(x)
        self._log.append((x, None))
        self._link[x] = y
        if mates:
            self._join(y, mates)
        return True
