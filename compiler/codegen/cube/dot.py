"""A Dot, and the layout ops around it, as a matrix product in strides.

Transposes, broadcasts, slices and most reshapes of an operand, and transposes of the result, only change strides and
offset: they cost nothing, and `Strided` carries them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...graph.graph import Op, Value, row_major
from ...graph.ops import BroadcastInDim, Dot, Reshape, Reverse, Slice, Transpose
from ...isa.machine import ACCUMULATORS
from .epilogue import Epilogue
from .gemm import Buffer, Gemm
from .groups import Dim, collapse

LAYOUT_OPS = (Transpose, Reshape, BroadcastInDim, Slice, Reverse)


@dataclass(frozen=True)
class Strided:
    """A tensor as a window on another value: element i is value[offset + sum(i[d] * strides[d])]."""

    value: Value
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def buffer(self) -> Buffer:
        """The kernel argument and where indices start in it."""
        return Buffer(self.value.dtype, self.value.type.size, self.offset)


def whole(value: Value) -> Strided:
    """Return a value as itself."""
    return Strided(value, 0, value.shape, row_major(value.shape))


def apply_layout(op: Op, x: Strided, shape: tuple[int, ...] | None = None) -> Strided | None:
    """Return the result of a layout op on `x` in strides, or None if strides cannot say it; `shape` if not that of its result."""
    shape = op.results[0].shape if shape is None else shape
    if isinstance(op, Transpose):
        return Strided(x.value, x.offset, shape, tuple(x.strides[p] for p in op.permutation))
    if isinstance(op, BroadcastInDim):
        strides = [0] * len(shape)
        for source, d in enumerate(op.dimensions):
            strides[d] = x.strides[source] if x.shape[source] == shape[d] else 0
        return Strided(x.value, x.offset, shape, tuple(strides))
    if isinstance(op, Slice):
        offset = x.offset + sum(a * s for a, s in zip(op.start, x.strides, strict=True))
        return Strided(x.value, offset, shape, tuple(s * t for s, t in zip(x.strides, op.stride, strict=True)))
    if isinstance(op, Reverse):
        offset = x.offset + sum((x.shape[d] - 1) * x.strides[d] for d in op.dimensions)
        return Strided(x.value, offset, shape, tuple(-s if d in op.dimensions else s for d, s in enumerate(x.strides)))
    if isinstance(op, Reshape):
        strides = reshape_strides(x.shape, x.strides, shape)
        return None if strides is None else Strided(x.value, x.offset, shape, strides)
    return None


def views_of(ops: Iterable[Op]) -> dict[Value, Strided]:
    """Return the results of the layout ops among `ops`, in order, as windows on what they move."""
    views: dict[Value, Strided] = {}
    for op in ops:
        if isinstance(op, LAYOUT_OPS):
            moved = apply_layout(op, views.get(op.operands[0]) or whole(op.operands[0]))
            if moved is not None:
                views[op.result] = moved
    return views


def reshape_strides(old: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the strides of a strided tensor of shape `old` seen as `new`, or None if it is not strided so."""
    pieces = list(collapse(Dim(n, (s,)) for n, s in zip(old, strides, strict=True)))
    result: list[int] = []
    room = 1  # indices of the innermost piece not yet given to a dimension
    step = 0
    for size in reversed(new):
        if size == 1:
            result.append(0)
            continue
        if room == 1:
            if not pieces:
                return None
            piece = pieces.pop()
            room, step = piece.size, piece.strides[0]
        if room % size:
            return None
        result.append(step)
        step, room = step * size, room // size
    return tuple(result[::-1])


def dot_problem(
    op: Dot,
    lhs: Strided,
    rhs: Strided,
    out: Strided,
    bias: Strided | None,
    relu: bool,
    epilogue: Epilogue | None = None,
) -> tuple[Gemm, Value, Value]:
    """Express a Dot on strided operands, with its result (in the Dot's dimension order) strided in `out`.

    Returns the problem and what its left and right operands are. bias has one element per column of the result, in the
    order of the free dimensions of rhs. An `epilogue` says into which axes the dimensions of the result split.
    """
    free_l, free_r = op.free()
    rank_b, rank_m = len(op.lhs_batch), len(free_l)
    batch = [
        Dim(lhs.shape[l], (lhs.strides[l], rhs.strides[r], out.strides[i]))
        for i, (l, r) in enumerate(zip(op.lhs_batch, op.rhs_batch, strict=True))
    ]
    m = [Dim(lhs.shape[d], (lhs.strides[d], out.strides[rank_b + i])) for i, d in enumerate(free_l)]
    n = [
        Dim(rhs.shape[d], (rhs.strides[d], out.strides[rank_b + rank_m + i], bias.strides[i] if bias else 0))
        for i, d in enumerate(free_r)
    ]
    # The order of contraction is free: that of lhs's memory, so that pieces merge.
    pairs = zip(op.lhs_contracting, op.rhs_contracting, strict=True)
    k = [Dim(lhs.shape[l], (lhs.strides[l], rhs.strides[r])) for l, r in pairs]
    k.sort(key=lambda d: (-abs(d.strides[0]), -abs(d.strides[1])))
    if epilogue:
        batch, m, n = epilogue.split(batch, m, n)
        along_rows = epilogue.runs_along(m, n)
    else:
        batch, m, n = collapse(batch), collapse(m), collapse(n)
        along_rows = bool(m) and m[-1].strides[1] == 1 and all(d.strides[1] != 1 for d in n)
    if along_rows and not bias:
        # A transposed result: exchange the sides, so that rows of the tile are contiguous where they are stored.
        lhs, rhs = rhs, lhs
        batch = tuple(Dim(d.size, (d.strides[1], d.strides[0], d.strides[2]), d.axis) for d in batch)
        m, n = (
            tuple(Dim(d.size, d.strides[:2], d.axis) for d in n),
            tuple(Dim(d.size, (*d.strides, 0), d.axis) for d in m),
        )
        k = [Dim(d.size, d.strides[::-1]) for d in k]
    problem = Gemm(
        batch, m, n, collapse(k),
        lhs.buffer, rhs.buffer, out.buffer, ACCUMULATORS[lhs.value.dtype],
        bias.buffer if bias else None, relu,
    )  # fmt: skip
    return problem, lhs.value, rhs.value
