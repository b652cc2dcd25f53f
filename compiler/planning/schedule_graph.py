"""Graph -> tree of steps: regions are formed and lowered, control flow keeps its nested graphs as sub-schedules.

A loop that one kernel can run from start to end is a launch like any other (vector/lower_loop.py).

Equal regions (same structure, shapes and layout) are lowered once: a model of twelve equal layers pays for one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..codegen.lower_region import lower_region, region_key
from ..codegen.steps import AicpuLaunch, Launch, Rename, Step
from ..codegen.vector.lower_loop import lower_loop
from ..fusion.fuse_regions import fuse_regions
from ..fusion.region import Region
from ..graph.graph import Graph, Op, Value
from ..graph.ops import Case, Constant, While
from ..kernel_passes.allocate_tiles import allocate_tiles
from ..kernel_passes.insert_synchronization import insert_synchronization
from ..targets import Target

CONSTANT_LIMIT = 1 << 16  # bytes beyond which a constant of equal elements is filled by a kernel, not stored


@dataclass(eq=False)
class Schedule:
    """The steps of one graph in execution order."""

    graph: Graph
    items: list[Item] = field(default_factory=list)


@dataclass(eq=False)
class Loop:
    """A While with its two graphs scheduled."""

    op: While
    cond: Schedule
    body: Schedule

    @property
    def parts(self) -> list[Schedule]:
        """The nested schedules in execution order."""
        return [self.cond, self.body]


@dataclass(eq=False)
class Branches:
    """A Case with its branches scheduled."""

    op: Case
    branches: list[Schedule]

    @property
    def parts(self) -> list[Schedule]:
        """The nested schedules."""
        return self.branches


@dataclass(eq=False)
class Materialise:
    """A constant that something other than a kernel region needs in memory."""

    op: Constant


Item = Launch | AicpuLaunch | Rename | Loop | Branches | Materialise


def is_splat(op: Constant) -> bool:
    """Whether all elements are one: the frontend keeps these as a scalar broadcast with zero strides."""
    return op.value.size > 0 and not any(op.value.strides)


class Scheduler:
    """Schedules graphs for one target, remembering the regions it has lowered."""

    def __init__(self, target: Target):
        self.target = target
        self.regions: list[Region] = []  # all of them, for the dump
        self._lowered: dict[object, tuple[Region, list[Step]]] = {}

    def schedule(self, graph: Graph) -> Schedule:
        """Return the schedule of `graph`, nested graphs included."""
        result = Schedule(graph)
        available: set[Value] = set()
        for region in fuse_regions(graph, self.target):
            if region.kind == "control" and self._loop_kernel(region, available, result):
                continue
            for value in region.inputs:
                self._materialise(value, available, result)
            if region.kind == "control":
                self._control(region.ops[0], available, result)
                continue
            self.regions.append(region)
            result.items += self.lower(region)
        for value in graph.results:
            self._materialise(value, available, result)
        return result

    def _materialise(self, value: Value, available: set[Value], result: Schedule) -> None:
        if isinstance(value.producer, Constant) and value not in available:
            available.add(value)
            if value.type.bytes > CONSTANT_LIMIT and is_splat(value.producer):
                result.items += self.lower(Region("vector", [value.producer], [], [value]))
            else:
                result.items.append(Materialise(value.producer))

    def _loop_kernel(self, region: Region, available: set[Value], result: Schedule) -> bool:
        """Make a kernel of a loop, if it can be one."""
        (op,) = region.ops
        launch = lower_loop(op, self.target) if isinstance(op, While) else None
        if launch is None:
            return False
        self.regions.append(region)
        self._finish(launch)
        for value in (*launch.arguments, *(start for _, start in launch.starts_as)):
            self._materialise(value, available, result)
        result.items.append(launch)
        return True

    def _control(self, op: Op, available: set[Value], result: Schedule) -> None:
        for value in op.operands:
            self._materialise(value, available, result)
        if isinstance(op, While):
            result.items.append(Loop(op, self.schedule(op.cond), self.schedule(op.body)))
        elif isinstance(op, Case):
            result.items.append(Branches(op, [self.schedule(b) for b in op.branches]))
        else:
            raise AssertionError(f"[schedule] {op.name} is no control flow the planner knows; calls are inlined before")

    def _finish(self, launch: Launch) -> None:
        if any(tile.address < 0 for tile in launch.kernel.tiles):
            allocate_tiles(launch.kernel, self.target)
        insert_synchronization(launch.kernel)

    def lower(self, region: Region) -> list[Step]:
        """Return the launches of a region, lowered once for all equal ones, with temporaries of its own."""
        key = region_key(region)
        if key not in self._lowered:
            steps = lower_region(region, self.target)
            for step in steps:
                if isinstance(step, Launch):
                    self._finish(step)
            self._lowered[key] = (region, steps)
        original, steps = self._lowered[key]
        mapping = dict(zip(original.inputs + original.outputs, region.inputs + region.outputs, strict=True))
        return [_instantiate(step, mapping) for step in steps]


def _instantiate(step: Step, mapping: dict[Value, Value]) -> Step:
    def get(value: Value) -> Value:
        if value not in mapping and isinstance(value.producer, Constant):
            return value  # no input, so the key holds its element: an equal region has the same constant
        return mapping.setdefault(value, Value(value.type))  # a temporary of the region

    def pairs(items: tuple[tuple[Value, Value], ...]) -> tuple[tuple[Value, Value], ...]:
        return tuple((get(a), get(b)) for a, b in items)

    if isinstance(step, Rename):
        return Rename(get(step.output), get(step.input))
    same = replace(
        step,
        arguments=[get(v) for v in step.arguments],
        outputs=[get(v) for v in step.outputs],
        starts_as=pairs(step.starts_as),
    )
    if isinstance(same, Launch):
        same.may_alias = pairs(same.may_alias)
    return same
