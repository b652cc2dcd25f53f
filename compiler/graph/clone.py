"""Copies of ops and of the graphs they hold."""

from __future__ import annotations

from collections.abc import Sequence

from .graph import Graph, Op, Value, region_names
from .ops import Call


def clone_into(target: list[Op], body: Graph, arguments: Sequence[Value]) -> list[Value]:
    """Append a copy of a graph's ops, on these arguments, to `target`; return the copies of its results."""
    values = dict(zip(body.arguments, arguments, strict=True))
    _clone_ops(target, body.ops, values)
    return [values.get(v, v) for v in body.results]


def clone_graph(graph: Graph, values: dict[Value, Value]) -> Graph:
    """Copy a region; `values` maps the outer values it uses, if they changed."""
    copy = Graph(graph.name)
    for argument in graph.arguments:
        values[argument] = copy.argument(argument.type)
    _clone_ops(copy.ops, graph.ops, values)
    copy.results = [values.get(v, v) for v in graph.results]
    return copy


def _clone_ops(target: list[Op], source: list[Op], values: dict[Value, Value]) -> None:
    get = values.get
    for op in source:
        copy: Op = object.__new__(type(op))
        copy.__dict__.update(op.__dict__)
        copy.operands = [get(v, v) for v in op.operands]
        copy.results = [Value(r.type, copy, r.index) for r in op.results]
        values.update(zip(op.results, copy.results))
        for name in region_fields(op):
            held = getattr(op, name)
            setattr(
                copy,
                name,
                clone_graph(held, values) if isinstance(held, Graph) else [clone_graph(g, values) for g in held],
            )
        target.append(copy)


def region_fields(op: Op) -> tuple[str, ...]:
    """Return the names of the fields that hold graphs which belong to the op (a Call shares its callee)."""
    if isinstance(op, Call):
        return ()
    return tuple(name for name in region_names(type(op)) if getattr(op, name) is not None)
