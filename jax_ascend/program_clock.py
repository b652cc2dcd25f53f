"""A program's commands on the clock, one after the other, with the L2 that each leaves to the next.

A device has two queues, that of its cores and that of its links, each in order. An exchange between devices starts when the
commands before it are done and goes on beside those after it, until one needs what it writes or would write what it reads:
that one waits, as do the end of a trip and of the program. What an exchange takes to start goes on beside the one before it.
Exchanges that vector cores make are in the cores' queue.

Buffers lie in one memory: parameters, results that take over none of them, constants, the frame. Of a loop the first trip is
simulated, where two buffers take turns the second, and one more, which stands for all that follow. Where it is known what an
execution decided (trips, branches), every trip is visited; a launch is simulated the first three times, the last of which
stands for those that follow. A kernel that moves far more than the L2 holds takes the same time wherever it is launched, and is
simulated once in a process.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, cast

from . import _plugin
from .compiler.exchange_time import exchange_time
from .compiler.isa.stream import AICPU_BY_NAME
from .compiler.program.debug import commands_in_order
from .compiler.program.program import Command, Function, Program
from .compiler.targets import MemoryKind

Interval = tuple[int, int, str, int, float, float]  # core, unit, pipe, instruction, start and end in cycles
Site = tuple[int, int]  # of a command: its function, and its place among commands_in_order
Run = tuple[Site, str, str, int]  # a command's place, its core and name, and a launch's kernel or -1
_ALIGNMENT = 4096  # bytes, of every buffer
_SIMULATED = 3  # executions of one command, where each is visited
_MUCH = 8  # times what the L2 holds: what others have left there changes the time of a launch that moves so much by a few percent
_LARGE: dict[object, tuple[dict[str, float], tuple[Interval, ...]]] = {}  # figures and intervals of kernels that do
_MOST_LARGE = 512  # of them
Buffer = tuple[int, int, bool]  # address, bytes, whether it is written


@dataclass(frozen=True, slots=True)
class _Pending:
    """An exchange that goes on beside the cores."""

    run: Run
    end: float
    buffers: Sequence[Buffer]

    def keeps_waiting(self, buffers: Sequence[Buffer]) -> bool:
        """Whether a command on these buffers needs what it writes, or would write what it reads or writes."""
        return any((w or v) and a < b + m and b < a + n for a, n, w in buffers for b, m, v in self.buffers)


@dataclass(frozen=True)
class Lanes:
    """How many instructions a timeline keeps: of the first AI cores, of each kernel, and in all."""

    cores: int = 2
    most_of_a_kernel: int = 2000
    most: int = 200_000


@dataclass
class Totals:
    """Sums over the runs of one command, or of several.

    `sums` are by what plugin/device/cycles reports of a launch; those of pipes and cores as "cube_busy.M", "cube_cycles" (of the
    launches times the cores with work). Commands that are no kernels have "seconds", without dispatch, instead of "cycles";
    exchanges have them with it, and "exposed", those in which the cores wait for them.
    """

    launches: int = 0
    sums: dict[str, float] = field(default_factory=lambda: {})

    def add(self, sums: dict[str, float], times: int) -> None:
        """Add `times` runs, of `sums` each."""
        self.launches += times
        mine = self.sums
        for name, value in sums.items():
            mine[name] = mine.get(name, 0.0) + times * value

    def join(self, other: Totals) -> None:
        """Add the runs of another command."""
        self.launches += other.launches
        for name, value in other.sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def __getitem__(self, name: str) -> float:
        return self.sums.get(name, 0.0)


@dataclass(frozen=True, slots=True)
class Event:
    """What a command did, `times` times in a row; times are seconds from the start of the program.

    Of a loop it is all of its trips, which follow; `number` says how often a loop went round, or which branch was taken. Of an
    exchange, `network` is the part of its seconds that it is on the network. A "wait" is for the exchange of that name.
    """

    site: Site
    kind: str  # the command's name, or "transfer"
    core: str
    name: str
    start: float
    dispatch: float  # of one
    seconds: float  # of one, after its dispatch
    times: int
    number: int = -1
    intervals: tuple[Interval, ...] = ()
    network: float = 0.0

    @property
    def end(self) -> float:
        """When it is over."""
        return self.start + self.times * (self.dispatch + self.seconds)


class ProgramClock:
    """Times one execution of a program on the target it carries.

    warm: it has been executed before with the same buffers. lanes: which instructions of the first launch of each kernel to
    keep. decisions: what an execution decided at each loop (trips) and branch, in order.
    """

    def __init__(
        self,
        program: Program,
        data: bytes,
        warm: bool = False,
        lanes: Lanes | None = None,
        decisions: Iterator[int] | None = None,
    ):
        self.assumptions: dict[str, None] = {}  # in order
        self._program = program
        self._target = program.target
        self._addresses: dict[tuple[str, int], int] = {}
        memory = 0
        for kind, sizes in (
            ("parameter", [t.bytes for t in program.parameters]),
            ("result", [0 if alias >= 0 else t.bytes for t, alias in zip(program.results, program.result_alias, strict=True)]),
            ("constant", [len(program.constants)]),
            ("frame", [program.functions[0].frame_bytes]),
        ):  # fmt: skip
            for number, size in enumerate(sizes):
                self._addresses[kind, number] = memory
                memory += -(-size // _ALIGNMENT) * _ALIGNMENT
        for number, alias in enumerate(program.result_alias):
            if alias >= 0:
                self._addresses["result", number] = self._addresses["parameter", alias]
        self._clock = _plugin.Clock(data, memory)
        self._sites: dict[int, Site] = {
            id(c): (f, n)
            for f, function in enumerate(program.functions)
            for n, c in enumerate(commands_in_order(function.commands))
        }
        self._lanes = lanes or Lanes(0, 0, 0)
        self._keys: dict[int, object] = {}
        self._decisions = decisions
        self._trip = 0  # of the innermost loop
        self._simulate_large(data)
        if warm:
            self._execute()
        self._execute()

    def _execute(self) -> None:
        self.sites: dict[Run, Totals] = {}
        self.events: list[Event] = []
        self.seconds = 0.0  # of the program: when the cores are free
        self._linked = 0.0  # when the links are
        self._pending: list[_Pending] = []
        self._left = self._lanes.most
        self._seen: set[int] = set()  # kernels of which intervals are kept
        self._simulated: dict[Site, tuple[int, dict[str, float]]] = {}
        entry = self._program.functions[0]
        self._transfer(self._program)
        self._visit(entry.commands, self._table(entry), 1)
        self._wait()

    def _transfer(self, program: Program) -> None:
        """Charge the link for parameters and results that live in the host's memory, once each."""
        placed = (
            *zip(program.parameters, program.parameter_memory, strict=True),
            *zip(program.results, program.result_memory, strict=True),
        )
        for type, memory in placed:
            if memory is MemoryKind.pinned_host:
                seconds = type.bytes / self._target.host_bandwidth
                self._add((-1, -1), "transfer", "host", "transfer", 1, {"seconds": seconds, "bytes": type.bytes})

    def _table(self, function: Function) -> list[int]:
        """Return the address of each slot of the entry function."""
        whole = ("constant", "frame")
        return [
            self._addresses[s.kind, 0] + s.offset if s.kind in whole else self._addresses[s.kind, s.offset]
            for s in function.slots
        ]

    def _called(self, function: Function, addresses: list[int]) -> list[int]:
        """Return the address of each slot of a function that is called on its parameters, its results, its frame."""
        parameters = max((s.offset + 1 for s in function.slots if s.kind == "parameter"), default=0)
        starts = {"parameter": 0, "result": parameters}
        return [
            addresses[starts[s.kind] + s.offset]
            if s.kind in starts
            else (addresses[-1] if s.kind == "frame" else self._addresses["constant", 0]) + s.offset
            for s in function.slots
        ]

    def _visit(self, commands: list[Command], table: list[int], times: int, function: int = 0) -> None:
        slots = self._program.functions[function].slots
        used: list[int]
        number: int
        parameters: dict[str, Any]
        for c in commands:
            site, name = self._sites[id(c)], c.spec.name
            match name:
                case "launch":
                    self._launch(site, c.values[0], [table[s] for s in c.values[1]], times)
                case "aicpu":
                    op, used, parameters = c.values
                    spec = AICPU_BY_NAME[op]
                    written = spec.written(parameters)
                    buffers = [(table[s], slots[s].bytes, i < written) for i, s in enumerate(used)]
                    self._wait(buffers)
                    sums = self._touched(buffers)
                    operations, size = spec.flops(parameters), sum(n for _, n, _ in buffers)
                    seconds = operations / self._target.aicpu_rate + size / self._target.aicpu_bandwidth
                    sums |= {"seconds": seconds, "operations": operations, "bytes": size}
                    self._add(site, name, "aicpu", op, times, sums)
                case "copy":
                    used, size = list(c.values[:2]), c.values[2]
                    buffers = [(table[used[1]], size, False), (table[used[0]], size, True)]
                    self._wait(buffers)
                    sums = self._touched(buffers)
                    target = self._target
                    at_hbm = sums["hbm_bytes"] / (target.hbm_bandwidth * target.hbm_mixed_efficiency)
                    seconds = max(at_hbm, 2 * size / target.l2_total)
                    sums |= {"seconds": seconds, "bytes": 2 * size, "gm_read": size, "gm_written": size}
                    self._add(site, name, "sdma", "copy", times, sums)
                case "host_call" | "ffi_call":
                    used, results = c.values[1], len(c.values[2])
                    self._wait([(table[s], slots[s].bytes, i < results) for i, s in enumerate(used)])
                    size = sum(t.bytes for types in c.values[2:4] for t in types)
                    sums = {"seconds": size / self._target.host_bandwidth, "bytes": size}
                    self._add(site, name, "host", "host_call", times, sums)
                case "collective":
                    self._exchange(site, c, table, times)
                case "loop":
                    self._loop(site, c, table, times, function)
                case "case":
                    self._branch(site, c, table, times, function)
                case "call":
                    number, used = c.values
                    callee = self._program.functions[number]
                    self._visit(callee.commands, self._called(callee, [table[s] for s in used]), times, number)
                case _:  # a draw, the device's number: nothing to speak of
                    pass

    def _branch(self, site: Site, case: Command, table: list[int], times: int, function: int) -> None:
        branch = 0
        if self._decisions is None:
            self.assumptions["a conditional counts as its first branch"] = None
        else:
            branch = next(self._decisions)
        place = self._open(site, "case", branch, times)
        self._visit(case.values[1][branch], table, times, function)
        self._close(place)

    def _exchange(self, site: Site, c: Command, table: list[int], times: int) -> None:
        fields: dict[str, Any] = {field.name: value for field, value in c.fields()}
        name, results = fields["exchange"], len(fields["results"])
        used: list[int] = fields["slots"]
        sizes: list[int] = [t.bytes for t in (*fields["results"], *fields["operands"])]
        buffers = [(table[s], n, i < results) for i, (s, n) in enumerate(zip(used, sizes, strict=True))]
        size = sum(sizes[results:])
        time = exchange_time(name, size, fields["groups"], self._target)
        start, busy = time.start + self._target.launch_dispatch, time.links + time.network
        sums = {"seconds": start + busy, "bytes": size}
        if time.on_cores:
            self._wait(buffers)
            sums["exposed"] = sums["seconds"]
            self._add(site, "collective", "links", name, times, sums | self._touched(buffers))
            return
        begin = max(self.seconds, self._linked)
        # It starts while the one before it is on the links.
        end = max(self.seconds + times * start, self._linked) + times * busy
        sums |= {"seconds": (end - begin) / times} | self._passed(buffers)
        run = site, "links", name, -1
        self.sites.setdefault(run, Totals()).add(sums, times)
        self.events.append(
            Event(site, "collective", "links", name, begin, 0.0, sums["seconds"], times, network=time.network)
        )
        self._linked = end
        self._pending.append(_Pending(run, end, buffers))

    def _wait(self, buffers: Sequence[Buffer] | None = None) -> None:
        """Wait for the exchanges that what comes next on these buffers needs; without buffers, for all."""
        needed = [p for p in self._pending if buffers is None or p.keeps_waiting(buffers)]
        if needed:
            last = needed[-1]  # the links' queue is in order
            if last.end > self.seconds:
                site, _, name, _ = last.run
                sums = self.sites[last.run].sums
                sums["exposed"] = sums.get("exposed", 0.0) + last.end - self.seconds
                self.events.append(Event(site, "wait", "wait", name, self.seconds, 0.0, last.end - self.seconds, 1))
                self.seconds = last.end
        self._pending = [p for p in self._pending if p.end > self.seconds]

    def _loop(self, site: Site, loop: Command, table: list[int], times: int, function: int) -> None:
        _, swaps, condition, body, trips = loop.values
        if self._decisions is not None:
            trips = next(self._decisions)
            parts = [1] * trips
        else:
            if trips < 0:
                self.assumptions["a while loop whose trip count depends on data counts as one iteration"] = None
                trips = 1
            touching = min(2 if swaps else 1, trips)  # trips until each of two buffers that take turns has been used
            parts = [1] * touching + ([trips - touching] if trips > touching else [])
        outer = self._trip
        place = self._open(site, "loop", trips, times)
        for self._trip, part in enumerate(parts):
            self._visit(condition, table, times * part, function)
            self._visit(body, table, times * part, function)
            self._wait()  # so that a trip may stand for many
            if part % 2:
                for a, b in swaps:
                    table[a], table[b] = table[b], table[a]
        self._visit(condition, table, times, function)
        self._close(place)
        self._trip = outer

    def _open(self, site: Site, kind: str, number: int, times: int) -> int:
        self.events.append(Event(site, kind, "control", kind, self.seconds, 0.0, 0.0, 1, number))
        return len(self.events) - 1

    def _close(self, place: int) -> None:
        e = self.events[place]
        length = self.seconds - e.start
        self.events[place] = Event(e.site, e.kind, e.core, e.name, e.start, 0.0, length, 1, e.number)

    def _launch(self, site: Site, kernel: int, addresses: list[int], times: int) -> None:
        spec = self._program.kernels[kernel]
        sizes = [-(-a.size * a.dtype.bits // 8) for a in spec.arguments]
        buffers = [(at, n, a.writes) for at, n, a in zip(addresses, sizes, spec.arguments, strict=True)]
        self._wait(buffers)
        intervals: tuple[Interval, ...] = ()
        count, sums = self._simulated.get(site, (0, {}))
        if large := _LARGE.get(self._key(kernel)):
            sums, intervals = large
            self._passed(buffers)
            if kernel in self._seen:
                intervals = ()
        elif self._decisions is None or count < _SIMULATED:
            if self._left > 0 and kernel not in self._seen:
                time, found = self._clock.trace(
                    kernel, addresses, min(self._left, self._lanes.most_of_a_kernel), self._trip, self._lanes.cores
                )
                intervals = tuple(found)
                self._left -= len(intervals)
            else:
                time = self._clock.launch(kernel, addresses, self._trip)
            sums = _flat(time)
            self._simulated[site] = count + 1, sums
            self._keep_large(kernel, sums, intervals)
        self._seen.add(kernel)
        self._add(site, "launch", spec.core, spec.name, times, sums, intervals, kernel)

    def _simulate_large(self, data: bytes) -> None:
        """Simulate the kernels that will move far more than the L2 holds, as many at once as there are cores."""
        found: dict[int, list[int]] = {}
        for number, kernel in enumerate(self._program.kernels):
            sizes = [-(-a.size * a.dtype.bits // 8) for a in kernel.arguments]
            if sum(sizes) >= 2 * self._target.l2_bytes and self._key(number) not in _LARGE:
                before = -(-self._target.l2_bytes // _ALIGNMENT) * _ALIGNMENT  # what another kernel has left in the L2
                starts = accumulate((-(-n // _ALIGNMENT) * _ALIGNMENT for n in sizes), initial=before)
                found[number] = list(starts)
        workers = min(len(found), os.cpu_count() or 1)
        if workers < 2:
            return
        clocks = queue.SimpleQueue[_plugin.Clock]()
        for _ in range(workers):
            clocks.put(_plugin.Clock(data, max(starts[-1] for starts in found.values())))

        def simulate(number: int) -> None:
            clock, starts = clocks.get(), found[number][:-1]
            try:
                half = self._target.l2_bytes // 2
                clock.touch(0, half, True)  # half of it written
                clock.touch(half, half, False)
                most, cores = min(self._lanes.most, self._lanes.most_of_a_kernel), self._lanes.cores
                time, intervals = clock.trace(number, starts, most, 0, cores)
                self._keep_large(number, _flat(time), tuple(intervals))
            finally:
                clocks.put(clock)

        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(simulate, found):
                pass  # an error is raised here

    def _keep_large(self, kernel: int, sums: dict[str, float], intervals: tuple[Interval, ...]) -> None:
        if sums["gm_read"] + sums["gm_written"] >= _MUCH * self._target.l2_bytes:
            _LARGE[self._key(kernel)] = sums, intervals
            while len(_LARGE) > _MOST_LARGE:
                _LARGE.pop(next(iter(_LARGE)), None)

    def _key(self, kernel: int) -> object:
        """Return what equal kernels have in common, of which equal instructions are kept."""
        if kernel not in self._keys:
            self._keys[kernel] = self._target, tuple(self._program.kernels[kernel].encode()), self._lanes
        return self._keys[kernel]

    def _passed(self, buffers: Sequence[Buffer]) -> dict[str, float]:
        """Let buffers go through the L2 side by side; of what is more than it holds, their ends."""
        share = min(1.0, self._target.l2_bytes / max(sum(size for _, size, _ in buffers), 1))
        found = {"hbm_bytes": 0.0, "hbm_read": 0.0, "hbm_written": 0.0}
        for address, size, write in buffers:
            kept = int(size * share)
            moved = self._touched([(address + size - kept, kept, write)])
            moved["hbm_written" if write else "hbm_read"] += size - kept
            moved["hbm_bytes"] += size - kept
            found = {name: found[name] + moved[name] for name in found}
        return found

    def _touched(self, buffers: Sequence[Buffer]) -> dict[str, float]:
        read = written = 0
        for address, size, write in buffers:
            r, w = self._clock.touch(address, size, write)
            read, written = read + r, written + w
        return {"hbm_bytes": read + written, "hbm_read": read, "hbm_written": written}

    def _add(
        self,
        site: Site,
        kind: str,
        core: str,
        name: str,
        times: int,
        sums: dict[str, float],
        intervals: tuple[Interval, ...] = (),
        kernel: int = -1,
    ) -> None:
        if times == 0:
            return
        self.sites.setdefault((site, core, name, kernel), Totals()).add(sums, times)
        seconds = sums["cycles"] / self._target.clock if kind == "launch" else sums["seconds"]
        dispatch = 0.0 if core == "links" else self._target.launch_dispatch  # which has it in its seconds
        event = Event(site, kind, core, name, self.seconds, dispatch, seconds, times, kernel, intervals)
        self.events.append(event)
        self.seconds = event.end


def _flat(time: _plugin.KernelTime) -> dict[str, float]:
    """Return one launch's figures by the names that Totals has."""
    flat: dict[str, float] = {}
    for name, value in cast("dict[str, float | dict[str, float]]", time).items():
        if isinstance(value, dict):
            flat.update((f"{name}.{pipe}", v) for pipe, v in value.items() if v)
        else:
            flat[name] = value
    for core in ("cube", "vector"):
        flat[f"{core}_cycles"] = flat.pop(f"{core}_cores") * flat["cycles"]
    return flat
