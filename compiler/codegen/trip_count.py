"""How often a While runs, where the program says so: a counter from a constant, up by a constant, below a constant."""

from __future__ import annotations

from ..ir.graph import Graph, Value
from ..ir.ops import Binary, Compare, Constant, While


def trip_count(op: While) -> int | None:
    """Return the number of iterations of counting loops (what `fori_loop` and `scan` emit), None for others."""
    compare = op.cond.results[0].producer
    if not isinstance(compare, Compare) or compare.direction != "LT":
        return None
    counter, limit = compare.operands
    if counter not in op.cond.arguments:
        return None
    i = op.cond.arguments.index(counter)
    bound = _constant(limit)
    if bound is None and limit in op.cond.arguments:
        j = op.cond.arguments.index(limit)
        bound = _constant(op.operands[j]) if op.body.results[j] is op.body.arguments[j] else None
    start, step = _constant(op.operands[i]), _increment(op.body, i)
    if bound is None or start is None or step is None or step <= 0:
        return None
    return max(0, -(-(bound - start) // step))


def _constant(value: Value) -> int | None:
    op = value.producer
    if isinstance(op, Constant) and op.value.size == 1 and value.dtype.is_integer:
        return int(op.value.reshape(()))
    return None


def _increment(body: Graph, i: int) -> int | None:
    op = body.results[i].producer
    if not isinstance(op, Binary) or op.kind != "add":
        return None
    for a, b in (op.operands, op.operands[::-1]):
        if a is body.arguments[i]:
            return _constant(b)
    return None
