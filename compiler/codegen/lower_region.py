"""Region -> steps: the first way to compute a region whose tiles fit on chip.

The code generator of a region's kind yields ways, best first: a loop nest, again with smaller tiles, parts one after the
other. Here, and nowhere else, tiles are packed to see whether they fit, and the next way is taken where they do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from ..fusion.region import Region
from ..graph.builder import splat_element
from ..graph.graph import Graph, Op, Value
from ..graph.ops import (
    AllReduce,
    Collective,
    Constant,
    HostCall,
    PartitionId,
    RaggedAllToAll,
    ReduceScatter,
    ReplicaId,
)
from ..kernel_passes.allocate_tiles import DoesNotFit, pack_tiles
from ..targets import Target
from .attention.lower_attention import attention_ways, gradient_ways
from .cube.lower_cube_region import cube_ways
from .indexing import indexing_ways
from .sources import sources_of
from .steps import CallHost, DeviceNumber, Exchange, Launch, Rename, Split, Step, Way
from .vector.lower_vector_region import vector_ways
from .vector.nodes import NotVectorizable
from .vector.split_region import only


def lower_region(region: Region, target: Target) -> list[Step]:
    """Return the steps that compute a region's outputs from its inputs; raises what its last way failed of."""
    steps = first_fitting(_ways(region, target), target)
    assert steps is not None, f"[lower region] there is no way to compute a {region.kind} region"
    name_sources(steps, region.ops)
    return steps


def name_sources(steps: Iterable[Step], ops: Iterable[Op]) -> None:
    """Let steps say where the ops come from that they compute, those that do not say so already."""
    sources = sources_of(ops)
    for step in steps:
        if not isinstance(step, Rename) and not step.sources:
            step.sources = sources


def first_fitting(ways: Iterable[Way], target: Target) -> list[Step] | None:
    """Return the steps of the first way whose tiles fit, with their layouts; None if there are no ways.

    Raises DoesNotFit or NotVectorizable, of the last way, if none will do.
    """
    failure: Exception | None = None
    for way in ways:
        try:
            return [step for part in way for step in _finish(part, target)]
        except (DoesNotFit, NotVectorizable) as e:
            failure = e
    if failure is not None:
        raise failure
    return None


def _ways(region: Region, target: Target) -> Iterator[Way]:
    if region.kind == "vector":
        return vector_ways(region, target)
    if region.kind == "cube":
        return cube_ways(region, target)
    if region.kind == "attention":
        return attention_ways(region, target)
    if region.kind == "gradient":
        return gradient_ways(region, target)
    if region.kind == "host":
        way: Way = [_call_host(region)]
        return iter([way])
    if region.kind == "collective":
        way: Way = [_exchange(region)]
        return iter([way])
    assert region.kind in ("indexing", "aicpu"), f"[lower region] no code generator for a {region.kind} region"
    return indexing_ways(region, target)


def _call_host(region: Region) -> CallHost:
    (op,) = region.ops
    assert isinstance(op, HostCall)
    starts_as = tuple((op.results[r], op.operands[o]) for r, o in op.aliases)
    same = {o: op.results[r] for r, o in op.aliases}  # the host sees one array
    operands = [same.get(i, v) for i, v in enumerate(op.operands)]
    return CallHost(op.callee, [*op.results, *operands], list(op.results), starts_as=starts_as)


def _exchange(region: Region) -> Exchange | DeviceNumber:
    (op,) = region.ops
    outputs = list(op.results)
    if isinstance(op, (PartitionId, ReplicaId)):
        return DeviceNumber(isinstance(op, ReplicaId), outputs, outputs)
    assert isinstance(op, Collective), f"[lower region] {op.name} is no exchange"
    if isinstance(op, RaggedAllToAll):
        x, start, *numbers = op.operands
        return Exchange(op.name, op.groups, "none", [*outputs, x, *numbers], outputs, starts_as=((outputs[0], start),))
    reduces = isinstance(op, (AllReduce, ReduceScatter))
    # An element of all_reduce is read on all devices before it is written on any, one operand after the other.
    alone = [(y, x) for y, x in zip(outputs, op.operands) if op.operands.count(x) == 1]
    over = tuple(alone) if isinstance(op, AllReduce) else ()
    return Exchange(op.name, op.groups, op.kind if reduces else "none", [*outputs, *op.operands], outputs, over)


def _finish(part: Step | Region | Split, target: Target) -> list[Step]:
    if isinstance(part, Region):
        return lower_region(part, target)
    if isinstance(part, Split):
        return _lower_parts(part, target)
    if isinstance(part, Launch):
        part.layout = pack_tiles(part.kernel, target)
    return [part]


def _lower_parts(split: Split, target: Target) -> list[Step]:
    """Lower the parts in order; each value is computed once, as placing values relies on."""
    steps: list[Step] = []
    made: set[Value] = set()
    for part in split.parts:
        wanted = [v for v in part.outputs if v not in made]
        new = lower_region(only(part, wanted, made), target) if wanted else []
        steps += new
        made.update(v for step in new for v in ([step.output] if isinstance(step, Rename) else step.outputs))
    return steps


def region_key(region: Region) -> object:
    """Return a hashable description that regions with equal kernels share: ops, attributes, types, data flow, order."""
    number: dict[Value, int] = {}
    for value in region.inputs:
        number[value] = len(number)
    # The splats among them are part of the kernel: where an update starts, for one.
    parts: list[object] = [region.kind, tuple((v.shape, v.dtype, repr(splat_element(v))) for v in region.inputs)]
    for op in region.ops:
        operands: list[object] = []
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
    if isinstance(value, (list, tuple)):
        return tuple(map(_hashable, cast("Sequence[object]", value)))
    return repr(cast("object", value)) if isinstance(value, dict) else value
