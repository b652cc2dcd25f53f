"""Products: what is cut along a contracted dimension gives parts of sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...graph import ops
from ...graph.graph import Op, Value
from ..halo import Slide, sliding_factors, with_borders
from ..plan import Dims, Factors, Part, Plan
from .shape import replace_op


def dot(op: ops.Dot) -> Plan:
    """Batch, free and contracted dimensions."""
    f = Factors()
    l, r = op.operands
    left: list[tuple[int, ...]] = [()] * l.type.rank
    right: list[tuple[int, ...]] = [()] * r.type.rank
    for a, b in zip(op.lhs_batch + op.lhs_contracting, op.rhs_batch + op.rhs_contracting):
        left[a] = right[b] = (f.new(l.shape[a]),)
    reductions = {left[d][0]: "add" for d in op.lhs_contracting}
    free = op.free()
    for dims, value, own in ((left, l, free[0]), (right, r, free[1])):
        for d in own:
            dims[d] = (f.new(value.shape[d]),)
    out = (*(left[d] for d in (*op.lhs_batch, *free[0])), *(right[d] for d in free[1]))
    return Plan(f.sizes, [tuple(left), tuple(right)], [out], reductions)


def convolution(op: ops.Convolution) -> Plan:
    """Batch, features and groups of both; spatial dimensions of which parts of the operand belong to parts of the result."""
    f = Factors()
    x, k = op.operands
    rank = x.type.rank
    left: list[tuple[int, ...]] = [()] * rank
    right: list[tuple[int, ...]] = [()] * rank
    out: list[tuple[int, ...]] = [()] * rank
    (batch, feature), (out_feature, in_feature) = op.lhs_spec[:2], op.rhs_spec[:2]
    out_batch, result_feature = op.out_spec[:2]
    by_feature, by_batch = (f.new(n) if n > 1 else None for n in (op.feature_groups, op.batch_groups))
    group = tuple(g for g in (by_feature, by_batch) if g is not None)
    samples = f.new(op.result.shape[out_batch])
    contracted = f.new(k.shape[in_feature])
    made = f.new(k.shape[out_feature] // (op.feature_groups * op.batch_groups))
    left[batch] = (samples,) if by_batch is None else (by_batch, samples)
    left[feature] = (contracted,) if by_feature is None else (by_feature, contracted)
    right[in_feature] = (contracted,)
    right[out_feature] = out[result_feature] = (*group, made)
    out[out_batch] = (samples,)
    slides: dict[int, Slide] = {}
    for i, (a, c) in enumerate(zip(op.lhs_spec[2:], op.out_spec[2:])):
        if op.lhs_dilation[i] == 1:
            slides[i] = Slide(k.shape[op.rhs_spec[2 + i]], op.stride[i], op.low[i], op.rhs_dilation[i])
            left[a], out[c] = sliding_factors(f, x.shape[a], op.result.shape[c], slides[i])
    spatial = {i: left[op.lhs_spec[2 + i]][0] for i in slides if left[op.lhs_spec[2 + i]]}

    def local(part: Part) -> Sequence[Value]:
        groups = {
            name: getattr(op, name) // (part.extent(g) if g is not None else 1)
            for name, g in (("feature_groups", by_feature), ("batch_groups", by_batch))
        }
        value, kernel = part.operands
        low, high = list(op.low), list(op.high)
        for i, factor in spatial.items():
            if part.extent(factor) > 1:
                value = with_borders(part, value, op.lhs_spec[2 + i], factor, slides[i])
                low[i], high[i] = min(slides[i].before, 0), min(slides[i].after, 0)
        return part.emit(replace_op(op, [value, kernel], low=tuple(low), high=tuple(high), **groups))

    dims: list[Dims] = [tuple(left), tuple(right)]
    even = frozenset(spatial.values())
    return Plan(f.sizes, dims, [tuple(out)], {contracted: "add"}, even, local=local)


PLANS: dict[type[Op], Callable[..., Plan]] = {ops.Dot: dot, ops.Convolution: convolution}
