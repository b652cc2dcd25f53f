"""Graph -> Schedule of regions: every graph of a module is fused, those of loops and branches in their turn."""

from __future__ import annotations

from ..fusion.fuse_regions import fuse_regions
from ..fusion.region import Region
from ..graph.graph import Graph, Op, Value, captured_values, ops_with_effects
from ..graph.ops import Case, While
from ..targets import Target
from .schedule import Branches, Item, Loop, Schedule


def schedule_regions(graph: Graph, target: Target) -> Schedule:
    """Return the schedule of `graph` in regions, nested graphs included."""
    return _schedule(graph, target, captured_values(graph), ops_with_effects(graph))


def _schedule(graph: Graph, target: Target, captured: dict[Op, list[Value]], effects: set[Op]) -> Schedule:
    regions = fuse_regions(graph, target, captured, effects)
    return Schedule(graph, [_item(region, target, captured, effects) for region in regions])


def _item(region: Region, target: Target, captured: dict[Op, list[Value]], effects: set[Op]) -> Item:
    if region.kind != "control":
        return region
    (op,) = region.ops
    if isinstance(op, While):
        cond, body = (_schedule(graph, target, captured, effects) for graph in (op.cond, op.body))
        return Loop(op, captured[op], cond, body)
    assert isinstance(op, Case), (
        f"[schedule] {op.name} is no control flow that can be planned; calls are inlined before"
    )
    return Branches(op, captured[op], [_schedule(branch, target, captured, effects) for branch in op.branches])
