"""What a cube region computes, as one problem in strides: layout ops before a contraction, simple ops after it.

    transpose(x) ; dot ; add(bias row) ; max(0) ; convert ; transpose   ->   Gemm(strides, bias, relu)
    dot ; add(bias row) ; gelu                                          ->   Gemm(strides, bias), Epilogue(gelu)

`carried_ops` tells the fusion pass which ops after a contraction its drain can take along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...fusion.region import Region
from ...graph.builder import is_splat
from ...graph.graph import Op, Value, row_major
from ...graph.ops import Binary, Constant, Convert, Convolution, Dot, Reshape, Transpose
from ...isa.dtypes import DType
from ...isa.machine import ACCUMULATORS
from ..vector.split_region import only
from .convolution import convolution_problem
from .correlation import Correlation
from .dot import LAYOUT_OPS, Strided, apply_layout, dot_problem, reshape_strides, whole
from .epilogue import Epilogue, make_epilogue
from .gemm import Gemm

_MOST_CARRIED = 8


@dataclass(frozen=True)
class CubeRegion:
    """A problem and the values its kernel is launched with: operands, bias if any, result."""

    problem: Gemm | Correlation
    arguments: tuple[Value, ...]


def read_region(ops: Sequence[Op], result: Value, epilogue: Epilogue | None = None) -> CubeRegion | None:
    """Return what `ops` compute into `result`, or None if one cube kernel cannot; `epilogue` is what follows `result`."""
    views: dict[Value, Strided] = {}
    anchor: Op | None = None
    head: Value | None = None  # what has been made of the contraction's result so far
    layout: list[Op] = []  # that moves the result's elements
    bias: Strided | None = None
    relu = False

    def view(value: Value) -> Strided:
        return views.get(value) or whole(value)

    for op in ops:
        if anchor is None and isinstance(op, (Dot, Convolution)):
            anchor, head = op, op.result
        elif anchor is not None and head is not None and head in op.operands:
            if isinstance(op, Convert) and converts_sums(op):
                pass
            elif isinstance(op, (Transpose, Reshape)):
                layout.append(op)
            elif isinstance(op, Binary) and op.kind == "max" and not relu and any(map(_is_zero, op.operands)):
                relu = True
            elif isinstance(op, Binary) and op.kind == "add" and bias is None and not relu and not layout:
                other = op.operands[1] if op.operands[0] is head else op.operands[0]
                bias = read_bias(anchor, head, view(other))
                if bias is None:
                    return None
            else:
                return None
            head = op.results[0]
        elif isinstance(op, LAYOUT_OPS):
            moved = apply_layout(op, view(op.operands[0]))
            if moved is None:
                return None
            views[op.result] = moved
        elif not isinstance(op, Constant):
            return None
    if anchor is None or head is not result:
        return None
    lhs, rhs = map(view, anchor.operands)
    out = result_strides(layout, anchor, result)
    if out is None or lhs.value.dtype not in ACCUMULATORS:
        return None
    if epilogue and (layout or not isinstance(anchor, Dot)):
        return None
    if isinstance(anchor, Dot):
        problem, left, right = dot_problem(anchor, lhs, rhs, out, bias, relu, epilogue)
    else:
        assert isinstance(anchor, Convolution), "an anchor is a Dot or a Convolution"
        problem = convolution_problem(anchor, lhs, rhs, out, bias, relu)
        left, right = lhs.value, rhs.value
    if problem is None:
        return None
    return CubeRegion(problem, (left, right, *([bias.value] if bias else []), result))


def read_epilogue(region: Region) -> tuple[CubeRegion, Epilogue] | None:
    """Return a cube region as a product with what its drain carries, and the epilogue that follows; None if it is not so."""
    split = split_at_head(region)
    if split is None:
        return None
    product, rest = split
    (head,) = product.outputs
    epilogue = make_epilogue(rest, head, head in region.outputs)
    cube = read_region(product.ops, head, epilogue) if epilogue else None
    return (cube, epilogue) if cube and epilogue else None


def split_at_head(region: Region) -> tuple[Region, Region] | None:
    """Return the product with what its drain carries, and the vector region of the other ops; None if they interleave."""
    anchor = next(op for op in region.ops if isinstance(op, (Dot, Convolution)))
    users: dict[Value, list[Op]] = {v: [anchor] for v in region.outputs}
    for op in region.ops:
        for v in op.operands:
            users.setdefault(v, []).append(op)
    head, carried = anchor.results[0], dict[Op, None]()
    for op in carried_ops(anchor, users, {op: i for i, op in enumerate(region.ops)}):
        if head in op.operands:
            if isinstance(op, (Transpose, Reshape)):
                break
            head = op.results[0]
        carried[op] = None
    before: set[Op] = set()
    stack = list(anchor.operands)
    members = set(region.ops)
    while stack:
        op = stack.pop().producer
        if op in members and isinstance(op, LAYOUT_OPS):
            before.add(op)
            stack += op.operands
    ops = [op for op in region.ops if op is anchor or op in before or op in carried]
    made = {r for op in region.ops for r in op.results}
    own = {r for op in ops for r in op.results}
    if any(v in made and v not in own and not is_splat(v) for op in ops for v in op.operands):
        return None
    rest = only(region, [v for v in region.outputs if v is not head], {head})
    if any(isinstance(op, (Dot, Convolution)) for op in rest.ops):
        return None
    return Region("cube", ops, [], [head]), rest


def carried_ops(anchor: Op, users: Mapping[Value, list[Op]], position: Mapping[Op, int]) -> list[Op]:
    """Return the ops after a contraction that its kernel takes along, in graph order, bias broadcasts among them.

    Args:
        anchor: the Dot or Convolution.
        users: who uses each value, the graph's return included: what is carried must not be wanted on the way.
        position: the index of each op in the graph, or of those that may be taken.
    """
    taken: list[Op] = []
    best: list[Op] = []
    head = anchor.results[0]
    while len(users.get(head, ())) == 1 and len(taken) < _MOST_CARRIED:
        op = users[head][0]
        extra = _broadcasts(op, head, position[anchor], position)
        if extra is None or not isinstance(op, (Convert, Transpose, Reshape, Binary)):
            break
        taken = [*taken, *extra, op]
        ordered = sorted(dict.fromkeys(taken), key=position.__getitem__)
        head = op.results[0]
        if read_region([anchor, *ordered], head) is None:
            break
        if not isinstance(op, Reshape):
            best = ordered
    return best


def _broadcasts(op: Op, head: Value, anchor: int, position: Mapping[Op, int]) -> list[Op] | None:
    """Return the layout ops behind the other operand, or None if it is not there before the contraction."""
    found: list[Op] = []
    for value in op.operands:
        if value is head:
            continue
        if _is_zero(value) and value.producer is not None and value.producer in position:
            found.append(value.producer)
            continue
        while isinstance(value.producer, LAYOUT_OPS) and value.producer in position:
            found.append(value.producer)
            value = value.producer.operands[0]
        if value.producer is not None and position.get(value.producer, -1) > anchor:
            return None
        if is_splat(value):
            return None
    return found[::-1]


def converts_sums(op: Convert) -> bool:
    """Whether a conversion is between types of f32 sums; what is widened keeps the precision the sums had."""
    types = (DType.f16, DType.bf16, DType.f32)
    return op.operands[0].dtype in types and op.results[0].dtype in types


def _is_zero(value: Value) -> bool:
    op = value.producer
    return isinstance(op, Constant) and value.dtype.is_float and op.splat is not None and float(op.splat) == 0


def read_bias(anchor: Op, head: Value, x: Strided) -> Strided | None:
    """Return a row as strides along the contraction's columns, or None if `x` is no such row."""
    accumulator = ACCUMULATORS.get(anchor.operands[0].dtype)
    exact = x.value.dtype is accumulator or (accumulator is DType.f32 and x.value.dtype in (DType.f16, DType.bf16))
    if not exact or x.shape != anchor.results[0].shape or head.dtype is not anchor.results[0].dtype:
        return None
    if isinstance(anchor, Dot):
        columns = range(x_rank := len(x.shape))[x_rank - len(anchor.free()[1]) :]
    else:
        assert isinstance(anchor, Convolution), "an anchor is a Dot or a Convolution"
        columns = (anchor.out_spec[1],)
    if any(s != 0 and n > 1 and d not in columns for d, (n, s) in enumerate(zip(x.shape, x.strides, strict=True))):
        return None
    shape, strides = tuple(x.shape[d] for d in columns), tuple(x.strides[d] for d in columns)
    return Strided(x.value, x.offset, shape, strides)


def chained_strides(ops: Sequence[Op], anchor: Op, result: Value) -> Strided | None:
    """Return the contraction's result as it lies in `result`, which ops after it make one of the other; None if they do more
    than to move elements and to convert sums.
    """
    layout: list[Op] = []
    at = anchor.results[0]
    for op in ops:
        if at not in op.operands or not isinstance(op, (Convert, Transpose, Reshape)):
            return None
        if not isinstance(op, Convert):
            layout.append(op)
        elif not converts_sums(op):
            return None
        at = op.results[0]
    return result_strides(layout, anchor, result) if at is result else None


def result_strides(layout: list[Op], anchor: Op, result: Value) -> Strided | None:
    """Return the contraction's result as it lies in the region's output."""
    strides: tuple[int, ...] | None = row_major(result.shape)
    for op in reversed(layout):
        if isinstance(op, Transpose):
            moved = [0] * len(strides)
            for d, p in enumerate(op.permutation):
                moved[p] = strides[d]
            strides = tuple(moved)
        else:
            strides = reshape_strides(op.results[0].shape, strides, op.operands[0].shape)
            if strides is None:
                return None
    return Strided(result, 0, anchor.results[0].shape, strides)
