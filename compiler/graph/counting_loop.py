"""A While that counts to a constant, around a step written in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..isa.dtypes import DType
from . import ops
from .builder import Builder
from .graph import Graph, TensorType, Value


def loop(
    b: Builder, start: Sequence[Value], steps: int, step: Callable[[Builder, Value, list[Value]], Sequence[Value]]
) -> list[Value]:
    """Return the values of start after `steps` applications of step(builder, j, values)."""
    scalar = TensorType((), DType.i32)
    types = [scalar, *(v.type for v in start)]
    cond, body = Graph("cond"), Graph("body")
    for graph in (cond, body):
        for type in types:
            graph.argument(type)
    test = Builder(cond.ops, b.loc)
    cond.results = [test.compare("LT", cond.arguments[0], test.constant(steps, scalar))]
    inner = Builder(body.ops, b.loc)
    j, *values = body.arguments
    body.results = [inner.binary("add", j, inner.constant(1, scalar)), *step(inner, j, values)]
    return b.emit_op(ops.While([b.constant(0, scalar), *start], cond, body), types)[1:]
