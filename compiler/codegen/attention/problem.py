"""A region of two products and a softmax as one problem in strides.

    dot(q, k) ; scale, mask, softmax ; dot(w, v) ; convert, transpose     ->   Attention(groups of dimensions, softmax)

The scores' dimensions are written as axes, as in a vector region, so that the same axes index queries, keys, values, the
result and whatever the scores are computed from (masks, biases, random bits). Any order of dimensions and any sharing of
heads is a matter of strides: with grouped queries the heads of a group are rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...fusion.region import Region
from ...fusion.vector_axes import Dims
from ...graph.graph import Op, Value, row_major
from ...graph.ops import Convert, Dot, Reduce
from ...isa.dtypes import DType
from ..cube.axis_strides import AxisStrides
from ..cube.dot import Strided, views_of, whole
from ..cube.gemm import Buffer
from ..cube.groups import Dim, Group, collapse, group_size
from ..cube.joined import joined_of, split_sum
from ..cube.read_region import chained_strides, converts_sums
from ..vector.nodes import Access, Expressions, Node, NotVectorizable
from ..vector.split_region import only
from .softmax import Softmax, read_softmax
from .visibility import Visibility, read_visibility

V = 0  # the first operand; then come those of the first product, the result and the statistics
TYPES = (DType.f16, DType.bf16, DType.f32)


@dataclass(frozen=True)
class Part:
    """Some of what the scores sum up: the numbers of its queries and keys among the operands; strides of depth are theirs."""

    q: int
    k: int
    depth: Group

    @property
    def size(self) -> int:
        """How many products it adds to a score."""
        return group_size(self.depth)


@dataclass(eq=False)
class Attention:
    """out[b, m, e] = sum over n of w[b, m, n] v[b, n, e], where w is the softmax of what is made of q[b, m, d] k[b, n, d].

    batch, m and keys have the axes of the softmax's nodes; strides of each group's dimensions are in the order of the operands,
    0 where one does not have them: v, a q and a k for each part of the sum over d, the result, and the `statistics` that are
    results too: maxima or sums of the rows. Strides of width are those of v and the result.
    """

    softmax: Softmax
    head: Value  # the scores as the first product leaves them
    batch: Group
    m: Group
    keys: Group
    parts: list[Part]
    width: Group
    buffers: list[Buffer]
    values: list[Value]
    inputs: list[Value]  # that the softmax reads besides the head
    statistics: list[Node]
    visibility: Visibility | None

    @property
    def out(self) -> int:
        """The result's number among the operands, after all that are read."""
        return 1 + 2 * len(self.parts)

    @property
    def asked(self) -> DType:
        """The type of queries and keys."""
        return self.values[self.parts[0].q].dtype

    @property
    def depth(self) -> int:
        """How many products a score is the sum of."""
        return sum(part.size for part in self.parts)

    @property
    def dtype(self) -> DType:
        """The type of the weights and the values."""
        return self.softmax.weight.dtype

    @property
    def name(self) -> str:
        """Name of the kernel: type and shape."""
        b, m, n, e = (group_size(g) for g in (self.batch, self.m, self.keys, self.width))
        return f"attention_{self.asked}_{b}x{m}x{n}x{self.depth}" + (f"x{e}" if e != self.depth else "")


@dataclass(frozen=True)
class Parts:
    """The ops of a region by what they are for."""

    first: Dot
    second: Dot
    head: Value
    weights: Value  # what the second product reads
    between: Region  # from the head to the weights and the statistics
    after: list[Op]
    result: Value
    statistics: list[Value]


