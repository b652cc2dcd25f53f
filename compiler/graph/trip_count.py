"""How often a While runs, where the program says so: a counter from a constant, up by a constant, below a constant.

And which integers of its body are known then: start + step * iteration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .graph import Graph, Value
from .ops import Binary, Compare, Constant, While


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
    count = max(0, -(-(bound - start) // step))
    wraps = start + count * step > _limits(counter)[1]  # then the condition holds again
    return None if wraps else count


@dataclass(frozen=True)
class Progression:
    """An integer scalar of a loop body: start + step * iteration."""

    start: int
    step: int

    def within(self, low: int, high: int, count: int) -> bool:
        """Whether it stays in [low, high] in `count` iterations."""
        last = self.start + self.step * (count - 1)
        return low <= min(self.start, last) and max(self.start, last) <= high


def progressions(op: While, count: int) -> dict[Value, Progression]:
    """Return the values of the body of a loop of `count` iterations that progress evenly and do not wrap.

    These are carried counters, and sums and differences of these and constants.
    """
    found: dict[Value, Progression] = {}
    for i, argument in enumerate(op.body.arguments):
        start, step = _constant(op.operands[i]), _increment(op.body, i)
        if start is not None and step is not None:
            found[argument] = Progression(start, step)

    def known(value: Value) -> Progression | None:
        constant = _constant(value)
        return found.get(value) if constant is None else Progression(constant, 0)

    for inner in op.body.ops:
        if isinstance(inner, Binary) and inner.kind in ("add", "sub"):
            a, b = map(known, inner.operands)
            if a is not None and b is not None:
                sign = 1 if inner.kind == "add" else -1
                found[inner.result] = Progression(a.start + sign * b.start, a.step + sign * b.step)
    return {v: p for v, p in found.items() if p.within(*_limits(v), count)}


def _limits(value: Value) -> tuple[int, int]:
    info = np.iinfo(value.dtype.numpy)
    return int(info.min), int(info.max)


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
