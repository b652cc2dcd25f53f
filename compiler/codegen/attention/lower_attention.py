"""An attention region to the launch that computes it."""

from __future__ import annotations

from collections.abc import Iterator

from ...fusion.region import Region
from ...graph.builder import Builder
from ...graph.graph import Op, TensorType, Value
from ...graph.ops import Concatenate, Convert
from ...isa.dtypes import DType
from ...program.kernel import Kernel
from ...targets import Target
from ..steps import Launch, Way
from ..vector.nodes import NotVectorizable
from ..vector.split_region import make_region, only
from .emit import emit_attention
from .gradient import read_gradient, split_gradient
from .gradient_kernel import emit_gradient
from .gradient_tiles import gradient_choices
from .problem import Parts, read_attention, split_parts
from .tiles import tile_choices


def attention_ways(region: Region, target: Target) -> Iterator[Way]:
    """Yield ways to compute a region of kind "attention": one kernel in smaller and smaller tiles, then three."""
    problem = read_attention(region)
    assert problem is not None, "fusion forms what is proven to be an attention"
    for tiles in tile_choices(problem, target):
        problem = read_attention(region)  # anew each time: emitting it may leave marks on its nodes
        assert problem is not None
        try:
            kernel, sizes = emit_attention(problem, tiles, target)
        except NotVectorizable:
            continue
        yield [launch(kernel, [*problem.values[: problem.out], *problem.inputs], sizes, problem.values[problem.out :])]
    parts = split_parts(region)
    assert parts is not None
    yield [*_apart(region, parts)]


def gradient_ways(region: Region, target: Target) -> Iterator[Way]:
    """Yield ways to compute a region of kind "gradient": one kernel in smaller and smaller tiles, then products apart."""
    problem = read_gradient(region)
    assert problem is not None, "fusion forms what is proven to be a gradient"
    for tiles in gradient_choices(problem, target):
        problem = read_gradient(region)
        assert problem is not None
        try:
            kernel, sizes = emit_gradient(problem, tiles, target)
        except NotVectorizable:
            continue
        results: list[Value] = []
        sums: list[Region] = []
        for x in problem.leaving:
            result = problem.values[x.out]
            shares = (
                kernel.arguments[len(kernel.arguments) - len(problem.leaving) + len(results)].size // result.type.size
            )
            if x.over_rows or (shares == 1 and result.dtype is DType.f32):
                results.append(result)
            else:
                part = Value(TensorType((shares, *result.shape), DType.f32))
                results.append(part)
                sums.append(_sum_of(part, result))
        read = [*problem.values[: len(problem.reads)], *problem.inputs]
        yield [launch(kernel, read, sizes, results), *sums]
    parts = split_gradient(region)
    assert parts is not None
    made = set(parts.heads)
    first = [only(region, [h], set()) for h in parts.heads]
    last = [only(region, [r], {*made, *parts.factors}) for r in parts.results]
    for product in (*first, *last):
        product.kind = "cube"
    yield [*first, parts.between, *last]


def _sum_of(parts: Value, result: Value) -> Region:
    """Return the sum of parts, f32[n, ...], as a region of its own."""
    ops: list[Op] = []
    b = Builder(ops)
    total = b.reduce("add", parts, [0])
    last = ops.pop() if result.dtype is DType.f32 else Convert([total])
    last.results = [result]
    return make_region([*ops, last], [result], True)


def launch(kernel: Kernel, read: list[Value], sizes: list[int], results: list[Value]) -> Launch:
    """Return the launch of a kernel whose arguments are what it reads, workspaces of these sizes, and results."""
    arguments = kernel.arguments[len(read) : len(read) + len(sizes)]
    workspaces = [Value(TensorType((n,), a.dtype)) for n, a in zip(sizes, arguments, strict=True)]
    return Launch(kernel, [*read, *workspaces, *results], [*workspaces, *results])


def _apart(region: Region, parts: Parts) -> list[Region]:
    """Return what puts operands together, the two products, and what is between them, as regions of their own."""
    joined = [op.result for op in region.ops if isinstance(op, Concatenate)]
    first, second = only(region, [parts.head], {*joined}), only(region, [parts.result], {parts.weights})
    first.kind = second.kind = "cube"
    return [*(only(region, [v], set()) for v in joined), first, parts.between, second]
