"""Small regions that follow each other -> one kernel of the scalar unit, instead of a launch each.

    k = x[0] ^ x[1] ^ c;  a = (x[0] << 13 | x[0] >> 19) ^ k;  b = ...    ->    sload, sload, scompute, scompute, ..., sstore

Random keys, learning rates and step counters are such chains: a launch takes as long as a thousand of these steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...graph.builder import splat_element
from ...graph.graph import Graph, Op, Value
from ...graph.ops import Constant, DynamicSlice, GatherSlices, Slice
from ..steps import Launch, Way
from ..vector.nodes import NotVectorizable
from .control import LOWER, lower_graph
from .core_kernel import CoreKernel
from .registers import COMPUTED
from .values import MOST_CELLS

_PARTS = (Slice, DynamicSlice, GatherSlices)  # what reads a few elements of a large value


def is_small(ops: Sequence[Op]) -> bool:
    """Whether registers hold all that ops compute, and what they read or the parts of that."""
    return all(isinstance(op, Constant) or (type(op) in LOWER and _is_small(op)) for op in ops)


def _is_small(op: Op) -> bool:
    values = op.operands[1:] if isinstance(op, _PARTS) else op.operands
    return all(0 < v.type.size <= MOST_CELLS and v.dtype in COMPUTED for v in (*values, *op.results))


def chain_ways(ops: Iterable[Op], wanted: list[Value]) -> Iterator[Way]:
    """Yield the launch that computes the `wanted` values of ops, small loops among them; nothing if it cannot be written."""
    try:
        yield [_launch(list(dict.fromkeys(ops)), wanted)]
    except NotVectorizable:
        return


def _launch(ops: list[Op], wanted: list[Value]) -> Launch:
    made = {r for op in ops if not isinstance(op, Constant) for r in op.results}
    inputs = [
        v for v in dict.fromkeys(v for op in ops for v in op.operands) if v not in made and splat_element(v) is None
    ]
    kernel = CoreKernel("chain", MOST_CELLS)
    p = kernel.p
    graph = Graph("chain", inputs, ops, wanted)
    with p.graph(graph):
        for value in inputs:
            held = kernel.far(value)
            p.held[value] = held if value.type.size > MOST_CELLS else kernel.near(held)
        results = lower_graph(p, graph)
        for value, held in zip(wanted, results, strict=True):
            kernel.argument(value, writes=True)
            kernel.store(kernel.far(value), held)
    near = [v for v in inputs if v.type.size <= MOST_CELLS]  # read before anything is stored
    aliases = tuple((o, i) for o in wanted for i in near if o.type.bytes == i.type.bytes)
    return Launch(kernel.finish(), list(kernel.arguments), wanted, aliases)
