"""Dimensions of operands as products of the axes of an expression, and groups of these axes as a problem's dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...tiling.vector_plan import merge_axes
from ..vector.nodes import Node
from .groups import Dim, Group


class AxisStrides:
    """Strides by axis in each operand; dimensions of the groups have theirs in this order, 0 where there is none."""

    def __init__(self, extent: Sequence[int], operands: int):
        self.extent = extent
        self.of: list[dict[int, int]] = [{} for _ in range(operands)]

    def add(self, operand: int, dims: Iterable[Sequence[int]], strides: Iterable[int]) -> None:
        """Note the strides of an operand's dimensions, each a product of axes."""
        for dim, stride in zip(dims, strides, strict=True):
            for axis in reversed(dim):
                self.of[operand][axis] = stride
                stride *= self.extent[axis]

    def groups(self, orders: list[list[int]], nodes: list[Node]) -> list[Group]:
        """Return groups of dimensions, those merged that everything crosses as one; nodes name axes of these afterwards."""
        loads = [n.access for n in nodes if n.access is not None]
        iotas = [n for n in nodes if n.kind == "iota"]
        walks = [*self.of, *(a.strides for a in loads), *(n.coefficients for n in iotas)]
        into: dict[int, int] = {}
        result: list[Group] = []
        for order in orders:
            order = [a for a in order if self.extent[a] > 1]
            extent = {a: self.extent[a] for a in order}
            into |= merge_axes(extent, order, walks, [n.axes for n in nodes])
            result.append(tuple(Dim(extent[a], tuple(s.get(a, 0) for s in self.of), a) for a in order))
        for n in nodes:
            n.axes = frozenset(into[a] for a in n.axes if a in into)
            n.reduced = frozenset(into[a] for a in n.reduced if a in into)
            if n.access is not None:
                n.access.strides = {a: s for a, s in n.access.strides.items() if into.get(a) == a}
            n.coefficients = {a: c for a, c in n.coefficients.items() if into.get(a) == a}
        return result
