"""A cube region to the launches that compute it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...fusion.region import Region
from ...graph.graph import TensorType, Value
from ...program.kernel import Kernel
from ...targets import Target
from ...tiling.vector_plan import NestPlan
from ..steps import Launch, Way
from ..vector.emit_launch import may_take_over
from ..vector.nodes import NotVectorizable
from ..vector.plan_section import Section
from ..vector.split_region import only
from .convolution import plan_axes
from .emit_correlation import emit_correlation
from .gemm import Gemm, emit_gemm, emit_gemm_after, emit_gemm_with
from .phases import split_phases
from .prologue import read_prologue, split_prologue
from .read_region import read_epilogue, read_region, split_at_head

_CHUNK = (
    4096  # elements of a product's tile that the vector cores finish at a time: a move of this size has the full rate
)
_LEAST_CHUNK = 256


class CubeLoweringError(Exception):
    """A region that the cube path does not take; the fusion pass should not have formed it."""


def cube_ways(region: Region, target: Target) -> Iterator[Way]:
    """Yield ways to compute a region of kind "cube": one Dot or Convolution, what it carries, its epilogue."""
    if all(v.type.size == 0 for v in region.outputs):
        yield []
        return
    if (made := split_prologue(region)) is not None:
        yield from _with_prologue(region, *made, target)
        return
    read = read_region(region.ops, region.outputs[0]) if len(region.outputs) == 1 else None
    if read is None:
        yield from _with_epilogue(region, target)
        return
    (result,) = region.outputs
    if isinstance(read.problem, Gemm):
        kernels = [emit_gemm(read.problem, target)]
    else:
        kernels = [emit_correlation(*plan_axes(part, target), target) for part in split_phases(read.problem)]
    way: Way = []
    before: Value | None = None
    for index, kernel in enumerate(kernels):  # each writes its part of what the one before has written to
        output = result if index == len(kernels) - 1 else Value(result.type)
        starts_as = ((output, before),) if before else ()
        way.append(Launch(_copy(kernel), [*read.arguments[:-1], output], [output], starts_as=starts_as))
        before = output
    yield way


def _with_epilogue(region: Region, target: Target) -> Iterator[Way]:
    """Yield the launch of a product that the vector cores finish in smaller and smaller chunks, then the two apart."""
    limit = _CHUNK
    while limit >= _LEAST_CHUNK:
        read = read_epilogue(region)  # anew each time: emitting it names its axes after the problem's
        if read is None:
            break
        cube, epilogue = read
        assert isinstance(cube.problem, Gemm), "a Dot is read as a Gemm"
        try:
            kernel = emit_gemm_with(epilogue, cube.problem, target, limit)
        except NotVectorizable:
            break
        *operands, head = cube.arguments
        size = kernel.arguments[len(operands) + len(epilogue.inputs)].size
        workspace = [] if epilogue.stores_head else [Value(TensorType((size,), head.dtype))]
        outputs = [*workspace, *epilogue.outputs]
        arguments = [*operands, *epilogue.inputs, *outputs]
        own = {v: i for i, v in enumerate(arguments) if v not in (*operands, epilogue.head)}
        aliases = may_take_over([Section(epilogue.stores, NestPlan({}))], kernel, own)
        yield [Launch(kernel, arguments, outputs, aliases)]
        limit //= 2
    split = split_at_head(region)
    if split is None or not split[1].ops:
        ops = ", ".join(f"{op.name} at {op.loc or 'unknown'}" for op in region.ops)
        raise CubeLoweringError(
            f"[cube region: {ops}] no cube kernel computes these together; expected one dot or convolution, layout ops "
            f"before it, what carried_ops allows after it, and what is elementwise over the result."
        )
    yield [*split]


def _with_prologue(region: Region, before: Region, operand: Value, target: Target) -> Iterator[Way]:
    """Yield the launch of a product whose operand the vector cores make in smaller and smaller pieces, then the two apart."""
    limit = 4 * _CHUNK  # of narrow types
    while limit >= _LEAST_CHUNK:
        fed = read_prologue(region)  # anew each time: emitting it may leave marks on its nodes
        if fed is None:
            break
        try:
            kernel = emit_gemm_after(fed.prologue, fed.problem, target, limit)
        except NotVectorizable:
            break
        if kernel is None:
            break
        workspace = Value(TensorType((kernel.arguments[-2].size,), operand.dtype))
        outputs = [workspace, fed.result]
        yield [Launch(kernel, [fed.left, *fed.bias, *fed.prologue.inputs, *outputs], outputs)]
        limit //= 2
    product = only(region, region.outputs, {operand})
    product.kind = "cube"
    yield [before, product]


def _copy(kernel: Kernel) -> Kernel:
    """Return a kernel of its own tiles and body: what follows gives them addresses and flags."""
    return replace(kernel, tiles=[replace(t) for t in kernel.tiles], body=list(kernel.body))
