"""What a matrix product's operand is made of in the product's kernel: weights that are widened and scaled on their way to L1.

    convert(i8 weights) ; add(offset row) ; mul(scale row) ; dot     ->     product whose right operand the vector cores make

Each piece of the operand is made for every tile of rows of the result, so it is done where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...fusion.region import Region
from ...graph.graph import Op, Value
from ...graph.ops import Binary, Convert, Dot, Reshape, Transpose
from ...isa.machine import ACCUMULATORS
from ...tiling.vector_plan import merge_axes
from ..vector.emit_launch import kernel_name
from ..vector.nodes import Expressions, Node, NotVectorizable, reachable
from ..vector.split_region import only
from .dot import LAYOUT_OPS, Strided, apply_layout, whole
from .gemm import Buffer, Gemm
from .groups import Dim, Group, collapse, group_size
from .read_region import converts_sums, read_bias, result_strides

_MOST_ROWS = 256  # of the result: a tile


@dataclass(eq=False)
class Prologue:
    """The right operand of a product as an expression over the axes of its depth and columns; `inputs` are what it reads."""

    node: Node
    nodes: list[Node]
    inputs: list[Value]
    name: str

    @property
    def work(self) -> int:
        """Vector instructions per element."""
        return sum(n.kind not in ("const", "load") for n in self.nodes)


@dataclass(eq=False)
class Fed:
    """A product, what feeds it, and the values of its left operand, its bias row and its result."""

    problem: Gemm
    prologue: Prologue
    left: Value
    bias: list[Value]  # one or none
    result: Value


def split_prologue(region: Region) -> tuple[Region, Value] | None:
    """Return the vector region that makes an operand of a region's one product, and that operand; None if there is none."""
    dots = [op for op in region.ops if isinstance(op, Dot)]
    if len(dots) != 1 or len(region.outputs) != 1:
        return None
    made = {r: op for op in region.ops for r in op.results}
    fed = [v for v in dots[0].operands if v in made and not _is_layout(v, made)]
    if len(fed) != 1 or dots[0].operands[0] is dots[0].operands[1]:
        return None
    return only(Region("vector", region.ops), [fed[0]], set()), fed[0]


def _is_layout(value: Value, made: dict[Value, Op]) -> bool:
    """Whether a value is only moved elements of one from outside."""
    while value in made:
        op = made[value]
        if not isinstance(op, LAYOUT_OPS):
            return False
        value = op.operands[0]
    return True


