"""What a program does on the device, as tracks: kernels, dispatch, copies, AICPU, host, cores and their pipes, memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .compiler.isa.text_operands import print_instruction
from .compiler.program.debug import Debug
from .compiler.program.program import Program
from .memory_use import MemoryUse
from .program_clock import Event
from .track_events import TrackEvents, Value

PIPES = ("S", "MTE2", "MTE1", "M", "V", "FIXP", "MTE3")  # from what comes in to what goes out
_QUEUES = {
    **dict.fromkeys(("aic", "aiv", "mix"), "kernels"),
    "aicpu": "AICPU",
    "sdma": "copies",
    "host": "host",
    "links": "links in the server",
    "wait": "kernels",
}
_LINKS = ("links in the server", "network")
_TEXT = 160  # characters of an instruction that a slice shows


def core_name(kind: str, core: int, unit: int) -> str:
    """Return a core's name: AI core n has a cube core and two vector cores; vector kernels use those of all AI cores.

    kind: the core type of the kernel; core, unit: as plugin/device/cycles/timeline.h says.
    """
    if kind == "aiv":
        return f"AI core {core // 2} vector {core % 2}"
    return f"AI core {core} " + ("cube" if unit == 0 else f"vector {unit - 1}")


class DeviceTracks:
    """The tracks of one device in a trace: its queues, its memory if that is drawn, and the pipes that are prepared."""

    def __init__(self, trace: TrackEvents, process: int, memory: bool):
        self.trace = trace
        self._queues = {
            name: trace.track(name, process) for name in ("loops", "dispatch", "kernels", "AICPU", "copies", "host")
        }
        self.memory = trace.counter_track("HBM in use", process, bytes=True) if memory else 0
        self._process = process
        self._cores: dict[str, int] = {}
        self._pipes: dict[tuple[str, str], int] = {}

    def queue(self, name: str) -> int:
        """Return the track of what runs one after the other."""
        return self._queues[name]

    def prepare(self, events: Iterable[Event]) -> None:
        """Make tracks for the links, and the pipes that events have instructions of, cores by number and pipes in their order."""
        events = list(events)
        if any(e.core == "links" for e in events):
            for name in _LINKS:
                self._queues.setdefault(name, self.trace.track(name, self._process))
        lanes = {(core_name(e.core, i[0], i[1]), i[2]) for e in events for i in e.intervals}
        known = sorted(lanes, key=lambda lane: (_numbers(lane[0]), PIPES.index(lane[1])))
        for core, pipe in known:
            if core not in self._cores:
                self._cores[core] = self.trace.track(core, self._process)
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
    devices = program.replicas * program.partitions
    each = f", each of {devices} devices" if devices > 1 else ""
    process = trace.process(name or f"{program.target.name}: {program.name}{each}")
    device = DeviceTracks(trace, process, memory=True)
    for time, live in memory.curve:
        trace.counter(device.memory, time * 1e9, live)
    device.prepare(events)
    draw_execution(device, program, events)
    return trace.encode()


def draw_execution(device: DeviceTracks, program: Program, events: Sequence[Event], start: float = 0.0) -> None:
    """Draw an execution that begins at `start`, in seconds, on tracks that are prepared for its events."""
    debug, trace = program.sources(), device.trace
    for e in events:
        args = _arguments(program, debug, e)
        begin = (start + e.start) * 1e9
        if e.core == "control":
            label = f"loop x {e.number}" if e.kind == "loop" else f"branch {e.number}"
            trace.slice(device.queue("loops"), label, begin, (start + e.end) * 1e9, e.kind, args)
            continue
        if e.kind == "wait":
            trace.slice(device.queue("kernels"), f"wait for {e.name}", begin, (start + e.end) * 1e9, "wait", args)
            continue
        # The launches of one event follow each other; they are one slice of dispatch and one of work, so that times add up.
        dispatched = begin + e.dispatch * e.times * 1e9
        if e.kind == "collective":
            _draw_exchange(device, e, begin, args)
            continue
        trace.slice(device.queue("dispatch"), e.name, begin, dispatched, "dispatch", {"launches": e.times})
        label = e.name if e.times == 1 else f"{e.name} x {e.times}"
        trace.slice(device.queue(_QUEUES[e.core]), label, dispatched, (start + e.end) * 1e9, e.core, args)
        _draw_pipes(device, program, debug, e, dispatched)


def _draw_exchange(device: DeviceTracks, e: Event, begin: float, args: dict[str, Value]) -> None:
    """Draw an exchange, with what it waits to start, on the links of the server and then on the network, as far as it is on these."""
    label = e.name if e.times == 1 else f"{e.name} x {e.times}"
    end = begin + (e.end - e.start) * 1e9
    turn = end - e.network * e.times * 1e9
    if turn > begin:
        device.trace.slice(device.queue("links in the server"), label, begin, turn, "links", args)
    if end > turn:
        device.trace.slice(device.queue("network"), label, turn, end, "network", args)


def _draw_pipes(device: DeviceTracks, program: Program, debug: Debug, e: Event, begin: float) -> None:
    labels: dict[int, bytes] = {}
    trace = device.trace
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
