"""Loops that carry less: a value every iteration returns unchanged is captured, not carried.

%r:2 = while(%x, %w) { body(x, w): return f(x, w), w }    ->    %r = while(%x) { body(x): return f(x, %w) }
"""

from __future__ import annotations

from ..graph.graph import Graph, Value
from ..graph.module import Module
from ..graph.ops import While


def simplify_loops(module: Module, target: object) -> None:
    """Turn loop-invariant carried values into captured ones, in place."""
    _simplify(module.main)


def _simplify(graph: Graph) -> None:
    replaced: dict[Value, Value] = {}
    for op in graph.ops:
        for region in op.regions():
            _simplify(region)
        if isinstance(op, While):
            invariant = [i for i, r in enumerate(op.body.results) if r is op.body.arguments[i]]
            if len(invariant) == len(op.operands):
                invariant = invariant[1:]  # a loop carries something
            _capture(op, invariant, replaced)
    if replaced:
        graph.replace_uses(replaced)


def _capture(op: While, invariant: list[int], replaced: dict[Value, Value]) -> None:
    if not invariant:
        return
    inner: dict[Value, Value] = {}
    for i in invariant:
        outer = op.operands[i]
        replaced[op.results[i]] = outer
        inner[op.cond.arguments[i]] = inner[op.body.arguments[i]] = outer
    keep = [i for i in range(len(op.operands)) if i not in set(invariant)]
    op.operands = [op.operands[i] for i in keep]
    op.results = [op.results[i] for i in keep]
    op.body.results = [op.body.results[i] for i in keep]
    for graph in (op.cond, op.body):
        graph.arguments = [graph.arguments[i] for i in keep]
        graph.replace_uses(inner)
        for i, value in enumerate(graph.arguments):
            value.index = i
    for i, value in enumerate(op.results):
        value.index = i