def read_prologue(region: Region) -> Fed | None:
    """Return a region as a product whose right operand is made in its kernel, or None if it is not so."""
    split = split_prologue(region)
    if split is None:
        return None
    before, fed = split
    (dot,) = [op for op in region.ops if isinstance(op, Dot)]
    fed_left = dot.operands[0] is fed
    other = dot.operands[fed_left]
    out, bias = _result(region, dot)
    if out is None or fed.dtype not in ACCUMULATORS or other.dtype is not fed.dtype or not fed.dtype.is_float:
        return None
    x = _view(region, other)
    try:
        expressions = Expressions(before.ops)
        node = expressions.store(fed).node
    except NotVectorizable:
        return None
    dims = expressions.dims(fed)
    nodes = reachable([node])
    over_w, over_x = (dot.lhs_contracting, dot.rhs_contracting)[:: 1 if fed_left else -1]
    free_w, free_x = dot.free()[:: 1 if fed_left else -1]
    known = frozenset(a for dim in dims for a in dim)
    if dot.lhs_batch or any(n.reduced or not n.axes <= known for n in nodes) or node.axes != known:
        return None
    rank_l = len(dot.free()[0])
    first_w, first_x = (0, rank_l) if fed_left else (len(free_x), 0)
    extent = expressions.axes.extent
    by_x, by_out, by_bias = dict[int, int](), dict[int, int](), dict[int, int]()
    for w, d in zip(over_w, over_x, strict=True):
        _spread(by_x, dims[w], x.strides[d], extent)
    for i, w in enumerate(free_w):
        _spread(by_out, dims[w], out.strides[first_w + i], extent)
        if bias and fed_left:
            return None  # the row is along the columns of the other operand
        if bias:
            _spread(by_bias, dims[w], bias.strides[i], extent)
    depth, columns = ([a for w in side for a in dims[w]] for side in (over_w, free_w))
    k = _group(depth, extent, nodes, [by_x, by_out, by_bias], lambda a: (by_x.get(a, 0), 0))
    n = _group(columns, extent, nodes, [by_x, by_out, by_bias], lambda a: (0, by_out.get(a, 0), by_bias.get(a, 0)))
    m = collapse(Dim(x.shape[d], (x.strides[d], out.strides[first_x + i])) for i, d in enumerate(free_x))
    if not 1 <= group_size(m) <= _MOST_ROWS:
        return None
    loads = [a for node_ in nodes if (a := node_.access) is not None]
    inputs = list(dict.fromkeys(v for a in loads for v in (a.value, *(d.value for d in a.dynamic))))
    workspace = Buffer(fed.dtype, 0)
    problem = Gemm((), m, n, k, x.buffer, workspace, out.buffer, ACCUMULATORS[fed.dtype], bias.buffer if bias else None)
    return Fed(
        problem,
        Prologue(node, nodes, inputs, kernel_name(before.ops)),
        x.value,
        [bias.value] if bias else [],
        region.outputs[0],
    )


def _view(region: Region, value: Value) -> Strided:
    views: dict[Value, Strided] = {}
    for op in region.ops:
        if isinstance(op, LAYOUT_OPS):
            moved = apply_layout(op, views.get(op.operands[0]) or whole(op.operands[0]))
            if moved is not None:
                views[op.result] = moved
    return views.get(value) or whole(value)


def _result(region: Region, dot: Dot) -> tuple[Strided | None, Strided | None]:
    """Return how the product lies in the region's result, and a row added to it; None if more is done to it."""
    layout: list[Op] = []
    bias: Strided | None = None
    at = dot.result
    for op in region.ops[region.ops.index(dot) + 1 :]:
        if at not in op.operands:
            continue
        if isinstance(op, (Transpose, Reshape)):
            layout.append(op)
        elif isinstance(op, Binary) and op.kind == "add" and bias is None and not layout:
            other = op.operands[op.operands[0] is at]
            bias = read_bias(dot, at, _view(region, other))
            if bias is None:
                return None, None
        elif not isinstance(op, Convert) or not converts_sums(op):
            return None, None
        at = op.results[0]
    return (result_strides(layout, dot, at) if at is region.outputs[0] else None), bias


def _spread(strides: dict[int, int], dim: tuple[int, ...], stride: int, extent: Sequence[int]) -> None:
    for axis in reversed(dim):
        strides[axis] = stride
        stride *= extent[axis]


def _group(
    order: list[int],
    extents: Sequence[int],
    nodes: list[Node],
    operands: list[dict[int, int]],
    strides: Callable[[int], tuple[int, ...]],
) -> Group:
    """Return axes as dimensions, those merged that everything crosses as one; nodes name the axes of these afterwards."""
    extent = {a: extents[a] for a in order}
    order = list(order)
    walks = [
        *operands,
        *(n.access.strides for n in nodes if n.access),
        *(n.coefficients for n in nodes if n.coefficients),
    ]
    own = set(order)
    into = merge_axes(extent, order, walks, [n.axes for n in nodes])
    for n in nodes:
        n.axes = frozenset(into.get(a, a) for a in n.axes)
        if n.access:
            n.access.strides = {a: s for a, s in n.access.strides.items() if a not in own or into[a] == a}
        n.coefficients = {a: c for a, c in n.coefficients.items() if a not in own or into[a] == a}
    return tuple(Dim(extent[a], strides(a), a) for a in order)
