"""Finds the gradients of attentions: two products, elementwise work on both, and the products of that, each one region.

    s = dot q k ;  p = exp(s - m) / z ;  d = dot g v ;  t = p (d - r) ;  dot t k ;  dot t q ;  dot p g

What a region needs of the forward pass but for rows (m, z, r) and operands of products it computes again: p from s. So nothing of the
scores' size is kept for it. The ops of a region need not be neighbours; `in_order` makes them so, if nothing stands between.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ..codegen.attention.gradient import read_gradient
from ..codegen.attention.gradient_tiles import is_worthwhile
from ..codegen.cube.dot import LAYOUT_OPS
from ..codegen.cube.read_region import carried_ops
from ..graph.graph import Graph, Op, Value
from ..graph.ops import Constant, Convert, Dot, Reshape, Transpose
from ..targets import Target
from .region import Region
from .vector_dims import POINTWISE

_MOST_OPS = 64  # between products


@dataclass(eq=False)
class GradientOps:
    """The ops of a gradient in order, those that nobody else needs, and its results."""

    ops: list[Op]
    own: set[Op]
    outputs: list[Value]


def find_gradients(graph: Graph, users: Mapping[Value, list[Op]], target: Target) -> list[GradientOps]:
    """Return the gradients of attentions among a graph's ops; `users` counts what the graph returns as used.

    Only those that are faster as one kernel, weights made again, than with the weights kept.
    """
    position = {op: i for i, op in enumerate(graph.ops)}
    behind: dict[Value, tuple[list[Op], frozenset[Dot]] | None] = {}
    pairs: dict[frozenset[Dot], list[Dot]] = {}
    by_head: dict[Dot, list[Dot]] = {}
    for dot in graph.ops:
        if not isinstance(dot, Dot):
            continue
        for v in dot.operands:
            if v not in behind:
                behind[v] = _made_of(v)
            made = behind[v]
            if made is None or not made[1]:
                continue
            if len(made[1]) == 2:
                pairs.setdefault(made[1], []).append(dot)
            elif len(made[1]) == 1:
                (head,) = made[1]
                by_head.setdefault(head, []).append(dot)
    found: list[GradientOps] = []
    for heads, dots in pairs.items():
        more = [d for h in heads for d in by_head.get(h, ())]
        for leaving in ([*dots, *more], dots):
            group = _group(heads, leaving, behind, users, position, target)
            if group is not None:
                found.append(group)
                break
    return found


def _made_of(value: Value) -> tuple[list[Op], frozenset[Dot]] | None:
    """Return the ops that make a value out of products of its size, and these products; None if they are too many."""
    if isinstance(value.producer, Dot):
        return None
    ops: dict[Op, None] = {}
    heads: set[Dot] = set()
    stack = [value]
    while stack:
        v = stack.pop()
        op = v.producer
        if isinstance(op, Dot) and v.type.size == value.type.size > max(x.type.size for x in op.operands):
            heads.add(op)
        elif op is not None and op not in ops and isinstance(op, POINTWISE) and not _is_large_constant(op):
            ops[op] = None
            stack += op.operands
            if len(ops) > _MOST_OPS:
                return None
    return list(ops), frozenset(heads)


def _is_large_constant(op: Op) -> bool:
    return isinstance(op, Constant) and op.splat is None


def _group(
    heads: frozenset[Dot],
    dots: list[Dot],
    behind: Mapping[Value, tuple[list[Op], frozenset[Dot]] | None],
    users: Mapping[Value, list[Op]],
    position: Mapping[Op, int],
    target: Target,
) -> GradientOps | None:
    """Return the ops from heads to products as a region, or None if it is not proven to be one that can run at once."""
    ops: dict[Op, None] = dict.fromkeys(heads)
    for dot in dots:
        for v in dot.operands:
            made = behind[v]
            if made is not None and made[1] and made[1] <= heads:
                ops |= dict.fromkeys(made[0])
    first = min(map(position.__getitem__, heads))
    before = _before((v for op in ops for v in op.operands if v.producer not in ops), first, position)
    if heads <= before:
        return None
    leaving = [d for d in dots if d not in before]
    outputs: list[Value] = []
    for dot in leaving:
        ops[dot] = None
        at = dot.result
        for op in carried_ops(dot, users, position):
            if at not in op.operands or not isinstance(op, (Convert, Transpose, Reshape)):
                break
            ops[op] = None
            at = op.results[0]
        outputs.append(at)
    for dot in (*heads, *leaving):
        for v in dot.operands:
            while isinstance(v.producer, LAYOUT_OPS) and v.producer not in ops:
                ops[v.producer] = None
                v = v.producer.operands[0]
    ordered = sorted(ops, key=position.__getitem__)
    own: set[Op] = set()
    for op in reversed(ordered):
        ends = [v for v in op.results if v in outputs]
        if ends or all(u in own for v in op.results for u in users.get(v, ())):
            own.add(op)
    inputs = [v for op in ordered for v in op.operands if v.producer not in ops]
    if own & _before(inputs, min(position[op] for op in own), position):
        return None
    problem = read_gradient(Region("gradient", ordered, [], outputs))
    if problem is None or not is_worthwhile(problem, target):
        return None
    return GradientOps(ordered, own, outputs)


def _before(values: Iterable[Value], first: int, position: Mapping[Op, int]) -> set[Op]:
    """Return the ops from number `first` on that make values, or what makes these."""
    found: set[Op] = set()
    stack = list(values)
    while stack:
        op = stack.pop().producer
        if op is None or op in found or position.get(op, -1) < first:
            continue
        found.add(op)
        stack += op.operands
    return found


def in_order(
    graph: Graph,
    groups: list[GradientOps],
    captured: Mapping[Op, list[Value]],
    effects: AbstractSet[Op],
) -> list[Op] | None:
    """Return a graph's ops in an order in which the own ops of each group are neighbours; None if there is none.

    Otherwise the order stays as near as can be to what it was; ops with effects keep theirs.
    """
    group_of = {op: g for g in groups for op in g.own}
    position = {op: i for i, op in enumerate(graph.ops)}
    units: dict[Op, list[Op]] = {}  # by the last op
    unit_of: dict[Op, Op] = {}
    for op in graph.ops:
        group = group_of.get(op)
        last = max(group.own, key=position.__getitem__) if group else op
        units.setdefault(last, []).append(op)
        unit_of[op] = last
    waits: dict[Op, set[Op]] = {unit: set() for unit in units}
    last_effect: Op | None = None
    for op in graph.ops:
        unit = unit_of[op]
        read = [*op.operands, *captured.get(op, ())]
        waits[unit] |= {unit_of[v.producer] for v in read if v.producer in unit_of}
        if op in effects:
            if last_effect is not None:
                waits[unit].add(unit_of[last_effect])
            last_effect = op
    for g in groups:
        unit = unit_of[next(iter(g.own))]
        outside = (v for op in g.ops if op not in g.own for v in op.operands)
        waits[unit] |= {unit_of[v.producer] for v in outside if v.producer in unit_of and v.producer not in g.ops}
    next_of: dict[Op, list[Op]] = {}
    missing: dict[Op, int] = {}
    for unit, others in waits.items():
        others.discard(unit)
        missing[unit] = len(others)
        for other in others:
            next_of.setdefault(other, []).append(unit)
    ready = [(position[unit], unit) for unit, n in missing.items() if not n]
    heapq.heapify(ready)
    order: list[Op] = []
    while ready:
        _, unit = heapq.heappop(ready)
        order += units[unit]
        for other in next_of.get(unit, ()):
            missing[other] -= 1
            if not missing[other]:
                heapq.heappush(ready, (position[other], other))
    return order if len(order) == len(graph.ops) else None
