"""What follows a matrix product in its kernel: elementwise work that the vector cores do on each tile of the result.

    dot ; add(bias row) ; gelu ; mul(mask)     ->     product + bias by the cube core, gelu and mask by the vector cores

The product's result after what its drain does (bias, relu, conversion) is the *head*. The epilogue is a vector region that
loads it, over the axes of the head's dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...fusion.region import Region
from ...fusion.vector_axes import Dims
from ...graph.graph import Value
from ...tiling.vector_plan import merge_axes
from ..vector.emit_launch import kernel_name
from ..vector.nodes import Access, Expressions, Node, NotVectorizable, Store, reachable
from .groups import Dim, Group

_MOST_MOVES = (
    4  # tiles moved for one of the product's; with more of them its own is a small part, and long rows count more
)


@dataclass(eq=False)
class Epilogue:
    """Stores of expressions over the head; `axes` are those of each of its dimensions, outer to inner.

    `inputs` are the values read besides the head. The head is among `outputs` if it is wanted in memory.
    """

    head: Value
    stores: list[Store]
    nodes: list[Node]
    axes: Dims
    extent: dict[int, int]
    inputs: list[Value]
    outputs: list[Value]
    name: str

    @property
    def stores_head(self) -> bool:
        """Whether the head is a result too, so that it need not go through a workspace."""
        return self.head in self.outputs

    @property
    def work(self) -> int:
        """Vector instructions per tile."""
        return sum(n.kind not in ("const", "load") for n in self.nodes)

    def runs_along(self, m: Group, n: Group) -> bool:
        """Whether more elements are contiguous along the rows of the product than along its columns, as all lie in memory."""
        others = [a for a in _loads(self.nodes) if a.value is not self.head]
        accesses = [*(s.access for s in self.stores), *others]
        if self.stores_head or not m or not n:
            return False
        along_m, along_n = (sum(a.strides.get(g[-1].axis, 0) == 1 for a in accesses) for g in (m, n))
        return along_m > along_n

    def split(self, *groups: Sequence[Dim]) -> list[Group]:
        """Split groups of the result's dimensions, batch, rows and columns, into axes; those all cross as one are merged.

        The axes of the epilogue's nodes and accesses are those of the returned dimensions afterwards.
        """
        accesses = [s.access for s in self.stores] + _loads(self.nodes)
        iotas = [n for n in self.nodes if n.kind == "iota"]
        walks = [a.strides for a in accesses] + [n.coefficients for n in iotas]
        into: dict[int, int] = {}
        result: list[Group] = []
        dims = iter(self.axes)
        for group in groups:
            order: list[int] = []
            strides: dict[int, tuple[int, ...]] = {}
            for dim in group:
                inner = 1
                axes = next(dims)
                for axis in reversed(axes):
                    strides[axis] = tuple(s * inner for s in dim.strides)
                    inner *= self.extent[axis]
                order += axes
            extent = {a: self.extent[a] for a in order}
            operands = [{a: s[i] for a, s in strides.items()} for i in range(len(group[0].strides))] if group else []
            into |= merge_axes(extent, order, [*walks, *operands], [])
            result.append(tuple(Dim(extent[a], strides[a], a) for a in order))
        for access in accesses:
            access.strides = {a: s for a, s in access.strides.items() if into[a] == a}
        for n in self.nodes:
            n.axes = frozenset(into[a] for a in n.axes)
        for n in iotas:
            n.coefficients = {a: c for a, c in n.coefficients.items() if into[a] == a}
        return result


def make_epilogue(region: Region, head: Value, stores_head: bool) -> Epilogue | None:
    """Return what a vector region computes from `head`, or None if that is not elementwise over the head's dimensions."""
    outputs = [head] * stores_head + region.outputs
    if any(v.type.size != head.type.size for v in outputs):
        return None
    try:
        expressions = Expressions(region.ops)
        stores = [expressions.store(v) for v in outputs if v is not head]
    except NotVectorizable:
        return None
    nodes = reachable(s.node for s in stores)
    dims = tuple(map(expressions.axes.atoms, expressions.space.of(head)))
    known = {a for dim in dims for a in dim}
    whole = {a: s for a, s in expressions.dense(head, dims).strides.items() if s}
    loads = _loads(nodes)
    heads = [a for a in loads if a.value is head]
    if not heads or any(a.strides != whole or a.offset or a.dynamic for a in heads):
        return None
    if any(n.reduced or not n.axes <= known for n in nodes) or any(not set(s.access.strides) <= known for s in stores):
        return None
    if len(stores) + sum(len(a.strides) == len(known) for a in loads) > _MOST_MOVES:
        return None
    read = dict.fromkeys(v for a in loads for v in (a.value, *(d.value for d in a.dynamic)))
    inputs = [v for v in read if v is not head]
    extent = {a: expressions.axes.extent[a] for a in known}
    return Epilogue(head, stores, nodes, dims, extent, inputs, outputs, kernel_name(region.ops))


def _loads(nodes: list[Node]) -> list[Access]:
    return [n.access for n in nodes if n.access is not None]
