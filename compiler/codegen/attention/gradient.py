"""The gradient of an attention as one problem in strides: two products, what is made of them element by element, three products.

    s = q k       p = exp(s - m) / z                 dv = p^T g
    d = g v       t = p (d - r)                      dk = t^T q      dq = t k

s and d have rows and keys; what leaves sums over the rows (dv, dk) or over the keys (dq). Nothing here has to know of a softmax: maxima m,
sums z and r are read as rows, and any expression of s and d may stand between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...fusion.region import Region
from ...fusion.vector_axes import Dims
from ...graph.graph import Op, Value
from ...graph.ops import Convert, Dot, Reshape, Transpose
from ...isa.dtypes import DType
from ..cube.axis_strides import AxisStrides
from ..cube.dot import Strided, views_of, whole
from ..cube.gemm import Buffer
from ..cube.groups import Dim, Group, collapse, group_size
from ..cube.read_region import chained_strides, converts_sums
from ..vector.nodes import Expressions, Node, NotVectorizable, reachable
from ..vector.split_region import only
from .problem import TYPES, loads_of
from .tiles import node_cycles
from .visibility import Hidden, read_hidden


@dataclass(frozen=True)
class Entering:
    """A product whose elements are rows x keys. `of_rows` and `of_keys` number its operands; depth has strides in these two."""

    head: Value
    of_rows: int
    of_keys: int
    depth: Group


@dataclass(frozen=True)
class Leaving:
    """A product of `factor`, rows x keys, and operand `other`, summed over the rows or the keys; width has strides in the
    other operand and in the result.
    """

    factor: Node
    dtype: DType
    other: int
    out: int
    width: Group
    over_rows: bool


@dataclass(eq=False)
class Gradient:
    """All dimensions have strides in all operands, numbered as in `buffers`: those read, then a result per leaving product."""

    batch: Group
    m: Group
    keys: Group
    entering: list[Entering]
    leaving: list[Leaving]
    buffers: list[Buffer]
    values: list[Value]
    inputs: list[Value]
    nodes: list[Node]
    hidden: Hidden | None

    @cached_property
    def vector_cycles(self) -> list[float]:
        """Cycles per repeat of each instruction that the factors take."""
        return [c for n in self.nodes if (c := node_cycles(n))]

    @property
    def reads(self) -> list[Buffer]:
        """The operands of products that are read."""
        return self.buffers[: len(self.buffers) - len(self.leaving)]

    @property
    def name(self) -> str:
        """Name of the kernel: type and shape."""
        b, m, n, d = (group_size(g) for g in (self.batch, self.m, self.keys, self.entering[0].depth))
        return f"attention_gradient_{self.buffers[0].dtype}_{b}x{m}x{n}x{d}"


@dataclass(frozen=True)
class GradientParts:
    """The ops of a region by what they are for; `after` and `results` of each leaving product."""

    heads: list[Value]
    entering: list[Dot]
    leaving: list[Dot]
    factors: list[Value]
    after: list[list[Op]]
    results: list[Value]
    between: Region


def split_gradient(region: Region) -> GradientParts | None:
    """Return the parts of a region, or None if it is not products, elementwise ops, and products of these."""
    dots = [op for op in region.ops if isinstance(op, Dot)]
    made: dict[Value, frozenset[Op]] = {}  # by which products a value is made
    entering: list[Dot] = []
    leaving: list[Dot] = []
    for op in region.ops:
        behind = frozenset[Op]().union(*(made.get(v, frozenset()) for v in op.operands))
        if isinstance(op, Dot):
            (leaving if behind else entering).append(op)
            behind = frozenset((op,))
        for r in op.results:
            made[r] = behind
    if len(entering) != 2 or not leaving or len(dots) != len(entering) + len(leaving):
        return None
    users: dict[Value, list[Op]] = {}
    for op in region.ops:
        for v in dict.fromkeys(op.operands):
            users.setdefault(v, []).append(op)
    heads: list[Value] = []
    for dot in entering:
        after = users.get(dot.result, [])
        if len(after) == 1 and isinstance(after[0], Convert) and converts_sums(after[0]):
            heads.append(after[0].result)
        else:
            heads.append(dot.result)
    factors: list[Value] = []
    chains: list[list[Op]] = []
    results: list[Value] = []
    for dot in leaving:
        behind = [v for v in dot.operands if made.get(v)]
        if len(behind) != 1 or made[behind[0]] & set(leaving):
            return None
        factors += behind
        at, chain = dot.result, list[Op]()
        while at not in region.outputs:
            after = users.get(at, [])
            if len(after) != 1 or not isinstance(after[0], (Convert, Transpose, Reshape)):
                return None
            chain.append(after[0])
            at = after[0].results[0]
        chains.append(chain)
        results.append(at)
    if set(results) != set(region.outputs) or len(results) != len(set(results)):
        return None
    between = only(Region("vector", region.ops), list(dict.fromkeys(factors)), set(heads))
    return GradientParts(heads, entering, leaving, factors, chains, results, between)


def read_gradient(region: Region) -> Gradient | None:
    """Return what a region computes as a gradient, or None if that is not proven."""
    parts = split_gradient(region)
    if parts is None:
        return None
    late = {op for chain in parts.after for op in chain}
    views = views_of(op for op in region.ops if op not in late)
    try:
        e = Expressions(parts.between.ops)
        nodes = {v: e.store(v).node for v in dict.fromkeys(parts.factors)}
    except NotVectorizable:
        return None
    reader = _Reader(e, views, len(parts.entering) * 2 + len(parts.leaving) * 2)
    return reader.run(parts, nodes)


class _Reader:
    """Numbers the operands and notes their strides by axis."""

    def __init__(self, e: Expressions, views: dict[Value, Strided], operands: int):
        self.e, self.views = e, views
        self.strides = AxisStrides(e.axes.extent, operands)
        self.operands: list[Strided] = []

    def view(self, value: Value) -> Strided:
        return self.views.get(value) or whole(value)

    def add(self, x: Strided, *parts: tuple[Sequence[Sequence[int]], Sequence[int]]) -> int:
        """Note an operand, whose dimensions (second) have axes (first) of the scores; returns its number."""
        self.operands.append(x)
        for dims, at in parts:
            self.strides.add(len(self.operands) - 1, dims, [x.strides[d] for d in at])
        return len(self.operands) - 1

    def run(self, parts: GradientParts, nodes: dict[Value, Node]) -> Gradient | None:
        e = self.e
        whole_dims = [tuple(map(e.axes.atoms, e.space.of(h))) for h in parts.heads]
        rows = _rows(parts, whole_dims, [e.dims(v) for v in parts.factors])
        if rows is None or any(h.dtype not in TYPES for h in parts.heads):
            return None
        entering: list[Entering] = []
        for dot, head, dims in zip(parts.entering, parts.heads, whole_dims, strict=True):
            b, l = len(dot.lhs_batch), len(dot.free()[0])
            left = self.view(dot.operands[0]), (dims[:b], dot.lhs_batch), (dims[b : b + l], dot.free()[0])
            right = self.view(dot.operands[1]), (dims[:b], dot.rhs_batch), (dims[b + l :], dot.free()[1])
            over = dot.lhs_contracting, dot.rhs_contracting
            if _axes(dims[b : b + l]) != rows:
                left, right, over = right, left, over[::-1]
            depth = [
                Dim(left[0].shape[i], (left[0].strides[i], right[0].strides[j]))
                for i, j in zip(over[0], over[1], strict=True)
            ]
            depth.sort(key=lambda d: (-abs(d.strides[0]), -abs(d.strides[1])))
            if {left[0].value.dtype, right[0].value.dtype} not in [{t} for t in TYPES]:
                return None
            entering.append(Entering(head, self.add(*left), self.add(*right), collapse(depth)))
        leaving: list[Leaving] = []
        outs: list[Strided] = []
        for dot, factor, chain, result in zip(parts.leaving, parts.factors, parts.after, parts.results, strict=True):
            x_left = dot.operands[0] is factor
            if (not x_left and dot.operands[1] is not factor) or dot.operands[0] is dot.operands[1]:
                return None
            dims = e.dims(factor)
            batch_x, batch_y = (dot.lhs_batch, dot.rhs_batch)[:: 1 if x_left else -1]
            over_x, over_y = (dot.lhs_contracting, dot.rhs_contracting)[:: 1 if x_left else -1]
            free_x, free_y = dot.free()[:: 1 if x_left else -1]
            y = self.view(dot.operands[x_left])
            out = chained_strides(chain, dot, result)
            if (
                out is None
                or y.value.dtype is not factor.dtype
                or factor.dtype not in TYPES
                or result.dtype not in TYPES
            ):
                return None
            other = self.add(y, ([dims[d] for d in batch_x], batch_y), ([dims[d] for d in over_x], over_y))
            b = len(batch_x)
            first_x, first_y = (b, b + len(free_x)) if x_left else (b + len(free_y), b)
            outs.append(out)
            at = 2 * len(parts.entering) + len(parts.leaving) + len(outs) - 1
            self.strides.add(at, [dims[d] for d in batch_x], out.strides[:b])
            self.strides.add(at, [dims[d] for d in free_x], out.strides[first_x : first_x + len(free_x)])
            width = collapse(Dim(y.shape[d], (y.strides[d], out.strides[first_y + i])) for i, d in enumerate(free_y))
            over_rows = _axes([dims[d] for d in over_x]) == rows
            leaving.append(Leaving(nodes[factor], factor.dtype, other, at, width, over_rows))
        found = reachable(n.factor for n in leaving)
        reads = loads_of(found, dict(zip(parts.heads, whole_dims, strict=True)), e)
        if reads is None or any(n.reduced for n in found):
            return None
        groups = [[a for dim in dims for a in dim] for dims in _ordered(parts.entering[0], whole_dims[0], rows)]
        counted = {a for n in found for a in n.coefficients}
        groups[1].sort(key=lambda a: a in counted)
        batch_group, m, n = self.strides.groups(groups, found)
        if len(n) != 1 or not m or len(m) > 3:
            return None
        if any(len(x.width) > 2 for x in leaving) or any(len(x.depth) > 2 for x in entering):
            return None
        operands = [*self.operands, *outs]
        hidden = read_hidden([x.factor for x in leaving], (*batch_group, *m), n)
        return Gradient(
            batch_group, m, n, entering, leaving, [x.buffer for x in operands], [x.value for x in operands],
            [v for v in dict.fromkeys(reads) if v not in parts.heads], found, hidden,
        )  # fmt: skip


def _axes(dims: Sequence[Sequence[int]]) -> frozenset[int]:
    return frozenset(a for dim in dims for a in dim)


def _ordered(dot: Dot, dims: Dims, rows: frozenset[int]) -> tuple[Dims, Dims, Dims]:
    b, l = len(dot.lhs_batch), len(dot.free()[0])
    left, right = dims[b : b + l], dims[b + l :]
    return dims[:b], *((left, right) if _axes(left) == rows else (right, left))


def _rows(parts: GradientParts, heads: list[Dims], factors: list[Dims]) -> frozenset[int] | None:
    """Return the axes of the rows, which are those that most products sum over; None if batch, rows and keys do not agree."""
    split: set[tuple[frozenset[int], frozenset[frozenset[int]]]] = set()
    for dot, dims in zip(parts.entering, heads, strict=True):
        b, l = len(dot.lhs_batch), len(dot.free()[0])
        split.add((_axes(dims[:b]), frozenset((_axes(dims[b : b + l]), _axes(dims[b + l :])))))
    if len(split) != 1:
        return None
    batch, sides = split.pop()
    if len(sides) != 2 or frozenset() in sides:
        return None
    over: list[frozenset[int]] = []
    for dot, factor, dims in zip(parts.leaving, parts.factors, factors, strict=True):
        left = dot.operands[0] is factor
        own = dot.lhs_batch if left else dot.rhs_batch
        summed = dot.lhs_contracting if left else dot.rhs_contracting
        free = dot.free()[0 if left else 1]
        over.append(_axes([dims[d] for d in summed]))
        if _axes([dims[d] for d in own]) != batch or frozenset((over[-1], _axes([dims[d] for d in free]))) != sides:
            return None
    return min(sides, key=lambda side: (-over.count(side), sorted(side)))
