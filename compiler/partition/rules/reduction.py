"""Ops that combine elements along dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...graph import ops
from ...graph.graph import Op, Value
from ..halo import Slide, sliding_factors, with_borders
from ..plan import Factors, Part, Plan
from .shape import replace_op


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
    """Dimensions along which a window has one element, or of which parts of the operand belong to parts of the result."""
    f = Factors()
    n = len(op.results)
    slid = _slid(op, (op.base_dilation,))
    x, y = op.operands[0], op.results[0]
    given = list(f.each(x.shape, slid))
    made = list(given)
    slides = {
        d: Slide(op.window[d], op.stride[d], op.low[d], op.window_dilation[d]) for d in slid if op.base_dilation[d] == 1
    }
    for d, slide in slides.items():
        given[d], made[d] = sliding_factors(f, x.shape[d], y.shape[d], slide)
    cut = {d: given[d][0] for d in slides if given[d]}

    def local(part: Part) -> Sequence[Value]:
        values, starts = list(part.operands[:n]), part.operands[n:]
        low, high = list(op.low), list(op.high)
        for d, factor in cut.items():
            if part.extent(factor) > 1:
                values = [with_borders(part, v, d, factor, slides[d], start) for v, start in zip(values, starts)]
                low[d], high[d] = min(slides[d].before, 0), min(slides[d].after, 0)
        return part.emit(replace_op(part.op, [*values, *starts], low=tuple(low), high=tuple(high)))

    operands = [tuple(given)] * n + [()] * n
    return Plan(f.sizes, operands, [tuple(made)] * n, even=frozenset(cut.values()), local=local)


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
