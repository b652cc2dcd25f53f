"""The Schedule: what one graph does, in execution order, control flow with schedules of its own.

Its items are regions after fusion, and steps after lowering.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..codegen.steps import AicpuLaunch, Call, CallHost, DeviceNumber, Exchange, Join, Launch, Rename, Step
from ..fusion.region import Region
from ..graph.graph import Graph, Value
from ..graph.ops import Case, Constant, While
from ..program.kernel import Kernel


@dataclass(eq=False)
class Schedule:
    """The items of one graph in execution order."""

    graph: Graph
    items: list[Item] = field(default_factory=lambda: [])


@dataclass(eq=False)
class Loop:
    """A While with its two graphs scheduled."""

    op: While
    captured: list[Value]  # outer values that its graphs use
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
    captured: list[Value]  # outer values that its branches use
    branches: list[Schedule]

    @property
    def parts(self) -> list[Schedule]:
        """The nested schedules."""
        return self.branches


@dataclass(eq=False)
class Materialise:
    """A constant that something other than a kernel region needs in memory."""

    op: Constant


Item = Region | Step | Join | Loop | Branches | Materialise


def walk(schedule: Schedule) -> Iterator[Item]:
    """Yield every item, those of nested schedules after the item that holds them."""
    stack = [iter(schedule.items)]
    while stack:
        for item in stack[-1]:
            yield item
            if isinstance(item, (Loop, Branches)):
                stack += [iter(part.items) for part in reversed(item.parts)]
                break
        else:
            stack.pop()


def kernels(schedule: Schedule) -> list[Kernel]:
    """Return the kernels that are launched, each once, in order of first launch."""
    return [launch.kernel for launch in distinct_launches(schedule)]


def distinct_launches(schedule: Schedule) -> list[Launch]:
    """Return the first launch of every kernel."""
    found: dict[int, Launch] = {}
    for item in walk(schedule):
        if isinstance(item, Launch):
            found.setdefault(id(item.kernel), item)
    return list(found.values())


def print_schedule(schedule: Schedule) -> str:
    """Return one line per step, with kernels by name and values numbered in order of their appearance."""
    names: dict[Value, str] = {}
    return "\n".join(_lines(schedule, names, ""))


def name_of(step: Call) -> str:
    """Return what a step is called in printed schedules."""
    match step:
        case Launch():
            return step.kernel.name
        case AicpuLaunch():
            return f"aicpu {step.op}"
        case CallHost():
            return "host call"
        case Exchange():
            return step.exchange
        case DeviceNumber():
            return "replica_id" if step.of_replica else "partition_id"


def _name(value: Value, names: dict[Value, str]) -> str:
    """Return the name a value has in a printed schedule; a new value gets the next number."""
    if value not in names:
        names[value] = f"%{len(names)}"
        return f"{names[value]}: {value.type}"
    return names[value]


def _lines(schedule: Schedule, names: dict[Value, str], indent: str) -> Iterator[str]:
    def show(values: list[Value]) -> str:
        return ", ".join(_name(v, names) for v in values)

    for item in schedule.items:
        match item:
            case Region():
                yield f"{indent}{item.kind} region {show(item.inputs)} -> {show(item.outputs)}"
            case Launch():
                reads = [v for v in item.arguments if v not in item.outputs]
                yield f"{indent}launch {item.kernel.name} {show(reads)} -> {show(item.outputs)}"
            case AicpuLaunch() | CallHost() | Exchange() | DeviceNumber():
                reads = [v for v in item.arguments if v not in item.outputs]
                name = name_of(item)
                yield f"{indent}{name} {show(reads)} -> {show(item.outputs)}"
            case Rename():
                yield f"{indent}rename {show([item.input])} -> {show([item.output])}"
            case Join():
                yield f"{indent}join {show(item.inputs)} -> {show([item.output])}"
            case Materialise():
                yield f"{indent}constant -> {show([item.op.result])}"
            case Loop() | Branches():
                yield f"{indent}{item.op.name} {show(item.op.operands)}"
                for part in item.parts:
                    yield f"{indent}  ({show(part.graph.arguments)}) {{"
                    yield from _lines(part, names, indent + "    ")
                    yield f"{indent}  }} -> {show(part.graph.results)}"
                yield f"{indent}  -> {show(item.op.results)}"
