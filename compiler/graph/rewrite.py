"""The forward walk that passes share: visit every op once, regions included, and replace some by others.

Operands are already replaced when an op is visited, so a rule sees its operands' new producers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import Refusal, UnsupportedOp, UnsupportedOpsError
from .builder import Builder
from .graph import Graph, Op, Value

Rule = Callable[[Op, Builder], "Sequence[Value] | None"]
"""Given an op and a builder that appends where the op stands, returns its new results, or None to keep it."""


def rewrite(graph: Graph, rule: Rule) -> None:
    """Apply a rule to every op of a graph and of the regions in it, in place.

    Raises UnsupportedOpsError with all ops for which the rule raised UnsupportedOp; zeros stand for their results.
    """
    unsupported: list[Refusal] = []
    _rewrite(graph, rule, {}, set(), unsupported)
    if unsupported:
        raise UnsupportedOpsError(graph.name, unsupported)


def _rewrite(graph: Graph, rule: Rule, mapping: dict[Value, Value], seen: set[int], unsupported: list[Refusal]) -> None:
    if id(graph) in seen:  # a callee shared by several calls
        return
    seen.add(id(graph))
    kept: list[Op] = []
    get = mapping.get
    builder = Builder(kept)
    for op in graph.ops:
        if mapping:
            op.operands = [get(v, v) for v in op.operands]
        for region in op.regions():
            _rewrite(region, rule, mapping, seen, unsupported)
        builder.loc = op.loc
        try:
            results = rule(op, builder)
        except UnsupportedOp as reason:
            unsupported.append((op.name, op.loc, str(reason)))
            results = [builder.constant(0, r.type) for r in op.results]
        if results is None:
            kept.append(op)
        else:
            mapping.update(zip(op.results, results, strict=True))
    graph.ops = kept
    graph.results = [get(v, v) for v in graph.results]
