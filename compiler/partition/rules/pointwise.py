"""Ops on each element alone, whose operands and results have the same dimensions."""

from __future__ import annotations

from collections.abc import Callable

from ...graph import ops
from ...graph.graph import Op
from ..plan import Factors, Plan


def pointwise(op: Op) -> Plan:
    """Return a factor a dimension, the same in all operands and results."""
    f = Factors()
    dims = f.each(op.results[0].shape)
    return Plan(f.sizes, [dims] * len(op.operands), [dims] * len(op.results))


def bitcast(op: Op) -> Plan:
    """Return factors of the dimensions that both shapes have; one that is new or gone counts the pieces of an element."""
    f = Factors()
    (x,), (y,) = op.operands, op.results
    common = f.each(min(x.shape, y.shape, key=len))
    before, after = (common + ((),) * (v.type.rank - len(common)) for v in (x, y))
    return Plan(f.sizes, [before], [after])


def separate(op: Op) -> Plan:
    """Return factors of each operand, which are those of the result of the same number."""
    f = Factors()
    dims = [f.each(v.shape) for v in op.operands]
    return Plan(f.sizes, dims, dims, separate=True)


PLANS: dict[type[Op], Callable[..., Plan]] = {
    **dict.fromkeys((ops.Binary, ops.Compare, ops.Convert, ops.ReducePrecision, ops.Select, ops.Unary), pointwise),
    ops.BitcastConvert: bitcast,
    ops.OptimizationBarrier: separate,
}
