"""Recognition of scalar bodies: what a reducer, a scatter's update or a sort's comparator computes.

A body is turned into a nested tuple, `("compare GT", ("arg", 0), ("arg", 1))`, in which the operands of
commutative ops are ordered and `a GT b` is `b LT a`; then it is compared with the forms JAX emits.
"""

from __future__ import annotations

from typing import TypeAlias

from ..graph import ops
from ..graph.graph import Graph, Value

Expression: TypeAlias = "tuple[str | int | bytes | Expression, ...]"
_COMMUTATIVE = {"add", "mul", "max", "min", "and", "or", "xor"}


def expression(graph: Graph, value: Value) -> Expression:
    """Return the normalised expression of a value of a scalar body."""
    op = value.producer
    if op is None:
        return ("arg", value.index) if value in graph.arguments else ("outer", id(value))
    inner = [expression(graph, v) for v in op.operands]
    if isinstance(op, ops.Constant):
        return ("const", str(value.dtype), op.value.tobytes()[: value.dtype.bytes])
    if isinstance(op, ops.Binary):
        return (op.kind, *(sorted(inner, key=repr) if op.kind in _COMMUTATIVE else inner))
    if isinstance(op, ops.Unary):
        return (op.kind, *inner)
    if isinstance(op, ops.Compare):
        direction = op.direction
        if direction in ("GT", "GE"):
            direction, inner = {"GT": "LT", "GE": "LE"}[direction], inner[::-1]
        elif direction in ("EQ", "NE"):
            inner = sorted(inner, key=repr)
        return (f"{direction}{' total' if op.total_order else ''}", *inner)
    if isinstance(op, ops.Select):
        return ("select", *inner)
    if isinstance(op, ops.Convert):
        return ("convert", str(value.dtype), *inner)
    return (op.name, id(value))


def reduction_kind(body: Graph) -> str | None:
    """Return the Reduce kind of a two-argument body with one result, or None."""
    if len(body.results) != 1 or len(body.arguments) != 2:
        return None
    form = expression(body, body.results[0])
    kind, *inner = form
    if inner == [("arg", 0), ("arg", 1)] and kind in _COMMUTATIVE:
        return kind
    return None


def update_kind(body: Graph) -> str | None:
    """Return the Scatter kind of a body (current, update), or None."""
    if len(body.results) == 1 and len(body.arguments) == 2 and body.results[0] is body.arguments[1]:
        return "assign"
    return reduction_kind(body)


def arg_reduction(body: Graph) -> str | None:
    """Return argmax or argmin if a body (value, index, value, index) is the one JAX emits, else None."""
    if len(body.results) != 2 or len(body.arguments) != 4:
        return None
    a, i, b, j = (("arg", n) for n in range(4))
    value, index = (expression(body, r) for r in body.results)
    for kind, wins in (("argmax", ("LT", b, a)), ("argmin", ("LT", a, b))):
        strictly = [("or", *sorted((wins, ("NE", a, a)), key=repr)), wins]
        tie = ("and", *sorted((("EQ", a, b), ("LT", i, j)), key=repr))
        for first in strictly:
            either = ("or", *sorted((first, tie), key=repr))
            if value == ("select", first, a, b) and index == ("select", either, i, j):
                return kind
    return None


def lexicographic_keys(body: Graph) -> list[tuple[Value, Value, bool]] | None:
    """Split a comparator into compared pairs, most significant first: (left, right, total order), or None.

    Handles `lt(k0)` and `lt(k0) or (eq(k0) and lt(k1))`, nested, where lt may be LT or GT.
    """
    keys: list[tuple[Value, Value, bool]] = []
    value = body.results[0]
    while True:
        op = value.producer
        if isinstance(op, ops.Compare) and op.direction in ("LT", "GT", "LE", "GE"):
            keys.append(_ordered(op))
            return keys
        if not (isinstance(op, ops.Binary) and op.kind == "or"):
            return None
        first, rest = op.operands
        if not isinstance(first.producer, ops.Compare):
            first, rest = rest, first
        less, both = first.producer, rest.producer
        if not isinstance(less, ops.Compare) or less.direction not in ("LT", "GT"):
            return None
        if not (isinstance(both, ops.Binary) and both.kind == "and"):
            return None
        equal, value = both.operands
        if not (isinstance(equal.producer, ops.Compare) and equal.producer.direction == "EQ"):
            equal, value = value, equal
        if not (isinstance(equal.producer, ops.Compare) and equal.producer.direction == "EQ"):
            return None
        if {expression(body, v) for v in equal.producer.operands} != {expression(body, v) for v in less.operands}:
            return None
        keys.append(_ordered(less))


def _ordered(op: ops.Compare) -> tuple[Value, Value, bool]:
    left, right = op.operands if op.direction in ("LT", "LE") else op.operands[::-1]
    return left, right, op.total_order
