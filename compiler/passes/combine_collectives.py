"""One exchange of several small values instead of one of each: small ones cost their latency.

    %2 = all_reduce(%0)   %3 = all_reduce(%1)   use(%2, %3)    ->    %2, %3 = all_reduce(%0, %1)   use(%2, %3)

Each waits until the first of them is needed, and is joined by those of the same kind and groups that come until then.
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
    waiting: dict[object, list[Op]] = {}
    owner: dict[Value, object] = {}

    def release(values: Iterable[Value]) -> None:
        for value in values:
            parts = waiting.pop(owner.get(value), None)
            if parts:
                kept.append(_joined(parts))

    for op in graph.ops:
        for region in op.regions():
            _combine(region, captured)
        release((*op.operands, *captured.get(op, ())))
        key = _key(op)
        if key is None:
            kept.append(op)
            continue
        waiting.setdefault(key, []).append(op)
        owner.update((r, key) for r in op.results)
    release(owner)
    graph.ops = kept


def _key(op: Op) -> object:
    """Return what collectives that can be joined have in common, None for other ops."""
    if not isinstance(op, (AllGather, AllReduce)) or any(v.type.bytes > _SMALL for v in op.operands):
        return None
    if isinstance(op, AllReduce) and op.body is not None:
        return None
    return (type(op), *(getattr(op, name) for name in attribute_names(type(op))))


def _joined(parts: list[Op]) -> Op:
    first = parts[0]
    first.operands = [v for op in parts for v in op.operands]
    first.results = [r for op in parts for r in op.results]
    for i, result in enumerate(first.results):
        result.producer, result.index = first, i
    return first
