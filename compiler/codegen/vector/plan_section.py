"""How a section of a vector kernel is tiled: what its stores share, which axes they walk, and the plan of its loop nest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod

from ...graph.graph import TensorType, Value
from ...targets import Target
from ...tiling.vector_plan import NestPlan, Problem, Reduction, Walk, merge_axes, plan_nest
from .nodes import Access, Expressions, Node, Store, reachable
from .select_instruction import reduces_in_tile

SMALLEST_PART = 64  # tiles that do not fit UB are made smaller down to a part


@dataclass(eq=False)
class Section:
    """A loop nest of a kernel: its stores, and the partial results that a second kernel combines."""

    stores: list[Store]
    plan: NestPlan
    partial: list[tuple[Node, Value]] = field(default_factory=lambda: [])

    def nodes(self) -> list[Node]:
        """Return what the stores need, operands first."""
        return reachable(s.node for s in self.stores)


def connected(stores: list[Store]) -> list[list[Store]]:
    """Group the stores that share anything but constants."""
    groups: list[tuple[set[Node], list[Store]]] = []
    for store in stores:
        nodes = {n for n in reachable([store.node]) if n.kind != "const"}
        members = [store]
        apart: list[tuple[set[Node], list[Store]]] = []
        for others, theirs in groups:
            if nodes & others:
                nodes |= others
                members = theirs + members
            else:
                apart.append((others, theirs))
        groups = [*apart, (nodes, members)]
    return [members for _, members in groups]


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


def _walks(stores: list[Store], nodes: list[Node], extent: dict[int, int]) -> list[Walk]:
    def walk(access: Access, is_store: bool) -> Walk:
        strides = {a: s for a, s in access.strides.items() if s}
        return Walk(strides, access.value.dtype.bytes, prod(extent[a] for a in strides), is_store)

    walks = [walk(s.access, True) for s in stores]
    for n in nodes:
        if n.access is not None:
            walks.append(replace(walk(n.access, False), gathered=n.kind == "gather"))
        elif n.kind == "iota":
            walks.append(Walk(n.coefficients, 0))
    return walks


def _reductions(stores: list[Store], nodes: list[Node]) -> list[Reduction]:
    beyond: dict[Node, set[int]] = {n: set() for n in nodes}  # axes of everything computed from a node
    for s in stores:
        beyond[s.node].update(s.access.strides)
    for n in reversed(nodes):
        for o in n.operands:
            beyond[o] |= beyond[n] | n.axes | n.reduced
    out: list[Reduction] = []
    for n in nodes:
        if n.kind in ("reduce", "arg"):
            again = not beyond[n] <= n.axes
            by_loop = n.kind == "reduce" and not reduces_in_tile(n.op.kind, n.dtype)  # type: ignore[union-attr]
            out.append(Reduction(n.operands[0].axes, n.reduced, again, by_loop, n.kind == "arg"))
    return out


def _live_bytes(
    stores: list[Store], nodes: list[Node], extent: dict[int, int]
) -> tuple[int, list[tuple[frozenset[int], int]]]:
    """Estimate the bytes of tiles alive at once per element of a full tile; axes and bytes an element of smaller tiles."""
    size = {n: prod(extent[a] for a in n.axes) for n in nodes}
    most = max(size.values(), default=1)
    stored = {s.node for s in stores}
    last: dict[Node, int] = {}
    for i, n in enumerate(nodes):
        for o in n.operands:
            last[o] = i
    small: list[tuple[frozenset[int], int]] = []
    always = live = peak = 0
    for i, n in enumerate(nodes):
        if n.kind == "const":
            continue
        if size[n] * 4 < most:
            small.append((n.axes, 2 * n.dtype.bytes if n.access or n in stored else n.dtype.bytes))
            continue
        if n.access or n in stored:
            always += 2 * n.dtype.bytes
            continue
        live += n.dtype.bytes
        peak = max(peak, live)
        for o in set(n.operands):
            if last[o] == i and o.kind not in ("load", "const") and o not in stored and size[o] * 4 >= most:
                live -= o.dtype.bytes
    return max(4, always + peak), small


def plan_section(
    expressions: Expressions,
    stores: list[Store],
    target: Target,
    sums: dict[Node, Access],
    two_stages: bool,
    shrink: int = 1,
) -> Section:
    """Plan a loop nest for the stores, axes merged already; with two stages, blocks may leave partial results of `sums`."""
    nodes = reachable(s.node for s in stores)
    problem = make_problem(expressions, stores, nodes)
    plan = plan_nest(problem, target, shrink)
    divided = [a for a in plan.split if any(a in n.reduced for n in nodes)]
    if divided and not two_stages:
        for a in divided:
            del plan.split[a]
        divided = []
    if not divided:
        return Section(stores, plan)
    partial = [n for n in nodes if n.kind == "reduce" and any(a in n.reduced for a in divided)]
    result = [s for s in stores if not any(n in partial for n in reachable([s.node]))]
    renamed: list[tuple[Node, Value]] = []
    for node in partial:
        assert node.op is not None
        size = node.op.results[0].type.size
        blocks = prod(plan.split[a][0] for a in divided if a in node.reduced)
        value = Value(TensorType((blocks, *node.op.results[0].shape), node.dtype))
        steps, step = list[tuple[int, int]](), size
        for a in divided:
            if a in node.reduced:
                steps.append((a, step))
                step *= plan.split[a][0]
        result.append(Store(replace(sums[node], value=value, by_block=tuple(steps)), node))
        renamed.append((node, value))
    return Section(result, plan, renamed)
