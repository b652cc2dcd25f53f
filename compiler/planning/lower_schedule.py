"""Schedule of regions -> schedule of steps: regions are lowered, and constants that steps read get a place in memory.

A loop that one kernel can run from start to end is a launch like any other (codegen/vector/lower_loop.py). Equal regions
(same structure, shapes and layout) are lowered once: a model of twelve equal layers pays for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..codegen.lower_region import first_fitting, lower_region, name_sources, region_key
from ..codegen.on_chip.lower_chain import chain_ways, is_small
from ..codegen.on_chip.lower_loop import LoopKernels
from ..codegen.steps import Join, Launch, Rename, Step
from ..codegen.vector.lower_loop import loop_ways
from ..codegen.vector.nodes import NotVectorizable
from ..fusion.region import Region
from ..graph.graph import Op, Value
from ..graph.location import Location, distinct
from ..graph.ops import Concatenate, Constant
from ..isa.stream import SLOT_ALIGNMENT
from ..kernel_passes.allocate_tiles import DoesNotFit
from ..targets import Target
from .schedule import Branches, Item, Loop, Materialise, Schedule, walk
from .side_by_side import merge_launches

_LARGE = 1 << 20  # bytes of a concatenation whose parts are computed in their places
CONSTANT_LIMIT = 1 << 16  # bytes beyond which a constant of equal elements is filled by a kernel, not stored


def lower_schedule(schedule: Schedule, target: Target) -> Schedule:
    """Return the schedule in steps; kernels have layouts, but neither addresses nor flags yet."""
    return _Lowering(target).schedule(schedule)


class _Lowering:
    def __init__(self, target: Target):
        self.target = target
        self._loops = LoopKernels(target)
        self._lowered: dict[object, tuple[Region, list[Step]]] = {}

    def schedule(self, schedule: Schedule, outer: Iterable[Value] = ()) -> Schedule:
        """Return the schedule in steps; `outer` are the values around it that are in memory already."""
        result = Schedule(schedule.graph)
        available: set[Value] = set(outer)
        made = {v for item in schedule.items for v in _makes(item)}
        readers = _readers(schedule)
        for item in self._chained(schedule):
            if isinstance(item, Launch):
                result.items += [*self._constants(item.arguments, available), item]
            elif isinstance(item, Loop):
                result.items += self._loop(item, available)
            elif isinstance(item, Branches):
                result.items += self._constants([*item.op.operands, *item.captured], available)
                branches = [self.schedule(part, item.captured) for part in item.branches]
                result.items.append(Branches(item.op, item.captured, branches))
            else:
                assert isinstance(item, Region), "[lower schedule] the schedule is lowered already"
                result.items += self._constants(item.inputs, available)
                join = _join(item, made, readers)
                result.items += self.region(item) if join is None else [join]
        result.items += self._constants(schedule.graph.results, available)
        result.items = merge_launches(result.items, self.target)
        return result

    def _chained(self, schedule: Schedule) -> Iterator[Item]:
        """Yield the items; small regions as the one launch that computes them, where the first of them stands."""
        chains = self._chains(schedule)
        joined = {id(item) for chain in chains.values() for item in chain}
        readers = _readers(schedule)
        apart: set[int] = set()  # of a chain that could not be written
        for number, item in enumerate(schedule.items):
            if number in chains:
                chain = chains[number]
                ids = set(map(id, chain))
                wanted = [v for item in chain for v in _makes(item) if readers.get(v, set()) - ids]
                ops = [op for item in chain for op in (item.ops if isinstance(item, Region) else [_control(item)])]
                steps = first_fitting(chain_ways(ops, wanted), self.target)
                if steps is not None:
                    name_sources(steps, ops)
                    yield from steps
                    continue
                apart.update(map(id, chain))
            if id(item) not in joined or id(item) in apart:
                yield item

    def _chains(self, schedule: Schedule) -> dict[int, list[Item]]:
        """Return small items that can be computed together, two and more, by the number of the first.

        One joins the latest chain if everything it reads is made before that or in it: small values may wait.
        """
        made: dict[Value, int] = {}  # by which item; of a chain, by the first of it
        chains: dict[int, list[Item]] = {}
        latest = -1
        for number, item in enumerate(schedule.items):
            where = number
            if self._is_small(item):
                if latest < 0 or any(made.get(v, -1) > latest for v in _reads(item)):
                    latest = number
                where = latest
                chains.setdefault(latest, []).append(item)
            made.update(dict.fromkeys(_makes(item), where))
        return {first: chain for first, chain in chains.items() if len(chain) > 1}

    def _is_small(self, item: Item) -> bool:
        if isinstance(item, Region):
            return is_small(item.ops)
        return isinstance(item, Loop) and self._loops.joins_chain(item.op)

    def _constants(self, values: list[Value], available: set[Value]) -> list[Item]:
        """Return what puts those values into memory that are constants and not there yet."""
        items: list[Item] = []
        for value in values:
            if not isinstance(value.producer, Constant) or value in available:
                continue
            available.add(value)
            if value.type.bytes > CONSTANT_LIMIT and value.producer.splat is not None:
                items += self.region(Region("vector", [value.producer], [], [value]))
            else:
                items.append(Materialise(value.producer))
        return items

    def _loop(self, item: Loop, available: set[Value]) -> list[Item]:
        steps = self._kernel_of(item)
        if steps is None:
            constants = self._constants([*item.op.operands, *item.captured], available)
            cond, body = (self.schedule(part, item.captured) for part in item.parts)
            return [*constants, Loop(item.op, item.captured, cond, body)]
        (launch,) = steps
        assert isinstance(launch, Launch), "a loop that is a kernel is one launch"
        name_sources(steps, [item.op])
        starts = [start for _, start in launch.starts_as]
        return [*self._constants([*launch.arguments, *starts], available), launch]

    def _kernel_of(self, item: Loop) -> list[Step] | None:
        """Return the one kernel that runs a loop, if there is one: by values in registers, over blocks, or on one core."""
        launches = sum(isinstance(i, Region) for part in item.parts for i in walk(part))
        on_chip = self._loops.ways(item.op, launches)
        ways = [on_chip] if self._loops.is_scalar(item.op) else [loop_ways(item.op, self.target), on_chip]
        for way in ways:
            try:
                steps = first_fitting(way, self.target)
            except (DoesNotFit, NotVectorizable):
                continue
            if steps is not None:
                return steps
        return None

    def region(self, region: Region) -> list[Step]:
        """Return the steps of a region, lowered once for all equal ones, with temporaries of its own."""
        key = region_key(region)
        if key not in self._lowered:
            self._lowered[key] = (region, lower_region(region, self.target))
        original, steps = self._lowered[key]
        mapping = dict(zip(original.inputs + original.outputs, region.inputs + region.outputs, strict=True))
        moved: dict[Location, Location] = {}
        for op, other in zip(original.ops, region.ops, strict=True):
            moved.setdefault(op.loc, other.loc)
        return [_instantiate(step, mapping, moved) for step in steps]


def _join(region: Region, made: set[Value], readers: dict[Value, set[int]]) -> Join | None:
    """Return the step for a concatenation of large values that nobody else reads, so that they can be computed in its result.

    Its parts lie one after the other in memory: no dimension before the one it is along has more than an element.
    """
    op = region.ops[-1]
    if len(region.ops) > 1 or not isinstance(op, Concatenate) or op.result.type.bytes < _LARGE:
        return None
    if any(n > 1 for n in op.result.shape[: op.dimension]) or -1 in readers.get(op.result, ()):
        return None
    alone = all(v in made and readers[v] == {id(region)} and not v.type.bytes % SLOT_ALIGNMENT for v in op.operands)
    return Join(op.result, list(op.operands)) if alone and len(set(op.operands)) == len(op.operands) else None


def _reads(item: Item) -> list[Value]:
    if isinstance(item, Region):
        return item.inputs
    assert isinstance(item, (Loop, Branches)), "[lower schedule] the schedule is lowered already"
    return [*item.op.operands, *item.captured]


def _readers(schedule: Schedule) -> dict[Value, set[int]]:
    """Return for each value the items, by identity, that read it; -1 stands for the results."""
    readers: dict[Value, set[int]] = {}
    for item in schedule.items:
        for value in _reads(item):
            readers.setdefault(value, set()).add(id(item))
    for value in schedule.graph.results:
        readers.setdefault(value, set()).add(-1)
    return readers


def _makes(item: Item) -> list[Value]:
    return item.outputs if isinstance(item, Region) else _control(item).results


def _control(item: Item) -> Op:
    assert isinstance(item, (Loop, Branches)), "[lower schedule] the schedule is lowered already"
    return item.op


def _instantiate(step: Step, mapping: dict[Value, Value], moved: dict[Location, Location]) -> Step:
    def get(value: Value) -> Value:
        if value not in mapping and isinstance(value.producer, Constant):
            return value  # no input, so the key holds its element: an equal region has the same constant
        return mapping.setdefault(value, Value(value.type))  # a temporary of the region

    def pairs(items: tuple[tuple[Value, Value], ...]) -> tuple[tuple[Value, Value], ...]:
        return tuple((get(a), get(b)) for a, b in items)

    if isinstance(step, Rename):
        return Rename(get(step.output), get(step.input))
    return replace(
        step,
        arguments=[get(v) for v in step.arguments],
        outputs=[get(v) for v in step.outputs],
        may_alias=pairs(step.may_alias),
        starts_as=pairs(step.starts_as),
        sources=distinct(moved.get(place, place) for place in step.sources),
    )
