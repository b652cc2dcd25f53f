"""Compute equal things once, per graph.

    %1 = exp(%0)   %2 = exp(%0)   add(%1, %2)    ->    %1 = exp(%0)   add(%1, %1)

Ops with regions stay. Nothing is shared between a region and the graph around it: what is cheap to
repeat in a loop is dear to keep in memory.
"""

from __future__ import annotations

from ..graph.graph import Graph, Op, Value, attribute_names, region_names
from ..graph.module import Module
from ..graph.ops import Constant, OptimizationBarrier

_LIMIT = 4096  # bytes of constants that are compared


def eliminate_common_subexpressions(module: Module, target: object) -> None:
    """Merge equal ops of each graph, in place."""
    _merge(module.main, {})


def _merge(graph: Graph, mapping: dict[Value, Value]) -> None:
    seen: dict[object, Op] = {}
    kept: list[Op] = []
    get = mapping.get
    for op in graph.ops:
        if mapping:
            op.operands = [get(v, v) for v in op.operands]
        for region in op.regions():
            _merge(region, mapping)
        key = expression_key(op)
        known = seen.setdefault(key, op) if key is not None else op
        if known is op:
            kept.append(op)
        else:
            mapping.update(zip(op.results, known.results))
    graph.ops = kept
    graph.results = [get(v, v) for v in graph.results]


def expression_key(op: Op) -> object:
    """Return what equal ops have in common, or None if the op is not to be merged."""
    kind = type(op)
    if isinstance(op, Constant):
        if op.splat is not None:
            return (op.results[0].type, op.splat.tobytes())
        return (op.results[0].type, op.value.tobytes()) if op.value.nbytes <= _LIMIT else None
    if kind is OptimizationBarrier or op.has_effect:
        return None
    if region_names(kind) and any(True for _ in op.regions()):
        return None
    state = op.__dict__
    attributes = [state[name] for name in attribute_names(kind)]
    types = op.results[0].type if len(op.results) == 1 else tuple(r.type for r in op.results)
    return (kind, types, *map(id, op.operands), *attributes)
