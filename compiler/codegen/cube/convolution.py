"""A Convolution, in any dimension order, as a matrix product or a correlation in strides.

Where every element of the map is under one tap at most and none falls into padding (1x1 kernels, patches) the
convolution is a matrix product. Otherwise it is a correlation: forward, or with positions and taps in each other's role
if the window is the larger of the two, as it is when a gradient of weights is written as a convolution.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ...graph.ops import Convolution
from ...isa.machine import ACCUMULATORS
from ...targets import Target
from .correlation import Axis, Correlation, CorrelationPlan, plan_correlation
from .dot import Strided
from .gemm import Gemm
from .groups import Dim, Group, collapse

_UNIT_AXIS = Axis(1, 1, 1, 1, 1, 0, 1, 0, 0, 0)


def convolution_axes(op: Convolution, x: Strided, k: Strided, out: Strided) -> tuple[tuple[Axis, ...], Strided]:
    """Return the spatial axes and the kernel with reversed axes turned round."""
    offset, axes = k.offset, list[Axis]()
    for i in range(len(op.stride)):
        dx, dk, dy = op.lhs_spec[2 + i], op.rhs_spec[2 + i], op.out_spec[2 + i]
        taps, tap_stride = k.shape[dk], k.strides[dk]
        if op.reversal and op.reversal[i]:
            offset += (taps - 1) * tap_stride
            tap_stride = -tap_stride
        stride, dilation, padding = op.stride[i], op.rhs_dilation[i], op.low[i]
        sizes = (x.shape[dx], out.shape[dy], taps)
        strides = (x.strides[dx], out.strides[dy], tap_stride)
        axes.append(Axis(*sizes, stride, dilation, padding, op.lhs_dilation[i], *strides))
    return tuple(axes), replace(k, offset=offset)


def convolution_problem(
    op: Convolution, x: Strided, k: Strided, out: Strided, bias: Strided | None, relu: bool
) -> Gemm | Correlation | None:
    """Express a Convolution on strided operands, with a bias per output feature; None if it cannot have one."""
    axes, k = convolution_axes(op, x, k, out)
    groups = op.feature_groups * op.batch_groups
    (xb, xc), (kf, kc), (yb, yc) = op.lhs_spec[:2], op.rhs_spec[:2], op.out_spec[:2]
    images, channels, features = out.shape[yb], k.shape[kc], out.shape[yc] // groups
    # Consecutive groups take consecutive channels (or images) of the map and consecutive features.
    step = channels * x.strides[xc] if op.feature_groups > 1 else images * x.strides[xb]
    group: Group = ()
    if groups > 1:
        per_bias = features * bias.strides[0] if bias else 0
        group = (Dim(groups, (step, features * k.strides[kf], features * out.strides[yc], per_bias)),)
    image = Dim(images, (x.strides[xb], out.strides[yb]))
    channel = Dim(channels, (x.strides[xc], k.strides[kc]))
    feature = Dim(features, (k.strides[kf], out.strides[yc], bias.strides[0] if bias else 0))
    accumulator = ACCUMULATORS[x.value.dtype]
    if all(_is_patch(a) for a in axes):
        m = [image, *(Dim(a.positions, (a.map_stride * a.stride, a.position_stride)) for a in axes)]
        depth = [*(Dim(a.taps, (a.map_stride * a.dilation, a.tap_stride)) for a in axes), channel]
        if bias and groups > 1:
            return None  # a matrix product has one bias for all of its batch
        start = replace(x, offset=x.offset - sum(a.low * a.map_stride for a in axes)).buffer
        batch = tuple(Dim(d.size, d.strides[:3]) for d in group)
        added = bias.buffer if bias else None
        return Gemm(
            batch,
            collapse(m),
            collapse([feature]),
            collapse(depth),
            start,
            k.buffer,
            out.buffer,
            accumulator,
            added,
            relu,
        )
    axes = (*(_UNIT_AXIS,) * (2 - len(axes)), *axes)
    if prod(a.taps for a in axes) <= prod(a.positions for a in axes):
        return Correlation(
            False, group, image, channel, feature, axes, x.buffer, k.buffer, out.buffer, accumulator,
            bias.buffer if bias else None, relu,
        )  # fmt: skip
    if bias:
        return None
    swapped = tuple(a.swapped() for a in axes)
    return Correlation(
        True, group, Dim(channels, channel.strides), Dim(images, image.strides), feature, swapped,
        x.buffer, k.buffer, out.buffer, accumulator, None, relu,
    )  # fmt: skip


def _is_patch(axis: Axis) -> bool:
    """Whether taps never overlap from position to position, nor meet padding or gaps of the map."""
    reach = (axis.taps - 1) * axis.dilation
    last = (axis.positions - 1) * axis.stride + reach - axis.low
    apart = axis.stride > reach or axis.positions == 1
    return apart and (axis.map_dilation == 1 or axis.size == 1) and axis.low <= 0 and last < axis.size


def plan_axes(problem: Correlation, target: Target) -> tuple[Correlation, CorrelationPlan]:
    """Plan a correlation, its rows taken one by one if a slab of both axes is too large."""
    plan = plan_correlation(problem, target)
    if plan is None:
        problem = replace(problem, axes=(*problem.axes[:-1], _UNIT_AXIS, problem.axes[-1]))
        plan = plan_correlation(problem, target)
    if plan is None:
        problem = replace(problem, axes=(*problem.axes, _UNIT_AXIS))
        plan = plan_correlation(problem, target)
    assert plan is not None, "one element of the map fits L1"
    return problem, plan