def split_parts(region: Region) -> Parts | None:
    """Return the parts of a region, or None if it is not two products with vector work between them, and their result.

    Reductions in between may be results as well.
    """
    dots = [op for op in region.ops if isinstance(op, Dot)]
    if len(dots) != 2:
        return None
    first, second = dots
    made = {first.result}
    after: list[Op] = []
    late = {second.result}
    for op in region.ops:
        if op is second or any(v in late for v in op.operands):
            late.update(op.results)
            after += [op] if op is not second else []
        elif any(v in made for v in op.operands):
            made.update(op.results)
    weights = [v for v in second.operands if v in made]
    if len(weights) != 1 or any(v in made for op in after for v in op.operands):
        return None
    users = [op for op in region.ops if first.result in op.operands]
    head = first.result
    if len(users) == 1 and isinstance(users[0], Convert) and converts_sums(users[0]):
        head = users[0].result
    results = [v for v in region.outputs if v in late]
    statistics = [v for v in region.outputs if v not in late]
    if len(results) != 1 or not all(isinstance(v.producer, Reduce) and v in made for v in statistics):
        return None
    between = only(Region("vector", region.ops), [weights[0], *statistics], {head})
    if any(isinstance(op, Dot) for op in between.ops):
        return None
    return Parts(first, second, head, weights[0], between, after, results[0], statistics)


def read_attention(region: Region) -> Attention | None:
    """Return what a region computes as attention, or None if that is not proven."""
    parts = split_parts(region)
    if parts is None:
        return None
    first, second, head = parts.first, parts.second, parts.head
    before = [op for op in region.ops if op not in parts.after]
    views = views_of(before)
    joined = joined_of(before, views)
    out = chained_strides(parts.after, second, parts.result)
    if out is None or parts.result.dtype not in TYPES:
        return None
    try:
        expressions = Expressions(parts.between.ops)
        store = expressions.store(parts.weights)
    except NotVectorizable:
        return None
    scores = tuple(map(expressions.axes.atoms, expressions.space.of(head)))
    weights = expressions.dims(parts.weights)

    def view(value: Value) -> Strided:
        return views.get(value) or whole(value)

    q_first = _is_rows(first, scores, weights, second, second.operands[0] is parts.weights)
    if q_first is None:
        return None
    over_q, over_k = (first.lhs_contracting, first.rhs_contracting)[:: 1 if q_first else -1]
    asked, answered = (joined.get(v) or view(v) for v in first.operands[:: 1 if q_first else -1])
    pairs = split_sum(asked, answered, list(zip(over_q, over_k, strict=True)))
    if pairs is None:
        return None
    result = 1 + 2 * len(pairs)
    strides = AxisStrides(expressions.axes.extent, result + 1 + len(parts.statistics))
    batch_q, batch_k = (first.lhs_batch, first.rhs_batch) if q_first else (first.rhs_batch, first.lhs_batch)
    free_l, free_r = first.free()
    rank_b = len(batch_q)
    dims_l, dims_r = scores[rank_b : rank_b + len(free_l)], scores[rank_b + len(free_l) :]
    (rows, free_q), (keys, free_k) = ((dims_l, free_l), (dims_r, free_r))[:: 1 if q_first else -1]
    summed: list[Part] = []
    for i, (q, k) in enumerate(pairs):
        for number, x, batch_x, dims, free in (
            (1 + 2 * i, q, batch_q, rows, free_q), (2 + 2 * i, k, batch_k, keys, free_k)
        ):  # fmt: skip
            strides.add(number, scores[:rank_b], [x.strides[d] for d in batch_x])
            strides.add(number, dims, [x.strides[d] for d in free])
        depth = [Dim(q.shape[a], (q.strides[a], k.strides[b])) for a, b in zip(over_q, over_k, strict=True)]
        depth.sort(key=lambda d: (-abs(d.strides[0]), -abs(d.strides[1])))
        summed.append(Part(1 + 2 * i, 2 + 2 * i, collapse(depth)))
    w_left = second.operands[0] is parts.weights
    v = view(second.operands[w_left])
    batch_w, batch_v = (second.lhs_batch, second.rhs_batch)[:: 1 if w_left else -1]
    over_w, over_v = (second.lhs_contracting, second.rhs_contracting)[:: 1 if w_left else -1]
    free_w, free_v = second.free()[:: 1 if w_left else -1]
    strides.add(V, [weights[d] for d in batch_w], [v.strides[d] for d in batch_v])
    strides.add(V, [weights[d] for d in over_w], [v.strides[d] for d in over_v])
    rank_b = len(batch_w)
    first_w, first_v = (rank_b, rank_b + len(free_w)) if w_left else (rank_b + len(free_v), rank_b)
    strides.add(result, [weights[d] for d in batch_w], out.strides[:rank_b])
    strides.add(result, [weights[d] for d in free_w], out.strides[first_w : first_w + len(free_w)])
    width = collapse(Dim(v.shape[d], (v.strides[d], out.strides[first_v + i])) for i, d in enumerate(free_v))
    for i, row in enumerate(parts.statistics):
        strides.add(result + 1 + i, expressions.dims(row), row_major(row.shape))
    over = frozenset(a for dim in keys for a in dim)
    softmax = read_softmax(store.node, over)
    if softmax is None or softmax.weight.dtype is not parts.weights.dtype:
        return None
    of = {softmax.maximum.op: softmax.maximum, softmax.total.op: softmax.total}
    if any(v.producer not in of or expressions.node(v).kind != "reduce" for v in parts.statistics):
        return None
    reads = loads_of(softmax.nodes, {head: scores}, expressions)
    if reads is None:
        return None
    groups = [[a for dim in dims for a in dim] for dims in (scores[: len(batch_q)], rows, keys)]
    counted = {a for n in softmax.nodes for a in n.coefficients}
    groups[1].sort(key=lambda a: a in counted)  # inner, so that iotas grow evenly along the rows of a tile
    batch, m, n = strides.groups(groups, softmax.nodes)
    rows_of = {d.axis for d in m}
    if not rows_of <= softmax.maximum.axes or not rows_of <= softmax.total.axes:
        return None
    if {d.axis for d in (*m, *n)} - softmax.summed.axes or len(n) != 1:
        return None
    inputs = [x for x in reads if x is not head]
    types = {x.value.dtype for pair in pairs for x in pair}, {v.value.dtype, parts.weights.dtype}
    if any(len(t) != 1 or not t <= set(TYPES) for t in types) or head.dtype not in TYPES:
        return None
    read = [v, *(x for pair in pairs for x in pair)]
    made = {r for op in region.ops for r in op.results}
    if any(x.value in made for x in read):
        return None
    values = [*(x.value for x in read), parts.result, *parts.statistics]
    buffers = [*(x.buffer for x in read), out.buffer, *(whole(x).buffer for x in parts.statistics)]
    return Attention(
        softmax, head, batch, m, n, summed, width, buffers, values, inputs,
        [of[v.producer] for v in parts.statistics], read_visibility(softmax, (*batch, *m), n),
    )  # fmt: skip


