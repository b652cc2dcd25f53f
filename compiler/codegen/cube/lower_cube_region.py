"""A cube region to the launch that computes it.

transpose(x) ; dot ; convert   ->   one kernel: strided loads, product, conversion as the result drains
"""

from __future__ import annotations

from dataclasses import replace

from ...ir.graph import Op, Value
from ...ir.kernel import Kernel
from ...ir.ops import Convert, Convolution, Dot, Transpose
from ...ir.schedule import Launch, Region, Step
from ...targets import Target
from .convolution import convolution_problem, plan_axes
from .dot import LAYOUT_OPS, Strided, apply_layout, dot_problem, row_major, whole
from .emit_correlation import emit_correlation
from .gemm import Gemm, emit_gemm


class CubeLoweringError(Exception):
    """A region that the cube path does not take; the fusion pass should not have formed it."""


def lower_cube_region(region: Region, target: Target) -> list[Step]:
    """Return the launches that compute a region of kind "cube"."""
    if region.outputs[0].type.size == 0:
        return []
    views: dict[Value, Strided] = {}
    anchor: Op | None = None
    for op in region.ops:
        if isinstance(op, (Dot, Convolution)):
            anchor = op
        elif anchor is None and isinstance(op, LAYOUT_OPS):
            source = op.operands[0]
            view = apply_layout(op, views.get(source) or whole(source))
            if view is None:
                raise CubeLoweringError(f"[cube region, {op.name} at {op.loc}] strides cannot express this operand.")
            views[op.result] = view
    if not isinstance(anchor, (Dot, Convolution)):
        raise CubeLoweringError("[cube region] has no dot or convolution. Give it to another lowering.")
    lhs, rhs = (views.get(v) or whole(v) for v in anchor.operands)
    (result,) = region.outputs
    out = _result_strides(region.ops[region.ops.index(anchor) + 1 :], anchor, result)
    if isinstance(anchor, Dot):
        problem = dot_problem(anchor, lhs, rhs, out, None, False)
    else:
        problem = convolution_problem(anchor, lhs, rhs, out, False)
    if isinstance(problem, Gemm):
        kernel = emit_gemm(problem, target)
    else:
        kernel = emit_correlation(*plan_axes(problem, target), target)
    return [Launch(_copy(kernel), [lhs.value, rhs.value, result], [result])]


def _copy(kernel: Kernel) -> Kernel:
    """Return a kernel of its own tiles and body: what follows gives them addresses and flags."""
    return replace(kernel, tiles=[replace(t) for t in kernel.tiles], body=list(kernel.body))


def _result_strides(ops: list[Op], anchor: Op, result: Value) -> Strided:
    """Return the anchor's result as it lies in the region's output, after the transposes that follow it."""
    order = list(range(anchor.result.type.rank))
    for op in ops:
        if isinstance(op, Transpose):
            order = [order[p] for p in op.permutation]
        elif not isinstance(op, Convert):
            raise CubeLoweringError(f"[cube region, {op.name} at {op.loc}] cannot follow a contraction in its kernel.")
    dense = row_major(result.shape)
    strides = [0] * len(order)
    for position, dimension in enumerate(order):
        strides[dimension] = dense[position]
    return Strided(result, 0, anchor.result.shape, tuple(strides))
