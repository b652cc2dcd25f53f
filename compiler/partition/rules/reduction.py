"""Ops that combine elements along dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...graph import ops
from ...graph.graph import Op
from ..plan import Factors, Plan


def reduce(op: ops.Reduce) -> Plan:
    """Reduced dimensions may be cut: parts are combined by the same reduction."""
    f = Factors()
    dims = f.each(op.operands[0].shape)
    kept = tuple(factors for d, factors in enumerate(dims) if d not in op.dimensions)
    return Plan(f.sizes, [dims], [kept], {k: op.kind for d in op.dimensions for k in dims[d]})


def cumulative(op: ops.Cumulative) -> Plan:
    """All dimensions but the one it goes along."""
    f = Factors()
    dims = f.each(op.operands[0].shape, [op.dimension])
    return Plan(f.sizes, [dims], [dims])


def arg_reduce(op: ops.ArgReduce) -> Plan:
    """The dimension whose index is asked for stays whole."""
    f = Factors()
    dims = f.each(op.operands[0].shape, [op.dimension])
    return Plan(f.sizes, [dims], [tuple(factors for d, factors in enumerate(dims) if d != op.dimension)])


def general_reduce(op: ops.GeneralReduce) -> Plan:
    """Reduced dimensions stay whole: the initial value counts once, and it need not be neutral."""
    f = Factors()
    n = len(op.results)
    dims = f.each(op.operands[0].shape, op.dimensions)
    kept = tuple(factors for d, factors in enumerate(dims) if d not in op.dimensions)
    return Plan(f.sizes, [dims] * n + [()] * n, [kept] * n)


def reduce_window(op: ops.ReduceWindow) -> Plan:
    """Dimensions along which a window has one element may be cut."""
    f = Factors()
    n = len(op.results)
    dims = f.each(op.operands[0].shape, _slid(op, (op.base_dilation,)))
    return Plan(f.sizes, [dims] * n + [()] * n, [dims] * n)


def select_and_scatter(op: ops.SelectAndScatter) -> Plan:
    """Dimensions along which a window has one element may be cut."""
    f = Factors()
    dims = f.each(op.operands[0].shape, _slid(op, ()))
    return Plan(f.sizes, [dims, dims, ()], [dims])


def _slid(op: ops.ReduceWindow | ops.SelectAndScatter, dilations: Sequence[Sequence[int]]) -> list[int]:
    ones = (op.window, op.stride, *dilations)
    return [
        d for d in range(len(op.window)) if any(l[d] != 1 for l in ones) or any(l[d] != 0 for l in (op.low, op.high))
    ]


PLANS: dict[type[Op], Callable[..., Plan]] = {
    ops.ArgReduce: arg_reduce,
    ops.Cumulative: cumulative,
    ops.GeneralReduce: general_reduce,
    ops.Reduce: reduce,
    ops.ReduceWindow: reduce_window,
    ops.SelectAndScatter: select_and_scatter,
}
