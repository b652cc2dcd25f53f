"""Region -> steps: hands a region to the code generator of its kind, and names regions that get the same kernels."""

from __future__ import annotations

from ..fusion.region import Region
from ..graph.builder import splat_element
from ..graph.graph import Graph, Op, Value
from ..graph.ops import Constant
from ..kernel_passes.allocate_tiles import allocate_tiles
from ..targets import Target
from .cube.lower_cube_region import lower_cube_region
from .indexing import lower_indexing_region
from .steps import Launch, Step
from .vector.lower_vector_region import lower_vector_region


def lower_region(region: Region, target: Target) -> list[Step]:
    """Return the launches that compute a region's outputs from its inputs."""
    if region.kind == "vector":
        return lower_vector_region(region, target)
    if region.kind == "cube":
        return lower_cube_region(region, target)
    assert region.kind in ("indexing", "aicpu"), f"[lower region] no code generator for a {region.kind} region"
    steps = lower_indexing_region(region, target)
    for step in steps:
        if isinstance(step, Launch):
            allocate_tiles(step.kernel, target)
    return steps


def region_key(region: Region) -> object:
    """Return a hashable description that regions with equal kernels share: ops, attributes, types, data flow, order."""
    number: dict[Value, int] = {}
    for value in region.inputs:
        number[value] = len(number)
    # The splats among them are part of the kernel: where an update starts, for one.
    parts: list[object] = [region.kind, tuple((v.shape, v.dtype, repr(splat_element(v))) for v in region.inputs)]
    for op in region.ops:
        operands = []
        for v in op.operands:
            if v not in number:  # a splat constant that is no op of the region
                assert isinstance(v.producer, Constant), f"[region key] {op.name} reads a value that is no input"
                operands.append(("splat", repr(v.producer.splat), v.shape, v.dtype))
            else:
                operands.append(number[v])
        for r in op.results:
            number[r] = len(number)
        parts.append((op.name, tuple(operands), _attributes(op), tuple((r.shape, r.dtype) for r in op.results)))
    parts.append(tuple(number[v] for v in region.outputs))
    return tuple(parts)


def _attributes(op: Op) -> object:
    if isinstance(op, Constant):
        return repr(op.splat) if op.splat is not None else id(op)
    return tuple((k, id(v) if isinstance(v, Graph) else _hashable(v)) for k, v in op.attributes().items())


def _hashable(value: object) -> object:
    return (
        tuple(map(_hashable, value))
        if isinstance(value, (list, tuple))
        else repr(value)
        if isinstance(value, dict)
        else value
    )
