"""What JAX's `compiled.cost_analysis()` reports of a program: operations and bytes, counted before it runs.

Counted as XLA counts them: a multiply-add is two flops; any other arithmetic on an element is one, or one
transcendental. Loops count with their trip count (once where data decides it), a conditional with its dearest
branch. "bytes accessed" are the buffers that the launches read and write, so what fusion keeps on chip is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .codegen.steps import Call
from .graph.graph import Graph, Op
from .graph.ops import (
    AicpuKernel,
    ArgReduce,
    Binary,
    Case,
    Compare,
    Convolution,
    Cumulative,
    Dot,
    Reduce,
    Select,
    Unary,
    While,
)
from .graph.trip_count import trip_count
from .isa.stream import AICPU_BY_NAME
from .planning.schedule import Branches, Loop, Schedule

_TRANSCENDENTAL = frozenset(
    (
        "exp",
        "expm1",
        "log",
        "log1p",
        "sqrt",
        "rsqrt",
        "cbrt",
        "sin",
        "cos",
        "tan",
        "tanh",
        "logistic",
        "erf",
        "erfc",
        "pow",
        "atan2",
    )
)


@dataclass(frozen=True)
class Operations:
    """Arithmetic of a graph, by kind."""

    flops: int = 0
    transcendentals: int = 0

    def __add__(self, other: Operations) -> Operations:
        return Operations(self.flops + other.flops, self.transcendentals + other.transcendentals)

    def times(self, n: int) -> Operations:
        """Return what n runs cost."""
        return Operations(self.flops * n, self.transcendentals * n)


def count_operations(graph: Graph) -> Operations:
    """Return the operations of one run of `graph`, those of nested graphs included."""
    return sum(map(_operations, graph.ops), Operations())


def _operations(op: Op) -> Operations:
    size = op.results[0].type.size if op.results else 0
    match op:
        case Dot():
            return Operations(2 * size * prod(op.operands[0].shape[d] for d in op.lhs_contracting))
        case Convolution():
            kernel = op.operands[1]
            return Operations(2 * size * kernel.type.size // max(1, kernel.shape[op.rhs_spec[0]]))
        case AicpuKernel():
            return Operations(int(AICPU_BY_NAME[op.kernel].flops(dict(op.parameters))))
        case Unary(kind=kind) | Binary(kind=kind) if kind in _TRANSCENDENTAL:
            return Operations(transcendentals=size)
        case Unary() | Binary() | Compare() | Select():
            return Operations(size)
        case Reduce() | ArgReduce() | Cumulative():
            return Operations(op.operands[0].type.size - size)
        case While():
            return (count_operations(op.cond) + count_operations(op.body)).times(_trips(op))
        case Case():
            return max(map(count_operations, op.branches), key=lambda o: o.flops + o.transcendentals)
        case _:
            return Operations()


def count_bytes(schedule: Schedule) -> int:
    """Return the bytes of the buffers that all launches of one run read and write."""
    total = 0
    for item in schedule.items:
        match item:
            case _ if isinstance(item, Call):
                total += sum(v.type.bytes for v in item.arguments)
            case Loop():
                total += _trips(item.op) * sum(map(count_bytes, item.parts))
            case Branches():
                total += max(map(count_bytes, item.parts))
            case _:  # no launch
                pass
    return total


def _trips(op: While) -> int:
    count = trip_count(op)
    return 1 if count is None else count
