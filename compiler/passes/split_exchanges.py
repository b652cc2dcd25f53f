"""A product whose result is summed over devices -> parts of it, so that one is exchanged while the next is computed.

    %y = dot(%x, %w)   %z = all_reduce(%y)
        ->  %y0 = dot(%x[:n], %w)   %z0 = all_reduce(%y0)   %y1 = dot(%x[n:], %w)   %z1 = all_reduce(%y1)   %z = concatenate(%z0, %z1)

The parts are rows that lie side by side in memory, so they are computed into their places, and nothing is copied
(planning/place_values.py). There are as many as an estimate says is best, if any: each costs its launches, and an exchange its
start, which goes on beside the one before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod

from ..cost_estimate import Estimator
from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import Graph, Op, TensorType, Value
from ..graph.module import Module
from ..graph.rewrite import rewrite
from ..targets import Target

_PARTS = (2, 3, 4, 6, 8)
_ROWS = 128  # of a part, at least and in multiples: what fills the cube unit's tiles
_GAIN = 0.9  # of the time without parts, from which on they pay


def split_exchanges(module: Module, target: object) -> None:
    """Divide products before all_reduce and reduce_scatter where that pays on the target, in place."""
    if not isinstance(target, Target) or module.num_replicas * module.num_partitions < 2:
        return
    uses = Counter[Value]()
    graphs: list[Graph] = [module.main]
    seen: set[int] = set()
    while graphs:
        graph = graphs.pop()
        if id(graph) in seen:
            continue
        seen.add(id(graph))
        uses.update(graph.results)
        for op in graph.ops:
            uses.update(op.operands)
            graphs += op.regions()
    estimator = Estimator(target)
    rewrite(module.main, lambda op, b: _split(op, b, uses, estimator))


def _split(op: Op, b: Builder, uses: Counter[Value], estimator: Estimator) -> Sequence[Value] | None:
    if not isinstance(op, (ops.AllReduce, ops.ReduceScatter)) or len(op.operands) != 1 or op.kind == "general":
        return None
    (y,) = op.operands
    dot = y.producer
    if not isinstance(dot, ops.Dot) or uses[y] != 1:
        return None
    d = next((d for d, n in enumerate(y.shape) if n > 1), 0)
    free = [i for i in range(dot.operands[0].type.rank) if i not in (*dot.lhs_batch, *dot.lhs_contracting)]
    number = d - len(dot.lhs_batch)
    if not 0 <= number < len(free) or (isinstance(op, ops.ReduceScatter) and op.dimension <= d):
        return None
    below = prod(y.shape[d + 1 : len(dot.lhs_batch) + len(free)])
    size = _part(op, dot, y.shape[d], below, estimator)
    if size is None:
        return None
    x, w = dot.operands
    parts: list[Value] = []
    for start in range(0, y.shape[d], size):
        stop = min(start + size, y.shape[d])
        rows = b.slice_dim(x, free[number], start, stop)
        part = b.emit(dot.clone([rows, w]), _with(y.type, d, stop - start))
        parts.append(b.emit(op.clone([part]), _with(op.results[0].type, d, stop - start)))
    return [b.emit(ops.Concatenate(parts, d), op.results[0].type)]


def _with(type: TensorType, d: int, size: int) -> TensorType:
    return TensorType((*type.shape[:d], size, *type.shape[d + 1 :]), type.dtype)


def _part(
    op: ops.AllReduce | ops.ReduceScatter, dot: ops.Dot, size: int, below: int, estimator: Estimator
) -> int | None:
    """Return how many of `size` a part should have, each with `below` rows; None if the whole is best."""
    dispatch, product = estimator.target.launch_dispatch, estimator.product(dot)
    whole = estimator.exchange(op)
    if whole.on_cores:
        return None
    unit = -(-_ROWS // below)
    best, chosen = _GAIN * (dispatch + product + whole.seconds), None
    for count in _PARTS:
        part = -(-size // (count * unit)) * unit
        cores = links = 0.0
        for start in range(0, size, part):
            share = min(part, size - start) / size
            exchange = estimator.exchange(op, share)
            cores += dispatch + share * product
            links = max(cores + exchange.start, links) + exchange.links + exchange.network
            if exchange.on_cores:  # they would not be beside the product
                links = float("inf")
        if part < size and links < best:
            best, chosen = links, part
    return chosen
