"""Replace calls by the ops of their callees.

    %1 = call(%0) @f          ->    %1 = unary(%0) kind=exp
    graph @f(%a) { exp }

The last call of a callee takes its ops as they are; the calls before it get copies.
"""

from __future__ import annotations

from ..graph.clone import clone_into
from ..graph.graph import Graph, Op, Value
from ..graph.module import Module
from ..graph.ops import Call


def inline_calls(module: Module, target: object) -> None:
    """Inline every call of the module, in place."""
    calls: dict[int, int] = {}
    _count(module.main, calls)
    _inline(module.main, calls, {}, set())


def _count(graph: Graph, calls: dict[int, int]) -> None:
    """Count the call sites of each callee, those in a callee once."""
    for op in graph.ops:
        if isinstance(op, Call):
            first = id(op.callee) not in calls
            calls[id(op.callee)] = calls.get(id(op.callee), 0) + 1
            if first:
                _count(op.callee, calls)
        else:
            for region in op.regions():
                _count(region, calls)


def _inline(graph: Graph, calls: dict[int, int], mapping: dict[Value, Value], done: set[int]) -> None:
    if id(graph) in done:
        return
    done.add(id(graph))
    flat: list[Op] = []
    get = mapping.get
    for op in graph.ops:
        op.operands = [get(v, v) for v in op.operands]
        if not isinstance(op, Call):
            for region in op.regions():
                _inline(region, calls, mapping, done)
            flat.append(op)
            continue
        callee = op.callee
        _inline(callee, calls, mapping, done)
        calls[id(callee)] -= 1
        if calls[id(callee)]:
            results = clone_into(flat, callee, op.operands)
        else:
            results = _splice(flat, callee, op.operands)
        mapping.update(zip(op.results, results, strict=True))
    graph.ops = flat
    graph.results = [get(v, v) for v in graph.results]


def _splice(target: list[Op], callee: Graph, arguments: list[Value]) -> list[Value]:
    """Move a callee's ops, with its arguments replaced, to `target`; return its results."""
    values = dict(zip(callee.arguments, arguments, strict=True))
    get = values.get

    def replace(graph: Graph) -> None:
        for op in graph.ops:
            op.operands = [get(v, v) for v in op.operands]
            for region in op.regions():
                replace(region)
        graph.results = [get(v, v) for v in graph.results]

    replace(callee)
    target.extend(callee.ops)
    return callee.results
