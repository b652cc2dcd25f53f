"""Bring a value from one sharding to another: slices first, which send nothing, then what sends least.

[x, -] -> [x, y]      slice: each device keeps its part of what it has
[x, -] -> [-, x]      all_to_all
[x, -] -> [y, -]      collective_permute, as parts are of equal size
[x, -] -> [-, -]      all_gather

What devices hold terms of is summed first (`terms`).
"""

from __future__ import annotations

import numpy as np

from ..graph import ops
from ..graph.builder import Builder, splat_element
from ..graph.graph import TensorType, Value
from ..graph.sharding import Axes, Sharding, replicated
from ..isa.dtypes import DType
from .piece import PartNumber, Piece
from .terms import combined, spread, taken_apart


class Resharder:
    """Appends the ops that take a piece to another sharding, each once."""

    def __init__(self, part_number: PartNumber) -> None:
        self.part_number = part_number
        self.known: dict[tuple[Value, TensorType, Sharding, Sharding], Piece] = {}
        self.sums: dict[tuple[Value, TensorType, Sharding], Piece] = {}  # of terms, the sum that was made last

    def __call__(self, x: Piece, to: Sharding) -> Piece:
        """Return the piece of x that lies as `to` says, appended where x is defined."""
        if x.sharding == to:
            return x
        key = (x.value, x.whole, x.sharding, to)
        if key not in self.known:
            moved = self.known[key] = self._moved(x, to)
            self.known.setdefault((moved.value, x.whole, to, x.sharding), x)  # the way back is free
        return self.known[key]

    def _moved(self, x: Piece, to: Sharding) -> Piece:
        if x.whole.size == 0:
            type = TensorType(to.local_shape(x.whole.shape), x.whole.dtype)
            return Piece(x.b.constant(0, type), to, x.whole, x.b)
        if x.sharding.mesh != to.mesh:
            return self._across(x, to)
        if set(x.sharding.partial) - set(to.partial):
            return self(self._summed(x, to), to)
        more = tuple(a for a in to.partial if a not in x.sharding.partial)
        for d, cut in enumerate(x.sharding.dims):
            last = next((i for i, a in enumerate(cut) if a in more), len(cut))
            if last < len(cut) and set(cut[last:]) <= set(more) and x.whole.shape[d] % to.mesh.extent(cut) == 0:
                return self(spread(x, d, cut[last:], self.part_number), to)
        if more:
            before = Sharding(to.mesh, to.dims, x.sharding.partial)
            return taken_apart(self(x, before), more, self.part_number)
        for d, n in enumerate(x.whole.shape):
            have, want = x.sharding.dims[d], to.dims[d]
            if have and have != want and any(n % to.mesh.extent(axes) for axes in (have, want)):
                x = self._gather(x, d, 0)
        while x.sharding != to:
            x = self._slice(x, to) or self._all_to_all(x, to) or self._permute(x, to) or self._gather_next(x, to)
        return x

    def _across(self, x: Piece, to: Sharding) -> Piece:
        """Bring a piece to where the devices stand in another order: as it is, if parts are of one size, else whole."""
        cut = [[s.mesh.extent(axes) for axes in s.dims] for s in (x.sharding, to)]
        if cut[0] == cut[1] and not x.sharding.partial and not to.partial:
            has, needs = x.sharding.mesh.index(x.sharding.axes), to.mesh.index(to.axes)
            pairs = _senders(has, needs, np.zeros_like(has))
            return Piece(x.b.emit(ops.CollectivePermute([x.value], pairs), x.value.type), to, x.whole, x.b)
        whole = self(x, replicated(x.sharding.mesh, x.whole.rank))
        return self(Piece(whole.value, replicated(to.mesh, x.whole.rank), x.whole, x.b), to)

    def _summed(self, x: Piece, to: Sharding) -> Piece:
        """Return the sum of terms that `to` does not keep apart, cut as it says as far as that saves sending."""
        key = (x.value, x.whole, x.sharding)
        if key not in self.sums or set(self.sums[key].sharding.partial) - set(to.partial):
            axes = tuple(a for a in x.sharding.partial if a not in to.partial)
            self.sums[key] = combined(x, axes, "add", to.dims)
        return self.sums[key]

    def _gather_next(self, x: Piece, to: Sharding) -> Piece:
        for d, (have, want) in enumerate(zip(x.sharding.dims, to.dims)):
            common = next((i for i, (a, b) in enumerate(zip(have, want)) if a != b), min(len(have), len(want)))
            if common < len(have):
                return self._gather(x, d, common)
        raise AssertionError("[partition] a value that can be cut neither less nor more")

    def _gather(self, x: Piece, d: int, keep: int) -> Piece:
        """Bring together what all but the first `keep` axes of a dimension cut."""
        mesh, axes = x.sharding.mesh, x.sharding.dims[d]
        cut = axes[keep:]
        shape = list(x.value.shape)
        shape[d] *= mesh.extent(cut)
        gathered = x.b.emit(ops.AllGather([x.value], mesh.groups(cut), d), TensorType(tuple(shape), x.value.dtype))
        if keep == 0:
            gathered = x.b.slice_dim(gathered, d, 0, x.whole.shape[d])
        dims = list(x.sharding.dims)
        dims[d] = axes[:keep]
        return Piece(gathered, Sharding(mesh, tuple(dims), x.sharding.partial), x.whole, x.b)

    def _slice(self, x: Piece, to: Sharding) -> Piece | None:
        """Cut along the axes that nothing is cut along so far."""
        used, mesh = set(x.sharding.axes), x.sharding.mesh
        more: dict[int, Axes] = {}
        for d, (have, want) in enumerate(zip(x.sharding.dims, to.dims)):
            if want[: len(have)] != have:
                continue
            extra = want[len(have) :]
            count = next((i for i, a in enumerate(extra) if a in used), len(extra))
            if x.whole.shape[d] % mesh.extent(want) and count < len(extra):
                continue  # uneven parts are cut all at once
            if count:
                more[d] = extra[:count]
        if not more:
            return None
        dims = tuple(axes + more.get(d, ()) for d, axes in enumerate(x.sharding.dims))
        return Piece(self._cut(x, more), Sharding(mesh, dims, x.sharding.partial), x.whole, x.b)

    def _cut(self, x: Piece, more: dict[int, Axes]) -> Value:
        mesh, b, value = x.sharding.mesh, x.b, x.value
        sizes = tuple(-(-n // mesh.extent(more.get(d, ()))) for d, n in enumerate(value.shape))
        remade = _remake(b, value, sizes, set(more))
        if remade is not None:
            return remade
        high = [sizes[d] * mesh.extent(more.get(d, ())) - n for d, n in enumerate(value.shape)]
        if any(high):
            zero = b.constant(0, TensorType((), value.dtype))
            value = b.pad(value, zero, [0] * len(sizes), high)
        zero = b.constant(0, TensorType((), DType.i32))
        starts = [self.part_number(mesh, more[d], n) if d in more else zero for d, n in enumerate(sizes)]
        return b.emit(ops.DynamicSlice([value, *starts], sizes), TensorType(sizes, value.dtype))

    def _all_to_all(self, x: Piece, to: Sharding) -> Piece | None:
        """Move axes from the end of one dimension to the end of another."""
        mesh, have = x.sharding.mesh, x.sharding.dims
        even = [n % mesh.extent(want) == 0 for n, want in zip(x.whole.shape, to.dims)]
        for i, axes in enumerate(have):
            for count in range(len(axes), 0, -1):
                moved, left = axes[-count:], axes[:-count]
                for j, want in enumerate(to.dims):
                    fits = (
                        i != j and to.dims[i][: len(left)] == left and want[: len(have[j]) + count] == have[j] + moved
                    )
                    if not fits or not even[i] or not even[j] or x.value.shape[j] % mesh.extent(moved):
                        continue
                    dims = list(have)
                    dims[i], dims[j] = left, have[j] + moved
                    parts, shape = mesh.extent(moved), list(x.value.shape)
                    shape[i], shape[j] = shape[i] * parts, shape[j] // parts
                    op = ops.AllToAll([x.value], mesh.groups(moved), j, i)
                    value = x.b.emit(op, TensorType(tuple(shape), x.value.dtype))
                    return Piece(value, Sharding(mesh, tuple(dims), x.sharding.partial), x.whole, x.b)
        return None

    def _permute(self, x: Piece, to: Sharding) -> Piece | None:
        """Send parts to where they are wanted, if they are of the wanted size."""
        mesh = x.sharding.mesh
        if any(mesh.extent(a) != mesh.extent(b) for a, b in zip(x.sharding.dims, to.dims)):
            return None
        have, want = x.sharding.axes, to.axes
        others = tuple(a for a in range(len(mesh.sizes)) if a not in (*have, *want))
        pairs = _senders(mesh.index(have), mesh.index(want), mesh.index(others))
        value = x.b.emit(ops.CollectivePermute([x.value], pairs), x.value.type)
        return Piece(value, to, x.whole, x.b)


def _senders(has: np.ndarray, needs: np.ndarray, group: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Return (sender, receiver) of a group for each device, itself where it has the part that it needs."""
    senders = {d: d for d in range(len(has)) if has[d] == needs[d]}
    holders: dict[tuple[int, int], list[int]] = {}
    for d in range(len(has)):
        if d not in senders:
            holders.setdefault((int(group[d]), int(has[d])), []).append(d)
    for d in range(len(has)):
        if d not in senders:
            senders[d] = holders[int(group[d]), int(needs[d])].pop(0)
    return tuple((senders[d], d) for d in range(len(has)))


def _remake(b: Builder, value: Value, sizes: tuple[int, ...], cut: set[int]) -> Value | None:
    """Return what is the same in all parts of these sizes, made anew; None if parts differ or are dear to make."""
    op, type = value.producer, TensorType(sizes, value.dtype)
    element = splat_element(value)
    if element is not None:
        return b.constant(element, type)
    if isinstance(op, ops.Iota) and op.dimension not in cut:
        return b.emit(ops.Iota([], op.dimension), type)
    if isinstance(op, ops.BroadcastInDim):
        same = all(op.operands[0].shape[op.dimensions.index(d)] == 1 for d in cut if d in op.dimensions)
        if same:
            return b.emit(ops.BroadcastInDim([op.operands[0]], op.dimensions), type)
    return None
