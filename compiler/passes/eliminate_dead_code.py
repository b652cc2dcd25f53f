"""Drop ops nobody uses, and what loops carry for nobody.

    %1 = exp(%0)                      ->    return %0
    return %0

A value a loop carries is dead if neither the loop's result, nor its condition, nor another live value needs it.
"""

from __future__ import annotations

from ..graph.graph import Graph, Op, Value
from ..graph.module import Module
from ..graph.ops import Case, OptimizationBarrier, While


def eliminate_dead_code(module: Module, target: object) -> None:
    """Remove dead ops and dead carried values from the module, in place."""
    sweep(module.main, set(module.main.results))


def sweep(graph: Graph, live: set[Value]) -> None:
    """Remove what the values in `live` (extended with outer values found in use) do not need."""
    kept: list[Op] = []
    for op in reversed(graph.ops):
        if not any(r in live for r in op.results):
            continue
        if isinstance(op, While):
            _narrow_loop(op, live)
        elif isinstance(op, OptimizationBarrier):
            keep = [i for i, r in enumerate(op.results) if r in live]
            op.operands = [op.operands[i] for i in keep]
            op.results = _renumber([op.results[i] for i in keep])
        elif isinstance(op, Case):
            _narrow_case(op, live)
        else:
            for region in op.regions():
                live.update(region.results)
                sweep(region, live)
        live.update(op.operands)
        kept.append(op)
    graph.ops = kept[::-1]


def _narrow_loop(op: While, live: set[Value]) -> None:
    sweep_results = set(op.cond.results)
    condition = set(sweep_results)
    sweep(op.cond, condition)
    needed = {i for i, r in enumerate(op.results) if r in live}
    needed |= {i for i, a in enumerate(op.cond.arguments) if a in condition}
    while True:
        inside = {op.body.results[i] for i in needed}
        probe = Graph("probe", op.body.arguments, list(op.body.ops), [])
        _mark(probe, inside)
        more = needed | {i for i, a in enumerate(op.body.arguments) if a in inside}
        if more == needed:
            break
        needed = more
    keep = sorted(needed)
    if len(keep) < len(op.operands):
        if not keep:
            keep = [0]
        op.operands = [op.operands[i] for i in keep]
        op.results = _renumber([op.results[i] for i in keep])
        for graph in (op.cond, op.body):
            graph.arguments = _renumber([graph.arguments[i] for i in keep])
        op.body.results = [op.body.results[i] for i in keep]
    inside = set(op.body.results)
    sweep(op.body, inside)
    live |= condition | inside


def _narrow_case(op: Case, live: set[Value]) -> None:
    keep = [i for i, r in enumerate(op.results) if r in live]
    op.results = _renumber([op.results[i] for i in keep])
    for branch in op.branches:
        branch.results = [branch.results[i] for i in keep]
        live.update(branch.results)
        sweep(branch, live)


def _mark(graph: Graph, live: set[Value]) -> None:
    """Extend `live` by what its values need, without removing anything."""
    for op in reversed(graph.ops):
        if any(r in live for r in op.results):
            live.update(op.operands)
            for region in op.regions():
                live.update(region.results)
                _mark(region, live)


def _renumber(values: list[Value]) -> list[Value]:
    for i, value in enumerate(values):
        value.index = i
    return values
