"""Windows that slide along a dimension which is cut: each device gets the borders of its neighbours' parts.

    x: f32[16]{a} in 4 parts, a window of 3 with padding 1:   [.. 0..3 ..] -> 3 | 4 5 6 7 | 8

Borders are sent by collective_permute, from further neighbours too where a part is shorter than the border. At the ends, where there is no
neighbour, stands what pads.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import ops
from ..graph.graph import Value
from ..graph.sharding import Axes
from .plan import Factors, Part


@dataclass(frozen=True)
class Slide:
    """A window along a dimension: its elements, its stride, the padding before the first element, the distance of its elements."""

    window: int
    stride: int
    low: int
    dilation: int

    @property
    def before(self) -> int:
        """How many elements before its part a device reads; negative: so many that it does not read."""
        return self.low

    @property
    def after(self) -> int:
        """How many elements behind its part a device reads; negative: so many that it does not read."""
        return (self.window - 1) * self.dilation + 1 - self.stride - self.low


def sliding_factors(f: Factors, size: int, results: int, slide: Slide) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the factors of a dimension of an operand and of that of the result; none where parts do not fit each other.

    Parts of the operand belong to parts of the result if there are `stride` elements of it for each of the result.
    """
    if results < 2 or size != results * slide.stride:
        return (), ()
    by_result = f.new(results)
    return ((by_result, f.new(slide.stride)) if slide.stride > 1 else (by_result,)), (by_result,)


def with_borders(part: Part, x: Value, dimension: int, factor: int, slide: Slide, fill: Value | None = None) -> Value:
    """Return a part of an operand with what its windows read of other parts; `fill`, a scalar, pads instead of zeros."""
    axes = part.axes[factor]
    size = x.shape[dimension]
    before: list[Value] = []
    after: list[Value] = []
    for hop in range(1, -(-slide.before // size) + 1):
        count = min(size, slide.before - (hop - 1) * size)
        before.append(_border(part, x, dimension, size - count, size, axes, hop, fill))
    for hop in range(1, -(-slide.after // size) + 1):
        count = min(size, slide.after - (hop - 1) * size)
        after.append(_border(part, x, dimension, 0, count, axes, -hop, fill))
    together = [*before[::-1], x, *after]
    return part.b.concatenate(together, dimension)


def _border(
    part: Part, x: Value, dimension: int, start: int, stop: int, axes: Axes, hop: int, fill: Value | None
) -> Value:
    """Return elements `start` to `stop` of the part that is `hop` parts before this device's (behind it, if negative)."""
    b, mesh = part.b, part.mesh
    border = b.slice_dim(x, dimension, start, stop)
    groups = mesh.groups(axes)
    count = mesh.extent(axes)
    pairs = tuple((g[p - hop], g[p]) for g in groups for p in range(count) if 0 <= p - hop < count)
    if not pairs:  # no device has a neighbour so far away
        received = b.like(border, 0)
    else:
        received = b.emit(ops.CollectivePermute([border], pairs), border.type)
    if fill is None:
        return received
    number = part.part_number(mesh, axes, 1)
    limit = hop if hop > 0 else count + hop
    ends = b.compare("LT" if hop > 0 else "GE", number, b.like(number, limit))
    return b.select(b.broadcast(ends, border.shape), b.broadcast(fill, border.shape), received)
