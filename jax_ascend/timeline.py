"""What a program does on the device, as tracks: kernels, dispatch, copies, AICPU, host, cores and their pipes, memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .compiler.isa.text_operands import print_instruction
from .compiler.program.debug import Debug
from .compiler.program.program import Program
from .memory_use import MemoryUse
from .program_clock import Event
from .track_events import TrackEvents, Value

PIPES = ("S", "MTE2", "MTE1", "M", "V", "FIXP", "MTE3")  # from what comes in to what goes out
_QUEUES = {"aic": "kernels", "aiv": "kernels", "mix": "kernels", "aicpu": "AICPU", "sdma": "copies", "host": "host"}
_TEXT = 160  # characters of an instruction that a slice shows


def core_name(kind: str, core: int, unit: int) -> str:
    """Return a core's name: AI core n has a cube core and two vector cores; vector kernels use those of all AI cores.

    kind: the core type of the kernel; core, unit: as plugin/device/cycles/timeline.h says.
    """
    if kind == "aiv":
        return f"AI core {core // 2} vector {core % 2}"
    return f"AI core {core} " + ("cube" if unit == 0 else f"vector {unit - 1}")


@dataclass
class _Device:
    """The tracks of one device in a trace; they are made when something is on them."""

    trace: TrackEvents
    process: int

    def __post_init__(self) -> None:
        self._queues = {
            name: self.trace.track(name, self.process)
            for name in ("loops", "dispatch", "kernels", "AICPU", "copies", "host")
        }
        self._cores: dict[str, int] = {}
        self._pipes: dict[tuple[str, str], int] = {}

    def queue(self, name: str) -> int:
        """Return the track of what runs one after the other."""
        return self._queues[name]

    def prepare(self, lanes: Iterable[tuple[str, str]]) -> None:
        """Make tracks for pairs of a core and a pipe, cores by number and pipes in their order."""
        known = sorted(set(lanes), key=lambda lane: (_numbers(lane[0]), PIPES.index(lane[1])))
        for core, pipe in known:
            if core not in self._cores:
                self._cores[core] = self.trace.track(core, self.process)
            self._pipes[core, pipe] = self.trace.track(pipe, self._cores[core])

    def pipe(self, core: str, pipe: str) -> int:
        """Return the track of a pipe."""
        return self._pipes[core, pipe]


def _numbers(name: str) -> tuple[int, int, int]:
    words = name.split()
    return int(words[2]), words[3] != "cube", int(words[4]) if len(words) > 4 else 0


def device_timeline(program: Program, events: Sequence[Event], memory: MemoryUse, name: str = "") -> bytes:
    """Return the trace of one execution that begins at 0."""
    trace = TrackEvents()
    process = trace.process(name or f"{program.target.name}: {program.name}")
    draw_execution(trace, process, program, events, memory)
    return trace.encode()


def draw_execution(
    trace: TrackEvents,
    process: int,
    program: Program,
    events: Sequence[Event],
    memory: MemoryUse | None,
    start: float = 0.0,
) -> None:
    """Draw an execution that begins at `start`, in seconds, on a process of a trace."""
    device = _Device(trace, process)
    debug = program.sources()
    if memory is not None:
        track = trace.counter_track("HBM in use", process, bytes=True)
        for time, live in memory.curve:
            trace.counter(track, (start + time) * 1e9, live)
    device.prepare((core_name(e.core, i[0], i[1]), i[2]) for e in events for i in e.intervals)
    for e in events:
        args = _arguments(program, debug, e)
        begin = (start + e.start) * 1e9
        if e.core == "control":
            label = f"loop x {e.number}" if e.kind == "loop" else f"branch {e.number}"
            trace.slice(device.queue("loops"), label, begin, (start + e.end) * 1e9, e.kind, args)
            continue
        # The launches of one event follow each other; they are one slice of dispatch and one of work, so that times add up.
        dispatched = begin + e.dispatch * e.times * 1e9
        trace.slice(device.queue("dispatch"), e.name, begin, dispatched, "dispatch", {"launches": e.times})
        label = e.name if e.times == 1 else f"{e.name} x {e.times}"
        trace.slice(device.queue(_QUEUES[e.core]), label, dispatched, (start + e.end) * 1e9, e.core, args)
        _draw_pipes(trace, device, program, debug, e, dispatched)


def _draw_pipes(trace: TrackEvents, device: _Device, program: Program, debug: Debug, e: Event, begin: float) -> None:
    labels: dict[int, bytes] = {}
    scale = 1e9 / program.target.clock
    for core, unit, pipe, number, first, last in e.intervals:
        if number not in labels:
            instruction = program.kernels[e.number].body[number]
            text = print_instruction(instruction.spec, instruction.values)
            args = {"instruction": text[:_TEXT], "number": number, "kernel": e.name} | _places(debug, e, 1)
            labels[number] = trace.labels(instruction.spec.name, "pipe", args)
        where = device.pipe(core_name(e.core, core, unit), pipe)
        trace.slice_with(where, labels[number], begin + first * scale, begin + last * scale)


def _arguments(program: Program, debug: Debug, e: Event) -> dict[str, Value]:
    args: dict[str, Value] = {"launches": e.times} if e.core != "control" else {}
    if e.kind == "launch":
        kernel = program.kernels[e.number]
        args |= {"core type": e.core, "blocks": kernel.blocks, "cycles": e.seconds * program.target.clock}
        args["arguments"] = ", ".join(f"{a.dtype}[{a.size}]{' written' if a.writes else ''}" for a in kernel.arguments)[
            :400
        ]
    return args | _places(debug, e, 4)


def _places(debug: Debug, e: Event, most: int) -> dict[str, Value]:
    function, number = e.site
    places = debug.commands[function][number] if debug.commands and function >= 0 else ()
    if not places:
        return {}
    found: dict[str, Value] = {"line": places[0].line, "scope": places[0].scope}
    lines = list(dict.fromkeys(p.line for p in places if p.line))[1:most]
    return found | ({"other lines": ", ".join(lines)} if lines else {})
