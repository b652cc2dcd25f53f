"""A cube region to the launch that computes it."""

from __future__ import annotations

from dataclasses import replace

from ...ir.graph import Value
from ...ir.kernel import Kernel
from ...ir.schedule import Launch, Region, Step
from ...targets import Target
from .convolution import plan_axes
from .emit_correlation import emit_correlation
from .gemm import Gemm, emit_gemm
from .phases import split_phases
from .read_region import read_region


class CubeLoweringError(Exception):
    """A region that the cube path does not take; the fusion pass should not have formed it."""


def lower_cube_region(region: Region, target: Target) -> list[Step]:
    """Return the launches that compute a region of kind "cube": one Dot or Convolution and what it carries."""
    (result,) = region.outputs
    if result.type.size == 0:
        return []
    read = read_region(region.ops, result)
    if read is None:
        ops = ", ".join(f"{op.name} at {op.loc or 'unknown'}" for op in region.ops)
        raise CubeLoweringError(
            f"[cube region: {ops}] no cube kernel computes these together; expected one dot or convolution of "
            f"{result.type}, layout ops before it, and what carried_ops allows after it."
        )
    if isinstance(read.problem, Gemm):
        kernels = [emit_gemm(read.problem, target)]
    else:
        kernels = [emit_correlation(*plan_axes(part, target), target) for part in split_phases(read.problem)]
    steps: list[Step] = []
    before: Value | None = None
    for index, kernel in enumerate(kernels):  # each writes its part of what the one before has written to
        output = result if index == len(kernels) - 1 else Value(result.type)
        starts_as = ((output, before),) if before else ()
        steps.append(Launch(_copy(kernel), [*read.arguments[:-1], output], [output], starts_as=starts_as))
        before = output
    return steps


def _copy(kernel: Kernel) -> Kernel:
    """Return a kernel of its own tiles and body: what follows gives them addresses and flags."""
    return replace(kernel, tiles=[replace(t) for t in kernel.tiles], body=list(kernel.body))
