"""Loops that carry less: a value every iteration returns unchanged is captured, not carried.

%r:2 = while(%x, %w) { body(x, w): return f(x, w), w }    ->    %r = while(%x) { body(x): return f(x, %w) }
"""

from __future__ import annotations

from ..graph.graph import Graph, Value, follow
from ..graph.module import Module
from ..graph.ops import While


def simplify_loops(module: Module, target: object) -> None:
    """Turn loop-invariant carried values into captured ones, in place."""
    replaced: dict[Value, Value] = {}
    _simplify(module.main, replaced)
    if replaced:
        module.main.replace_uses(replaced)


def _simplify(graph: Graph, replaced: dict[Value, Value]) -> None:
    """Make the loops of a graph smaller; `replaced` gets what stands for their arguments and results that are gone."""
    for op in graph.ops:
        for region in op.regions():
            _simplify(region, replaced)
        if isinstance(op, While):
            arguments, results = op.body.arguments, op.body.results
            invariant = [i for i, r in enumerate(results) if follow(replaced, r) is arguments[i]]
            _capture(op, invariant, replaced)


def _capture(op: While, invariant: list[int], replaced: dict[Value, Value]) -> None:
    if not invariant:
        return
    for i in invariant:
        for gone in (op.results[i], op.cond.arguments[i], op.body.arguments[i]):
            replaced[gone] = op.operands[i]
    keep = [i for i in range(len(op.operands)) if i not in set(invariant)]
    op.operands = [op.operands[i] for i in keep]
    op.results = [op.results[i] for i in keep]
    op.body.results = [op.body.results[i] for i in keep]
    for graph in (op.cond, op.body):
        graph.arguments = [graph.arguments[i] for i in keep]
        for i, value in enumerate(graph.arguments):
            value.index = i
    for i, value in enumerate(op.results):
        value.index = i
