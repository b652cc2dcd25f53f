"""Graph -> Schedule of regions: every graph of a module is fused, those of loops and branches in their turn."""

from __future__ import annotations

from ..fusion.fuse_regions import fuse_regions
from ..fusion.region import Region
from ..graph.graph import Graph
from ..graph.ops import Case, While
from ..targets import Target
from .schedule import Branches, Item, Loop, Schedule


def schedule_regions(graph: Graph, target: Target) -> Schedule:
    """Return the schedule of `graph` in regions, nested graphs included."""
    return Schedule(graph, [_item(region, target) for region in fuse_regions(graph, target)])


def _item(region: Region, target: Target) -> Item:
    if region.kind != "control":
        return region
    (op,) = region.ops
    if isinstance(op, While):
        return Loop(op, schedule_regions(op.cond, target), schedule_regions(op.body, target))
    assert isinstance(op, Case), (
        f"[schedule] {op.name} is no control flow that can be planned; calls are inlined before"
    )
    return Branches(op, [schedule_regions(branch, target) for branch in op.branches])
