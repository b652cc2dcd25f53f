"""Which arrays take a program's HBM, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .compiler.program.debug import Debug, commands_in_order
from .compiler.program.program import Command, Program
from .program_clock import Event


@dataclass(frozen=True)
class Buffer:
    """An array of a program in HBM, from `start` to `end` in seconds of the program's time."""

    name: str
    kind: str  # parameter, result, constant or temporary
    bytes: int
    start: float
    end: float
    line: str = ""  # of what first writes it


@dataclass(frozen=True)
class MemoryUse:
    """A program's buffers; `allocated` is the bytes it takes from the device, arguments included.

    Temporaries share a frame whose size the compiler has chosen, so that what is live at once may be a little less.
    """

    buffers: list[Buffer]
    allocated: int

    @property
    def curve(self) -> list[tuple[float, int]]:
        """The live bytes from each time on at which they change."""
        steps: dict[float, int] = {}
        for b in self.buffers:
            steps[b.start] = steps.get(b.start, 0) + b.bytes
            steps[b.end] = steps.get(b.end, 0) - b.bytes
        live, curve = 0, list[tuple[float, int]]()
        for time in sorted(steps):
            live += steps[time]
            curve.append((time, live))
        return curve

    @property
    def peak(self) -> tuple[float, int]:
        """When most bytes are live, and how many."""
        return max(self.curve, key=lambda point: point[1], default=(0.0, 0))

    def at(self, time: float) -> list[Buffer]:
        """Return the buffers that are live at a time, largest first."""
        live = [b for b in self.buffers if b.start <= time < b.end or (b.start == b.end == time)]
        return sorted(live, key=lambda b: -b.bytes)


def memory_use(program: Program, debug: Debug, events: Iterable[Event], end: float) -> MemoryUse:
    """Return the buffers of a program whose execution took these events and ended at `end`."""
    entry = program.functions[0]
    spans, inner_spans = _spans(program, events, end)
    used: dict[int, tuple[float, float, str]] = {}  # slot -> first and last use, and who was first
    inside = _inside(entry.commands)
    number = 0
    for command in entry.commands:
        inner = list(commands_in_order([command]))
        start, stop = spans[number]
        for n, c in enumerate(inner, number):
            places = debug.commands[0][n] if debug.commands else ()
            kernel: int = c.values[0] if c.spec.name == "launch" else -1
            name = program.kernels[kernel].name if kernel >= 0 else c.spec.name
            first = f"{name}\n{places[0].line if places else ''}"
            for slot in _slots(c):
                begins, ends = inner_spans.get(n, (start, stop)) if slot in inside else (start, stop)
                known = used.get(slot)
                used[slot] = (
                    (begins, ends, first) if known is None else (min(known[0], begins), max(known[1], ends), known[2])
                )
        number += len(inner)
    buffers: list[Buffer] = []
    for i, type in enumerate(program.parameters):
        name = debug.parameters[i] if i < len(debug.parameters) else ""
        buffers.append(Buffer(name or f"parameter {i}", "parameter", type.bytes, 0.0, end))
    if program.constants:
        buffers.append(Buffer("constants", "constant", len(program.constants), 0.0, end))
    for number, slot in enumerate(entry.slots):
        if slot.kind not in ("result", "frame") or number not in used:
            continue
        start, stop, who = used[number]
        maker, line = who.split("\n")
        if slot.kind == "frame":
            buffers.append(Buffer(f"made by {maker}", "temporary", slot.bytes, start, stop, line))
        elif program.result_alias[slot.offset] < 0:
            name = debug.results[slot.offset] if slot.offset < len(debug.results) else ""
            buffers.append(Buffer(name or f"result {slot.offset}", "result", slot.bytes, start, end, line))
    results = sum(t.bytes for t, alias in zip(program.results, program.result_alias, strict=True) if alias < 0)
    parameters = sum(t.bytes for t in program.parameters)
    return MemoryUse(buffers, parameters + results + len(program.constants) + entry.frame_bytes)


Spans = dict[int, tuple[float, float]]


def _spans(program: Program, events: Iterable[Event], end: float) -> tuple[Spans, Spans]:
    """Return when each command of the entry function that stands in no other began and ended, by its number; and the last run of each."""
    times: Spans = {}
    last: Spans = {}
    for e in events:
        if e.site[0] == 0:
            start, stop = times.get(e.site[1], (e.start, e.end))
            times[e.site[1]] = min(start, e.start), max(stop, e.end)
            if e.core != "wait":
                last[e.site[1]] = e.start, e.end
    spans: Spans = {}
    number, now = 0, 0.0
    for command in program.functions[0].commands:
        inner = sum(1 for _ in commands_in_order([command]))
        known = [times[n] for n in range(number, number + inner) if n in times]
        spans[number] = (min(s for s, _ in known), max(e for _, e in known)) if known else (now, now)
        now = spans[number][1]
        number += inner
    return spans, last


def _inside(commands: Sequence[Command]) -> set[int]:
    """Return the slots that only the inside of one loop or branch uses, each trip anew: what a loop carries is set before it."""
    users: dict[int, set[int]] = {}
    carried: set[int] = set()
    for number, command in enumerate(commands):
        inner = list(commands_in_order([command]))
        for c in inner:
            for slot in _slots(c):
                users.setdefault(slot, set()).add(number if len(inner) > 1 else -1)
            if c.spec.name == "loop":
                carried.update(slot for pair in c.values[1] for slot in pair)
    return {slot for slot, numbers in users.items() if len(numbers) == 1 and -1 not in numbers} - carried


def _slots(command: Command) -> Iterator[int]:
    for field, value in command.fields():
        if field.kind == "slot":
            yield value
        elif field.kind == "slots":
            yield from value
        elif field.kind == "pairs":
            yield from (slot for pair in value for slot in pair)
