"""Drop ops nobody uses, and what loops carry for nobody.

    %1 = exp(%0)                      ->    return %0
    return %0

Of a loop, a value it carries is needed if its result is, or the condition needs it, or another carried value that is needed;
of a branch and of a barrier, what stands for a result that is needed. What calls the host for the sake of the call stays,
and what decides how often.
"""

from __future__ import annotations

from ..graph.graph import Graph, Op, Value, ops_with_effects
from ..graph.module import Module
from ..graph.ops import Case, OptimizationBarrier, While


def eliminate_dead_code(module: Module, target: object) -> None:
    """Remove dead ops and dead carried values from the module, in place."""
    effects = ops_with_effects(module.main)
    _remove(module.main, _needed(module.main, effects), effects)


def _needed(graph: Graph, effects: set[Op]) -> set[Value]:
    """Return all values that the results of a graph need, these included, and what ops with effects need."""
    places: dict[Value, tuple[Op, int]] = {}  # of values that stand for one of several results of an op
    for op in graph.walk():
        if isinstance(op, (While, Case, OptimizationBarrier)):
            places.update((r, (op, i)) for i, r in enumerate(op.results))
        if isinstance(op, While):
            for part in (op.cond, op.body):
                places.update((a, (op, i)) for i, a in enumerate(part.arguments))
    needed: set[Value] = set()
    pending = list(graph.results)
    for op in effects:
        pending += op.cond.results if isinstance(op, While) else op.operands
    while pending:
        value = pending.pop()
        if value not in needed:
            needed.add(value)
            pending += _needs(value, places)
    return needed


def _needs(value: Value, places: dict[Value, tuple[Op, int]]) -> list[Value]:
    """Return the values that are needed for `value` at the next step."""
    op, i = places.get(value, (value.producer, 0))
    match op:
        case None:  # an argument: of the function, or of an op that is needed as a whole
            return []
        case While():
            carried = [op.operands[i], op.cond.arguments[i], op.body.arguments[i], op.body.results[i], op.results[i]]
            return carried + op.cond.results
        case Case():
            return [*op.operands, *(branch.results[i] for branch in op.branches)]
        case OptimizationBarrier():
            return [op.operands[i]]
        case _:
            return [*op.operands, *(r for region in op.regions() for r in region.results)]


def _remove(graph: Graph, needed: set[Value], effects: set[Op]) -> None:
    graph.ops = [op for op in graph.ops if op in effects or any(r in needed for r in op.results)]
    for op in graph.ops:
        keep = [i for i, r in enumerate(op.results) if r in needed]
        if len(keep) < len(op.results):
            _narrow(op, keep)
        for region in op.regions():
            _remove(region, needed, effects)


def _narrow(op: Op, keep: list[int]) -> None:
    """Leave an op those of its results; only ops whose results stand for operands or branches have any that can go."""
    if not isinstance(op, (While, Case, OptimizationBarrier)):
        return
    op.results = _kept(op.results, keep)
    if not isinstance(op, Case):
        op.operands = [op.operands[i] for i in keep]
    if isinstance(op, While):
        for part in (op.cond, op.body):
            part.arguments = _kept(part.arguments, keep)
        op.body.results = [op.body.results[i] for i in keep]
    if isinstance(op, Case):
        for branch in op.branches:
            branch.results = [branch.results[i] for i in keep]


def _kept(values: list[Value], keep: list[int]) -> list[Value]:
    values = [values[i] for i in keep]
    for i, value in enumerate(values):
        value.index = i
    return values
