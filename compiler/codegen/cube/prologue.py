"""What a matrix product's operand is made of in the product's kernel: weights that are widened and scaled on their way to L1.

    convert(i8 weights) ; add(offset row) ; mul(scale row) ; dot     ->     product whose right operand the vector cores make

Each piece of the operand is made for every tile of rows of the result, so it is done where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...fusion.region import Region
from ...graph.graph import Op, Value
from ...graph.ops import Binary, Convert, Dot, Reshape, Transpose
from ...isa.machine import ACCUMULATORS
from ..vector.emit_launch import kernel_name
from ..vector.nodes import Expressions, Node, NotVectorizable, reachable
from ..vector.split_region import only
from .axis_strides import AxisStrides
from .dot import LAYOUT_OPS, Strided, views_of, whole
from .gemm import Buffer, Gemm
from .groups import Dim, collapse, group_size
from .read_region import converts_sums, read_bias, result_strides

_X, _FED, _OUT, _BIAS = range(4)  # operands of a problem, as AxisStrides numbers them
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
    views = views_of(region.ops)
    out, bias = _result(region, dot, views)
    if out is None or fed.dtype not in ACCUMULATORS or other.dtype is not fed.dtype or not fed.dtype.is_float:
        return None
    x = views.get(other) or whole(other)
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
    if bias and fed_left:
        return None  # the row is along the columns of the other operand
    strides = AxisStrides(expressions.axes.extent, 4)
    strides.add(_X, [dims[w] for w in over_w], [x.strides[d] for d in over_x])
    strides.add(_OUT, [dims[w] for w in free_w], out.strides[first_w : first_w + len(free_w)])
    if bias:
        strides.add(_BIAS, [dims[w] for w in free_w], bias.strides)
    k, n = strides.groups([[a for w in side for a in dims[w]] for side in (over_w, free_w)], nodes)
    n = tuple(replace(d, strides=d.strides[_FED:]) for d in n)
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


def _result(region: Region, dot: Dot, views: dict[Value, Strided]) -> tuple[Strided | None, Strided | None]:
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
            bias = read_bias(dot, at, views.get(other) or whole(other))
            if bias is None:
                return None, None
        elif not isinstance(op, Convert) or not converts_sums(op):
            return None, None
        at = op.results[0]
    return (result_strides(layout, dot, at) if at is region.outputs[0] else None), bias