def _is_rows(first: Dot, scores: Dims, weights: Dims, second: Dot, w_left: bool) -> bool | None:
    """Whether the first product's left operand makes the rows of the weights; None if neither operand does."""
    batch, over, free = (
        (second.lhs_batch, second.lhs_contracting, second.free()[0])
        if w_left
        else (second.rhs_batch, second.rhs_contracting, second.free()[1])
    )
    b, l = len(first.lhs_batch), len(first.free()[0])

    def axes(dims: Iterable[Sequence[int]]) -> set[int]:
        return {a for dim in dims for a in dim}

    left, right = axes(scores[b : b + l]), axes(scores[b + l :])
    keys, rows = axes(weights[d] for d in over), axes(weights[d] for d in free)
    if axes(scores[:b]) != axes(weights[d] for d in batch):
        return None
    return True if (left, right) == (rows, keys) else False if (right, left) == (rows, keys) else None


def loads_of(nodes: list[Node], heads: dict[Value, Dims], expressions: Expressions) -> list[Value] | None:
    """Return the values that nodes load; None if not all heads are, as they are, or axes occur that these do not have."""
    known = {a for dims in heads.values() for dim in dims for a in dim}
    whole_heads = {h: {a: s for a, s in expressions.dense(h, dims).strides.items() if s} for h, dims in heads.items()}
    found: dict[Value, None] = {}
    for n in nodes:
        if not (n.axes | n.reduced) <= known:
            return None
        if n.access is None:
            continue
        a: Access = n.access
        if a.value in heads and (a.strides != whole_heads[a.value] or a.offset or a.dynamic):
            return None
        found |= dict.fromkeys((a.value, *(s.value for s in a.dynamic)))
    return list(found) if set(heads) <= set(found) else None
