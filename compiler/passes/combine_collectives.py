"""One exchange of several small values instead of one of each: small ones cost their latency.

    %2 = all_reduce(%0)   %3 = all_reduce(%1)   use(%2, %3)    ->    %2, %3 = all_reduce(%0, %1)   use(%2, %3)

Each waits until the first of them is needed, and is joined by all of the same kind, type and groups whose operands are there then.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.graph import Graph, Op, Value, attribute_names, captured_values
from ..graph.module import Module
from ..graph.ops import AllGather, AllReduce

_SMALL = 256 << 10
"""Bytes of an operand; a larger one takes longer than what starting its exchange costs (HCCL's own figures: tens of us)."""


def combine_collectives(module: Module, target: object) -> None:
    """Join small collectives of each graph, in place."""
    captured = captured_values(module.main)
    _combine(module.main, captured)


def _combine(graph: Graph, captured: dict[Op, list[Value]]) -> None:
    kept: list[Op] = []
    keys = {op: key for op in graph.ops if (key := _key(op)) is not None}
    alike: dict[object, list[Op]] = {}  # that are not done yet
    for op, key in keys.items():
        alike.setdefault(key, []).append(op)
    waiting: dict[Value, object] = {}  # results of collectives that are not done yet, though their operands are there
    pending = {r for op in graph.ops for r in op.results}

    def keep(op: Op) -> None:
        kept.append(op)
        pending.difference_update(op.results)

    def release(values: Iterable[Value]) -> None:
        for value in values:
            key = waiting.get(value)
            if key is None:
                continue
            parts = [op for op in alike[key] if pending.isdisjoint(op.operands)]
            alike[key] = [op for op in alike[key] if op not in parts]
            for op in parts:
                for result in op.results:
                    waiting.pop(result, None)
            keep(_joined(parts))

    for op in graph.ops:
        for region in op.regions():
            _combine(region, captured)
        if op in keys and op not in alike[keys[op]]:
            continue
        release((*op.operands, *captured.get(op, ())))
        if op in keys:
            waiting.update((r, keys[op]) for r in op.results)
        else:
            keep(op)
    release(list(waiting))
    graph.ops = kept


def _key(op: Op) -> object:
    """Return what collectives that can be joined have in common, None for other ops."""
    if not isinstance(op, (AllGather, AllReduce)) or any(v.type.bytes > _SMALL for v in op.operands):
        return None
    if isinstance(op, AllReduce) and op.body is not None:
        return None
    types = {v.dtype for v in op.operands}
    return (type(op), *types, *(getattr(op, name) for name in attribute_names(type(op))))


def _joined(parts: list[Op]) -> Op:
    first = parts[0]
    first.operands = [v for op in parts for v in op.operands]
    first.results = [r for op in parts for r in op.results]
    for i, result in enumerate(first.results):
        result.producer, result.index = first, i
    return first
