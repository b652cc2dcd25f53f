"""A vector region -> launches of vector kernels.

softmax region                 ->  one launch
sum of 4 M elements            ->  one launch that stores a partial sum per block, one that adds those up
concatenate / pad              ->  one launch whose kernel has a section (a loop nest) per piece
ops that share no loop nest    ->  one launch per group of ops, values between them in temporaries
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

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
    OptimizationBarrier,
    Pad,
    Reduce,
    Reshape,
)
from ...isa.model import Access as Effect
from ...program.kernel import Kernel, KernelBuilder
from ...targets import Target
from ...tiling.vector_plan import Conflict, Plan, Problem, Reduction, Walk, make_plan, merge_axes
from ..steps import Launch, Rename, Split, Step, Way
from .emit import SectionEmitter
from .expand_arg_reduce import expand_arg_reduce
from .nodes import Access, Expressions, Node, NotVectorizable, Store, reachable
from .pieces import concatenate_pieces, pad_pieces
from .select_instruction import reduces_in_tile
from .split_region import is_free, make_region, split_by_outputs, split_by_reductions, split_everywhere


@dataclass(eq=False)
class Section:
    """A loop nest of a kernel: its stores, and the partial results that a second kernel combines."""

    stores: list[Store]
    plan: Plan
    partial: list[tuple[Node, Value]]


SMALLEST_PART = 64  # tiles that do not fit UB are made smaller down to a part


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
    groups, shrink = _connected(stores), 1
    while shrink <= SMALLEST_PART:
        sections = [_plan_section(expressions, group, target, sums, region.two_stages, shrink) for group in groups]
        launch = _emit(region.ops, region.outputs, [(s.stores, s.plan) for s in sections])
        partial = {node: value for s in sections for node, value in s.partial}
        done = {s.access.value for section in sections for s in section.stores}
        rest = [_second_stage(region, partial, [v for v in region.outputs if v not in done])] if partial else []
        yield [launch, *rest]
        shrink *= 2
        groups = [[*_whole(s.stores), *(Store(sums[node], node) for node, _ in s.partial)] for s in sections]


def _whole(stores: list[Store]) -> list[Store]:
    """Return the stores that are not of partial results."""
    return [s for s in stores if not s.access.by_block]


# --- planning ---


def _connected(stores: list[Store]) -> list[list[Store]]:
    """Group the stores that share anything but constants."""
    groups: list[tuple[set[Node], list[Store]]] = []
    for store in stores:
        nodes = {n for n in reachable([store.node]) if n.kind != "const"}
        members = [store]
        apart = []
        for others, theirs in groups:
            if nodes & others:
                nodes |= others
                members = theirs + members
            else:
                apart.append((others, theirs))
        groups = [*apart, (nodes, members)]
    return [members for _, members in groups]


def _walks(stores: list[Store], nodes: list[Node], extent: dict[int, int]) -> list[Walk]:
    def walk(access: Access, is_store: bool) -> Walk:
        strides = {a: s for a, s in access.strides.items() if s}
        return Walk(strides, access.value.dtype.bytes, prod(extent[a] for a in strides), is_store)

    walks = [walk(s.access, True) for s in stores]
    for n in nodes:
        if n.access is not None:
            walks.append(walk(n.access, False))
        elif n.kind == "iota":
            walks.append(Walk(n.coefficients, 0))
    return walks


def merge_accesses(expressions: Expressions, stores: list[Store], sums: dict[Node, Access]) -> None:
    """Merge axes that all accesses cross as one, in the nodes and accesses themselves."""
    nodes = reachable(s.node for s in stores)
    accesses = [s.access for s in stores] + list(sums.values()) + [n.access for n in nodes if n.access]
    used: dict[int, None] = {}
    for axes in [*(a.strides for a in accesses), *(n.axes for n in nodes), *(n.reduced for n in nodes)]:
        used.update(dict.fromkeys(axes))
    main = max(stores, key=lambda s: s.access.value.type.bytes)
    order = _order(main.access, accesses, used)
    extent = {a: expressions.axes.extent[a] for a in order}
    walks = [a.strides for a in accesses] + [n.coefficients for n in nodes if n.kind == "iota"]
    into = merge_axes(extent, order, walks, [n.reduced for n in nodes if n.reduced])
    for access in accesses:
        access.strides = {a: s for a, s in access.strides.items() if into[a] == a}
    for n in nodes:
        n.axes = frozenset(into[a] for a in n.axes)
        n.reduced = frozenset(into[a] for a in n.reduced)
        n.coefficients = {a: c for a, c in n.coefficients.items() if into[a] == a}
    expressions.merged = extent
    expressions.merged_order = order


def _order(main: Access, accesses: list[Access], used: dict[int, None]) -> list[int]:
    """Sort the axes outer to inner: as the main store and, for axes it lacks, the largest load has them."""
    rank: dict[int, int] = {}
    for access in [main, *sorted(accesses, key=lambda a: -len(a.strides))]:
        for axis, stride in access.strides.items():
            rank.setdefault(axis, abs(stride))
    return sorted(used, key=lambda a: -rank.get(a, 0))


def make_problem(expressions: Expressions, stores: list[Store], nodes: list[Node]) -> Problem:
    """Describe a section, axes merged already, to the tiler; `nodes` are all that the stores need."""
    used: set[int] = set()
    for axes in [*(s.access.strides for s in stores), *(n.axes for n in nodes), *(n.reduced for n in nodes)]:
        used.update(axes)
    extent = {a: expressions.merged[a] for a in expressions.merged_order if a in used}
    walks, reductions = _walks(stores, nodes, extent), _reductions(stores, nodes)
    return Problem(extent, list(extent), walks, reductions, *_live_bytes(stores, nodes, extent))


def _plan_section(
    expressions: Expressions,
    stores: list[Store],
    target: Target,
    sums: dict[Node, Access],
    two_stages: bool,
    shrink: int = 1,
) -> Section:
    nodes = reachable(s.node for s in stores)
    problem = make_problem(expressions, stores, nodes)
    plan = make_plan(problem, target, shrink)
    divided = [a for a in plan.split if any(a in n.reduced for n in nodes)]
    if divided and not two_stages:
        for a in divided:
            del plan.split[a]
        divided = []
    if not divided:
        return Section(stores, plan, [])
    partial = [n for n in nodes if n.kind == "reduce" and any(a in n.reduced for a in divided)]
    result = [s for s in stores if not any(n in partial for n in reachable([s.node]))]
    renamed: list[tuple[Node, Value]] = []
    for node in partial:
        assert node.op is not None
        size = node.op.results[0].type.size
        blocks = prod(plan.split[a][0] for a in divided if a in node.reduced)
        value = Value(TensorType((blocks, *node.op.results[0].shape), node.dtype))
        steps, step = [], size
        for a in divided:
            if a in node.reduced:
                steps.append((a, step))
                step *= plan.split[a][0]
        result.append(Store(replace(sums[node], value=value, by_block=tuple(steps)), node))
        renamed.append((node, value))
    return Section(result, plan, renamed)


def _reductions(stores: list[Store], nodes: list[Node]) -> list[Reduction]:
    beyond: dict[Node, set[int]] = {n: set() for n in nodes}  # axes of everything computed from a node
    for s in stores:
        beyond[s.node].update(s.access.strides)
    for n in reversed(nodes):
        for o in n.operands:
            beyond[o] |= beyond[n] | n.axes | n.reduced
    out = []
    for n in nodes:
        if n.kind in ("reduce", "arg"):
            again = not beyond[n] <= n.axes
            by_loop = n.kind == "reduce" and not reduces_in_tile(n.op.kind, n.dtype)  # type: ignore[union-attr]
            out.append(Reduction(n.operands[0].axes, n.reduced, again, by_loop, n.kind == "arg"))
    return out


def _live_bytes(stores: list[Store], nodes: list[Node], extent: dict[int, int]) -> tuple[int, int, int]:
    """Estimate the bytes of tiles alive at once: per element of a full tile, per row, per column."""
    size = {n: prod(extent[a] for a in n.axes) for n in nodes}
    most = max(size.values(), default=1)
    stored = {s.node for s in stores}
    last: dict[Node, int] = {}
    for i, n in enumerate(nodes):
        for o in n.operands:
            last[o] = i
    always = live = peak = small = 0
    for i, n in enumerate(nodes):
        if n.kind == "const":
            continue
        if size[n] * 4 < most:
            small += 1
            continue
        if n.kind == "load" or n in stored:
            always += 2 * n.dtype.bytes
            continue
        live += n.dtype.bytes
        peak = max(peak, live)
        for o in set(n.operands):
            if last[o] == i and o.kind not in ("load", "const") and o not in stored and size[o] * 4 >= most:
                live -= o.dtype.bytes
    return max(4, always + peak), 32 * small, 8 * small


# --- emission ---


def _emit(ops: Sequence[Op], outputs: Sequence[Value], sections: list[tuple[list[Store], Plan]]) -> Launch:
    blocks = max(plan.blocks for _, plan in sections)
    builder = KernelBuilder(kernel_name(ops), "aiv", (blocks,))
    written = list(dict.fromkeys(s.access.value for stores, _ in sections for s in stores))
    arguments: dict[Value, int] = {}
    for stores, _ in sections:
        for node in reachable(s.node for s in stores):
            accesses = [node.access] if node.access else []
            for access in accesses:
                for value in (access.value, *(d.value for d in access.dynamic)):
                    if value not in arguments:
                        arguments[value] = builder.argument(value.dtype, value.type.size)
        for s in stores:
            for start in s.access.dynamic:
                if start.value not in arguments:
                    arguments[start.value] = builder.argument(start.value.dtype, start.value.type.size)
    for value in written:
        arguments[value] = builder.argument(value.dtype, value.type.size, writes=True)
    (block,) = builder.blocks
    for stores, plan in sections:
        emitter = SectionEmitter(builder, plan, arguments, block)
        if plan.blocks < blocks:
            with builder.when(plan.blocks - block):
                emitter.run(stores)
        else:
            emitter.run(stores)
    return Launch(builder.kernel, list(arguments), written, may_take_over(sections, builder.kernel, arguments))


def may_take_over(
    sections: list[tuple[list[Store], Plan]], kernel: Kernel, arguments: dict[Value, int]
) -> tuple[tuple[Value, Value], ...]:
    """Return the outputs that may take over an input: a block reads what it writes, and only before it writes it."""
    last_load: dict[int, int] = {}  # argument -> position in the body
    first_store: dict[int, int] = {}
    for at, instruction in enumerate(kernel.body):
        for operand, view in instruction.operands():
            if operand.kind == "view" and operand.access is Effect.read:
                last_load[view.argument] = at
            elif operand.kind == "view":
                first_store.setdefault(view.argument, at)
    reads: dict[Value, list[tuple[int, Access]]] = {}
    for i, (stores, _) in enumerate(sections):
        for node in reachable(s.node for s in stores):
            if node.access is not None:
                reads.setdefault(node.access.value, []).append((i, node.access))
    pairs = []
    taken: set[Value] = set()
    for i, (stores, plan) in enumerate(sections):
        for s in stores:
            out = s.access
            for value, accesses in reads.items():
                if (
                    value in taken
                    or value not in arguments
                    or value.type.size != out.value.type.size
                    or value.dtype.bytes != out.value.dtype.bytes
                ):
                    continue
                ((j, access), *others) = accesses
                same = access.strides == {a: t for a, t in out.strides.items() if t} and access.offset == out.offset
                # A kernel of several passes over a value may load it again after the pass that stores the output.
                before = last_load.get(arguments[value], -1) < first_store.get(arguments[out.value], 0)
                once = not others and i == j and not access.dynamic and set(plan.loops) <= set(access.strides)
                if once and same and before:
                    pairs.append((out.value, value))
                    taken.add(value)
                    break
    return tuple(pairs)


def kernel_name(ops: Sequence[Op]) -> str:
    """Name a kernel after its ops, most telling first."""
    names = [getattr(op, "kind", op.name) if op.name in ("unary", "binary") else op.name for op in ops]
    telling = [n for n in dict.fromkeys(names) if n not in ("constant", "broadcast_in_dim", "reshape", "convert")]
    return "_".join((telling or names)[:5])


# --- splitting ---


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


# --- pieces ---


def _lower_pieces(region: Region, target: Target) -> Way:
    op = region.ops[-1]
    pieces = concatenate_pieces(op) if isinstance(op, Concatenate) else pad_pieces(op)  # type: ignore[arg-type]
    sections: list[tuple[list[Store], Plan]] = []
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
        sections.append(([store], _plan_section(expressions, [store], target, {}, False).plan))
    if not sections:
        return []
    return [_emit(region.ops, region.outputs, sections)]
