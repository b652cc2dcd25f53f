"""Operands of a product that are put together of parts, read where the parts lie.

dot(concatenate(a, b), concatenate(c, d)) over the joined dimension    ->    a c + b d, summed up in one accumulator
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import prod

from ...graph.graph import Op, Value
from ...graph.ops import Concatenate, Reshape, Transpose
from .dot import Strided, apply_layout, whole


@dataclass(frozen=True)
class Joined:
    """A tensor put together of windows along one dimension."""

    parts: tuple[Strided, ...]
    dimension: int

    @property
    def bounds(self) -> list[int]:
        """Where along the dimension parts begin, and the end."""
        return [0, *accumulate(x.shape[self.dimension] for x in self.parts)]


def joined_of(ops: Iterable[Op], views: Mapping[Value, Strided]) -> dict[Value, Joined]:
    """Return the results of concatenations among `ops`, and of what then moves their elements, as parts; those that can be."""
    found: dict[Value, Joined] = {}
    for op in ops:
        if isinstance(op, Concatenate):
            found[op.result] = Joined(tuple(views.get(v) or whole(v) for v in op.operands), op.dimension)
        elif op.operands and op.operands[0] in found:
            moved = _moved(op, found[op.operands[0]])
            if moved is not None:
                found[op.results[0]] = moved
    return found


def _moved(op: Op, x: Joined) -> Joined | None:
    """Return the result of a layout op on parts, which must keep the dimension they are joined along."""
    shape = op.results[0].shape
    if isinstance(op, Transpose):
        to = op.permutation.index(x.dimension)
    elif isinstance(op, Reshape):
        old, before = op.operands[0].shape, prod(op.operands[0].shape[: x.dimension])
        same = (d for d, n in enumerate(shape) if n == old[x.dimension] and prod(shape[:d]) == before)
        to = next(same, -1)
    else:
        return None
    if to < 0:
        return None
    parts: list[Strided] = []
    for part in x.parts:
        own = (*shape[:to], part.shape[x.dimension], *shape[to + 1 :])
        moved = apply_layout(op, part, own)
        if moved is None:
            return None
        parts.append(moved)
    return Joined(tuple(parts), to)


def split_sum(
    lhs: Strided | Joined, rhs: Strided | Joined, over: Sequence[tuple[int, int]]
) -> list[tuple[Strided, Strided]] | None:
    """Return pairs of operands whose products add up to that of `lhs` and `rhs` over these dimensions; None if they do not."""
    sides = (lhs, rhs)
    pairs = {p for p in over for side, d in zip(sides, p) if isinstance(side, Joined) and side.dimension == d}
    joined = [side for side in sides if isinstance(side, Joined)]
    if not joined:
        return [(lhs, rhs)] if isinstance(lhs, Strided) and isinstance(rhs, Strided) else None
    if len(pairs) != 1 or any(x.dimension not in p for p in pairs for x in joined):
        return None
    (pair,) = pairs
    if any(isinstance(side, Joined) and side.dimension != d for side, d in zip(sides, pair)):
        return None
    cuts = sorted({at for x in joined for at in x.bounds})
    return [
        (_piece(lhs, pair[0], low, high), _piece(rhs, pair[1], low, high)) for low, high in pairwise(cuts) if low < high
    ]


def _piece(x: Strided | Joined, dimension: int, low: int, high: int) -> Strided:
    """Return indices [low, high) of a dimension, which lie in one part."""
    if isinstance(x, Joined):
        at = max(i for i, (start, end) in enumerate(pairwise(x.bounds)) if start <= low and start < end)
        low, high, x = low - x.bounds[at], high - x.bounds[at], x.parts[at]
    shape = (*x.shape[:dimension], high - low, *x.shape[dimension + 1 :])
    return replace(x, offset=x.offset + low * x.strides[dimension], shape=shape)
