"""A program's commands on the clock, one after the other, with the L2 that each leaves to the next.

Buffers lie in one memory: parameters, results that take over none of them, constants, the frame. Of a loop the first trip is
simulated, where buffers take turns the second, and one more, which stands for all that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import _plugin
from .compiler.exchange_time import exchange_seconds
from .compiler.isa.stream import AICPU_BY_NAME
from .compiler.program.program import Command, Function, Program
from .compiler.targets import MemoryKind

Interval = tuple[int, int, str, int, float, float]  # core, unit, pipe, instruction, start and end in cycles
_ALIGNMENT = 4096  # bytes, of every buffer


@dataclass
class KernelTotals:
    """All launches of a kernel: sums over them."""

    launches: int = 0
    cycles: float = 0.0
    hbm_bytes: float = 0.0
    busy: dict[tuple[str, str], float] = field(default_factory=lambda: {})  # core type, pipe -> cycles over all cores
    core_cycles: dict[str, float] = field(
        default_factory=lambda: {}
    )  # core type -> cycles of launches times cores with work


@dataclass
class OtherTotals:
    """All runs of what is no kernel of the program: sums over them."""

    launches: int = 0
    seconds: float = 0.0  # without dispatch
    operations: float = 0.0
    bytes: float = 0.0
    hbm_bytes: float = 0.0


class ProgramClock:
    """Times one execution of a program on the target it carries.

    warm: it has been executed before with the same buffers. `traced` is called with the index of each kernel and the
    intervals of its first launch, at most `limit` of them.
    """

    def __init__(
        self,
        program: Program,
        data: bytes,
        warm: bool,
        traced: Callable[[int, list[Interval]], None] | None = None,
        limit: int = 0,
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
        self._traced: Callable[[int, list[Interval]], None] | None = None
        self._limit = limit
        self._trip = 0  # of the innermost loop
        self._seen: set[int] = set()
        entry = program.functions[0]
        for again in (False, True) if warm else (False,):
            if again == warm:
                self._traced = traced
            self.kernels = [KernelTotals() for _ in program.kernels]
            self.others: dict[tuple[str, str], OtherTotals] = {}  # by core and name
            self._transfer(program)
            self._visit(entry.commands, self._table(entry), 1)

    def _transfer(self, program: Program) -> None:
        """Charge the link for parameters and results that live in the host's memory, once each."""
        placed = (
            *zip(program.parameters, program.parameter_memory, strict=True),
            *zip(program.results, program.result_memory, strict=True),
        )
        for type, memory in placed:
            if memory is MemoryKind.pinned_host:
                self._add(
                    "host", "transfer", 1, OtherTotals(1, type.bytes / self._target.host_bandwidth, 0, type.bytes)
                )

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
            match c.spec.name:
                case "launch":
                    self._launch(c.values[0], [table[s] for s in c.values[1]], times)
                case "aicpu":
                    op, used, parameters = c.values
                    spec = AICPU_BY_NAME[op]
                    buffers = [(table[s], slots[s].bytes) for s in used]
                    written = spec.written(parameters)
                    moved = sum(self._touch(a, n, i < written) for i, (a, n) in enumerate(buffers))
                    operations, size = spec.flops(parameters), sum(n for _, n in buffers)
                    seconds = operations / self._target.aicpu_rate + size / self._target.aicpu_bandwidth
                    self._add("aicpu", op, times, OtherTotals(1, seconds, operations, size, moved))
                case "copy":
                    used, size = list(c.values[:2]), c.values[2]
                    moved = self._touch(table[used[1]], size, False) + self._touch(table[used[0]], size, True)
                    target = self._target
                    at_hbm = moved / (target.hbm_bandwidth * target.hbm_mixed_efficiency)
                    seconds = max(at_hbm, 2 * size / target.l2_total)
                    self._add("sdma", "copy", times, OtherTotals(1, seconds, 0, 2 * size, moved))
                case "host_call" | "ffi_call":
                    size = sum(t.bytes for types in c.values[2:4] for t in types)
                    self._add("host", "host_call", times, OtherTotals(1, size / self._target.host_bandwidth, 0, size))
                case "collective":
                    self._exchange(c, table, times)
                case "loop":
                    self._loop(c, table, times, function)
                case "case":
                    self.assumptions["a conditional counts as its first branch"] = None
                    self._visit(c.values[1][0], table, times, function)
                case "call":
                    number, used = c.values
                    callee = self._program.functions[number]
                    self._visit(callee.commands, self._called(callee, [table[s] for s in used]), times, number)
                case _:  # a draw, the device's number: nothing to speak of
                    pass

    def _exchange(self, c: Command, table: list[int], times: int) -> None:
        fields = {field.name: value for field, value in c.fields()}
        used, results = fields["slots"], len(fields["results"])
        sizes = [t.bytes for t in (*fields["results"], *fields["operands"])]
        moved = sum(self._touch(table[s], n, i < results) for i, (s, n) in enumerate(zip(used, sizes, strict=True)))
        size, devices = sum(sizes[results:]), max(map(len, fields["groups"]), default=1)
        seconds = exchange_seconds(fields["exchange"], size, devices, self._target)
        self._add("links", fields["exchange"], times, OtherTotals(1, seconds, 0, size, moved))

    def _loop(self, loop: Command, table: list[int], times: int, function: int) -> None:
        _, swaps, condition, body, trips = loop.values
        if trips < 0:
            self.assumptions["a while loop whose trip count depends on data counts as one iteration"] = None
            trips = 1
        touching = min(2 if swaps else 1, trips)  # trips until each of two buffers that take turns has been used
        rest = [trips - touching] if trips > touching else []
        outer = self._trip
        for self._trip, part in enumerate([1] * touching + rest):
            self._visit(condition, table, times * part, function)
            self._visit(body, table, times * part, function)
            if part % 2:
                for a, b in swaps:
                    table[a], table[b] = table[b], table[a]
        self._visit(condition, table, times, function)
        self._trip = outer

    def _launch(self, kernel: int, addresses: list[int], times: int) -> None:
        if self._traced and kernel not in self._seen:
            self._seen.add(kernel)
            self._traced(kernel, self._clock.trace(kernel, addresses, self._limit))
            return
        time, total = self._clock.launch(kernel, addresses, self._trip), self.kernels[kernel]
        total.launches += times
        total.cycles += times * time["cycles"]
        total.hbm_bytes += times * time["hbm_bytes"]
        for core, cores, busy in (
            ("cube", time["cube_cores"], time["cube_busy"]),
            ("vector", time["vector_cores"], time["vector_busy"]),
        ):
            total.core_cycles[core] = total.core_cycles.get(core, 0) + times * cores * time["cycles"]
            for pipe, cycles in busy.items():
                total.busy[core, pipe] = total.busy.get((core, pipe), 0) + times * cycles

    def _touch(self, address: int, size: int, write: bool) -> int:
        return sum(self._clock.touch(address, size, write))

    def _add(self, core: str, name: str, times: int, one: OtherTotals) -> None:
        total = self.others.setdefault((core, name), OtherTotals())
        for f, value in vars(one).items():
            setattr(total, f, getattr(total, f) + times * value)
