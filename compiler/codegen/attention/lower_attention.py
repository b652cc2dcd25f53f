"""An attention region to the launch that computes it."""

from __future__ import annotations

from collections.abc import Iterator

from ...fusion.region import Region
from ...graph.graph import TensorType, Value
from ...targets import Target
from ..steps import Launch, Way
from ..vector.nodes import NotVectorizable
from ..vector.split_region import only
from .emit import emit_attention
from .problem import Parts, read_attention, split_parts
from .tiles import tile_choices


def attention_ways(region: Region, target: Target) -> Iterator[Way]:
    """Yield ways to compute a region of kind "attention": one kernel in smaller and smaller tiles, then three."""
    problem = read_attention(region)
    assert problem is not None, "fusion forms what is proven to be an attention"
    for tiles in tile_choices(problem, target):
        problem = read_attention(region)  # anew each time: emitting it may leave marks on its nodes
        assert problem is not None
        try:
            kernel, sizes = emit_attention(problem, tiles, target)
        except NotVectorizable:
            continue
        workspaces = [Value(TensorType((n,), a.dtype)) for n, a in zip(sizes, kernel.arguments[-4:-1], strict=True)]
        outputs = [*workspaces, problem.values[-1]]
        yield [Launch(kernel, [*problem.values[:3], *problem.inputs, *outputs], outputs)]
    parts = split_parts(region)
    assert parts is not None
    yield [*_apart(region, parts)]


def _apart(region: Region, parts: Parts) -> list[Region]:
    """Return the two products and what is between them as regions of their own."""
    first, second = only(region, [parts.head], set()), only(region, region.outputs, {parts.weights})
    first.kind = second.kind = "cube"
    return [first, parts.between, second]
