"""A vector region -> launches of vector kernels.

softmax region                 ->  one launch
sum of 4 M elements            ->  one launch that stores a partial sum per block, one that adds those up
concatenate / pad              ->  one launch whose kernel has a section (a loop nest) per piece
ops that share no loop nest    ->  one launch per group of ops, values between them in temporaries
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...fusion.region import Region
from ...graph.builder import is_splat
from ...graph.graph import Op, TensorType, Value
from ...graph.identities import identity_element
from ...graph.ops import (
    ArgReduce,
    BitcastConvert,
    Concatenate,
    Constant,
    Convert,
    GatherSlices,
    OptimizationBarrier,
    Pad,
    Reduce,
    Reshape,
)
from ...program.kernel import KernelBuilder
from ...targets import Target
from ...tiling.vector_plan import Conflict
from ..indexing.gather_slices import lower_gather_slices
from ..steps import Launch, Rename, Split, Step, Way
from .emit_launch import emit_launch
from .expand_arg_reduce import expand_arg_reduce
from .nodes import Access, Expressions, Node, NotVectorizable, Store, reachable
from .pieces import concatenate_pieces, pad_pieces
from .plan_section import SMALLEST_PART, Section, connected, merge_accesses, plan_section
from .split_region import is_free, make_region, split_by_outputs, split_by_reductions, split_everywhere


def vector_ways(region: Region, target: Target) -> Iterator[Way]:
    """Yield ways to compute a vector region's outputs, the best first: one loop nest of smaller and smaller tiles, parts.

    Raises NotVectorizable if an op of it has no vector instruction.
    """
    if any(isinstance(op, OptimizationBarrier) for op in region.ops):
        (op,) = region.ops
        yield [Rename(r, v) for r, v in zip(op.results, op.operands, strict=True) if r in region.outputs]
        return
    if len(region.ops) == 1:
        without = _without_kernel(region)
        if without is not None:
            yield without
            return
    reason: Exception | None = None
    try:
        yield from _nests(region, target)
    except (Conflict, NotVectorizable) as e:
        reason = e
    if sum(not is_free(op) for op in region.ops) <= 1:
        op = region.ops[-1]
        stored = _with_constants_stored(region)
        if stored:
            yield stored
        elif isinstance(op, GatherSlices):
            yield [*lower_gather_slices(op, target)]
        elif isinstance(op, ArgReduce):
            yield [make_region(expand_arg_reduce(op), region.outputs, region.two_stages)]
        elif reason is not None:
            raise NotVectorizable(f"[vector] {op.name} at {op.loc} has no kernel: {reason}") from reason
        return
    parts = split_by_outputs(region) if len(region.outputs) > 1 else split_by_reductions(region)
    yield [Split(parts if len(parts) > 1 else split_everywhere(region))]


def _without_kernel(region: Region) -> Way | None:
    """Return how an op is done that computes nothing: a reshape, an empty result, a reduction of nothing."""
    (op,) = region.ops
    result = op.results[0]
    if result.type.size == 0:
        b = KernelBuilder("empty", "aiv", (1,))
        b.argument(result.dtype, 0, writes=True)
        return [Launch(b.kernel, [result], [result])]
    if isinstance(op, (Reshape, BitcastConvert)) and not is_splat(op.operands[0]):
        return [Rename(result, op.operands[0])]
    if isinstance(op, Reduce) and op.operands[0].type.size == 0:
        element = np.asarray(identity_element(op.kind, result.dtype))
        fill = Constant([], np.broadcast_to(element, result.shape))
        fill.results = [result]
        return [Region("vector", [fill], [], [result], two_stages=False)]
    return None


def _with_constants_stored(region: Region) -> Way:
    """Return how an op that cannot take tensors of equal elements as literals reads them from memory; nothing if it has none."""
    op, steps = region.ops[-1], list[Step | Region | Split]()
    memory: dict[Value, Value] = {}
    for value in dict.fromkeys(op.operands):
        if isinstance(value.producer, Constant) and is_splat(value) and value.type.rank:
            memory[value] = Value(value.type)
            fill = Constant([], value.producer.value)
            fill.results = [memory[value]]
            steps.append(Region("vector", [fill], [], [memory[value]], two_stages=False))
    if not memory:
        return []
    reading = op.clone([memory.get(v, v) for v in op.operands])
    reading.results = op.results
    rest = [o for o in region.ops[:-1] if o.results[0] not in memory]
    return [*steps, make_region([*rest, reading], region.outputs, region.two_stages)]


def _nests(region: Region, target: Target) -> Iterator[Way]:
    """Yield a loop nest that computes the region, again and again with smaller tiles."""
    if isinstance(region.ops[-1], (Concatenate, Pad)):
        yield _lower_pieces(region, target)
        return
    expressions = Expressions(region.ops)
    steps: list[Step] = []
    stores: list[Store] = []
    first: dict[tuple[object, ...], Value] = {}
    for value in region.outputs:
        if value.type.size == 0:
            continue
        view = expressions.view(value)
        if view is not None and _is_whole(expressions, view, value):
            steps.append(Rename(value, view.value))
            continue
        store = expressions.store(value)
        key = (store.node, tuple(sorted(store.access.strides.items())))
        if key in first:
            steps.append(Rename(value, first[key]))
        else:
            first[key] = value
            stores.append(store)
    if not stores:
        yield [*steps]
        return
    for launch in _launches(region, expressions, stores, target):
        yield [*launch, *steps]


def _is_whole(expressions: Expressions, view: Access, value: Value) -> bool:
    dense = expressions.dense(value, expressions.space.dims[value]).strides
    present = {a: s for a, s in view.strides.items() if s}
    return view.value.type.bytes == value.type.bytes and not view.offset and not view.dynamic and present == dense


def _launches(region: Region, expressions: Expressions, stores: list[Store], target: Target) -> Iterator[Way]:
    sums = {
        node: expressions.dense(node.op.results[0], expressions.space.dims[node.op.results[0]])
        for node in reachable(s.node for s in stores)
        if node.kind == "reduce" and node.op is not None
    }
    merge_accesses(expressions, stores, sums)
    groups, shrink = connected(stores), 1
    while shrink <= SMALLEST_PART:
        sections = [plan_section(expressions, group, target, sums, region.two_stages, shrink) for group in groups]
        launch = emit_launch(region.ops, sections)
        partial = {node: value for s in sections for node, value in s.partial}
        done = {s.access.value for section in sections for s in section.stores}
        rest = [_second_stage(region, partial, [v for v in region.outputs if v not in done])] if partial else []
        yield [launch, *rest]
        shrink *= 2
        groups = [[*_whole(s.stores), *(Store(sums[node], node) for node, _ in s.partial)] for s in sections]


def _whole(stores: list[Store]) -> list[Store]:
    """Return the stores that are not of partial results."""
    return [s for s in stores if not s.access.by_block]


def _second_stage(region: Region, partial: dict[Node, Value], outputs: list[Value]) -> Region:
    """Return the region that combines partial results and computes what depends on them."""
    ops: list[Op] = []
    known: set[Value] = set()
    for node, parts in partial.items():
        assert isinstance(node.op, Reduce)
        result = node.op.results[0]
        combine = Reduce([parts], node.op.kind, (0,))
        if result.dtype is node.dtype:
            combine.results, combine.loc = [result], node.op.loc
            ops.append(combine)
        else:
            combine.with_results([TensorType(result.shape, node.dtype)], node.op.loc)
            narrow = Convert([combine.results[0]])
            narrow.results, narrow.loc = [result], node.op.loc
            ops += [combine, narrow]
        known.add(result)
    producers = {r: op for op in region.ops for r in op.results}
    wanted: set[Op] = set()
    stack = [v for v in outputs if v not in known]
    while stack:
        op = producers.get(stack.pop())
        if op is not None and op not in wanted:
            wanted.add(op)
            stack += [v for v in op.operands if v not in known]
    return make_region([*ops, *(op for op in region.ops if op in wanted)], outputs, two_stages=False)


def _lower_pieces(region: Region, target: Target) -> Way:
    op = region.ops[-1]
    pieces = concatenate_pieces(op) if isinstance(op, Concatenate) else pad_pieces(op)  # type: ignore[arg-type]
    sections: list[Section] = []
    before = list(region.ops[:-1])
    for piece in pieces:
        if 0 in piece.shape:
            continue
        expressions = Expressions(piece.ops(before))
        access = expressions.dense(piece.value, expressions.space.dims[piece.value])
        dims = expressions.dims(piece.value)
        access = Access(op.results[0], {}, piece.offset)
        for dim, stride in zip(dims, piece.strides, strict=True):
            for axis in reversed(dim):
                access.strides[axis] = stride
                stride *= expressions.axes.extent[axis]
        store = Store(access, expressions.as_type(expressions.node(piece.value), op.results[0].dtype))
        merge_accesses(expressions, [store], {})
        sections.append(plan_section(expressions, [store], target, {}, two_stages=False))
    if not sections:
        return []
    return [emit_launch(region.ops, sections)]
