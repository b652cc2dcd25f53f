"""Placed schedule -> Program: frame offsets, constants, slot tables and stream commands.

Buffers of the frame whose times do not overlap share memory (best fit over a walk in time).
"""

from __future__ import annotations

import hashlib
import heapq
from bisect import bisect

import numpy as np

from ..codegen.steps import AicpuLaunch, Call, CallHost, DeviceNumber, Exchange, Join, Launch, Rename
from ..graph.location import Location, distinct
from ..graph.ops import Draw, Foreign
from ..graph.trip_count import trip_count
from ..isa.stream import SLOT_ALIGNMENT
from ..program.debug import encode_debug
from ..program.kernel import Kernel
from ..program.program import Command, Function, Program, command
from ..targets import Target
from .place_values import Copy, Placed, PlacedSchedule, Placer, Storage
from .schedule import Branches, Item, Loop, Materialise, Schedule

ALIGNMENT = 512  # an L2 line


def assign_offsets(storages: list[Storage]) -> tuple[dict[Storage, int], int]:
    """Give each storage an offset such that no two of overlapping times overlap; return them and the bytes in all."""
    offsets: dict[Storage, int] = {}
    free: list[tuple[int, int]] = []  # (offset, bytes), by offset, no two adjacent
    busy: list[tuple[int, int, int]] = []  # heap of (last, offset, bytes)
    top = 0
    for storage in sorted(storages, key=lambda s: (s.first, -s.bytes)):
        while busy and busy[0][0] < storage.first:
            _, offset, size = heapq.heappop(busy)
            _release(free, offset, size)
        size = max(ALIGNMENT, -(-storage.bytes // ALIGNMENT) * ALIGNMENT)
        fits = [(bytes_free, i) for i, (_, bytes_free) in enumerate(free) if bytes_free >= size]
        if fits:
            bytes_free, i = min(fits)
            offset = free[i][0]
            if bytes_free == size:
                del free[i]
            else:
                free[i] = (offset + size, bytes_free - size)
        elif free and free[-1][0] + free[-1][1] == top:  # grow the last hole
            offset = free.pop()[0]
            top = offset + size
        else:
            offset, top = top, top + size
        offsets[storage] = offset
        heapq.heappush(busy, (storage.last, offset, size))
    return offsets, top


def _release(free: list[tuple[int, int]], offset: int, size: int) -> None:
    i = bisect(free, (offset, size))
    if i < len(free) and offset + size == free[i][0]:
        size += free.pop(i)[1]
    if i and sum(free[i - 1]) == offset:
        i -= 1
        offset, size = free[i][0], size + free[i][1]
        free.pop(i)
    free.insert(i, (offset, size))


class _Writer:
    """Writes the entry function of a program."""

    def __init__(self, program: Program, placer: Placer, names: tuple[list[str], list[str]]):
        self.program = program
        self.function = Function("main")
        self._kernels: dict[int, int] = {}
        self._encoded: dict[tuple[int, ...], int] = {}
        self._slots: dict[Storage, int] = {}
        self._offsets, self.function.frame_bytes = assign_offsets([s for s in placer.all if s.kind == "frame"])
        self._constants: dict[bytes, int] = {}  # digest -> offset
        self._placer = placer
        self._names = names
        self._pieces: list[bytes | memoryview] = []
        self._sources: dict[int, tuple[Location, ...]] = {}  # of a command, by its identity
        self._size = 0

    def write(self) -> None:
        self.function.commands = self.schedule(self._placer.placed)
        self.program.functions.append(self.function)
        self.program.debug = encode_debug(self.program.functions, self._sources, *self._names)
        self.program.constants = b"".join(self._pieces)

    def slot(self, storage: Storage) -> int:
        if storage not in self._slots:
            kind, offset = storage.kind, storage.number
            if storage.whole is not None:
                kind, offset = "frame", self._offsets[storage.whole] + storage.offset
            elif kind == "frame":
                offset = self._offsets[storage]
            self._slots[storage] = self.function.slot(kind, offset, storage.bytes)
        return self._slots[storage]

    def slots(self, item: Call) -> list[int]:
        return [self.slot(self._placer.storage[v]) for v in item.arguments]

    def kernel(self, kernel: Kernel) -> int:
        """Index of the kernel in the program; equal kernels are one."""
        if id(kernel) not in self._kernels:
            words = tuple(kernel.encode())
            if words not in self._encoded:
                self._encoded[words] = len(self.program.kernels)
                self.program.kernels.append(kernel)
            self._kernels[id(kernel)] = self._encoded[words]
        return self._kernels[id(kernel)]

    def constant(self, item: Materialise) -> None:
        """Append the constant's bytes (equal ones once) and let its slot point there."""
        data = np.ascontiguousarray(item.op.value).reshape(-1).view(np.uint8).data
        key = hashlib.sha256(data).digest()
        if key not in self._constants:
            padding = -self._size % SLOT_ALIGNMENT
            self._constants[key] = self._size + padding
            self._pieces += (bytes(padding), data)
            self._size += padding + data.nbytes
        self._placer.storage[item.op.result].number = self._constants[key]

    def copy(self, copy: Copy) -> Command:
        return command("copy", self.slot(copy.destination), self.slot(copy.source), copy.bytes)

    def call_host(self, item: CallHost) -> Command:
        count, callee, slots = len(item.outputs), item.callee, self.slots(item)
        types = list(callee.types) if isinstance(callee, Foreign) else [v.type for v in item.arguments]
        results, operands = types[:count], types[count:]
        if isinstance(callee, Draw):
            return command("draw", slots[0])
        if not isinstance(callee, Foreign):
            return command("host_call", callee, slots, results, operands)
        return command("ffi_call", callee.target, slots, results, operands, list(callee.tokens), callee.attributes)

    def exchange(self, item: Exchange) -> Command:
        types, count = [v.type for v in item.arguments], len(item.outputs)
        groups = [list(g) for g in item.groups]
        slots, results, operands = self.slots(item), types[:count], types[count:]
        return command("collective", item.exchange, slots, results, operands, item.reduction, groups)

    def schedule(self, placed: PlacedSchedule) -> list[Command]:
        commands: list[Command] = []
        for item in placed.items:
            made = [*map(self.copy, item.before), *self.item(item)]
            self._sources.update((id(c), _sources(item.item)) for c in made)
            commands += made
        for copy in placed.after:
            commands.append(self.copy(copy))
            self._sources[id(commands[-1])] = _made(copy.source)
        return commands

    def item(self, placed: Placed) -> list[Command]:
        item = placed.item
        if isinstance(item, (Rename, Join)):
            return []
        if isinstance(item, Materialise):
            self.constant(item)
            return []
        if isinstance(item, Launch):
            return [command("launch", self.kernel(item.kernel), self.slots(item))]
        if isinstance(item, AicpuLaunch):
            return [command("aicpu", item.op, self.slots(item), item.parameters)]
        if isinstance(item, CallHost):
            return [self.call_host(item)]
        if isinstance(item, DeviceNumber):
            return [command("device_number", self.slots(item)[0], int(item.of_replica))]
        if isinstance(item, Exchange):
            return [self.exchange(item)]
        parts = [self.schedule(p) for p in placed.parts]
        where = self._placer.storage
        if isinstance(item, Loop):
            predicate = self.slot(where[item.cond.graph.results[0]])
            swaps = [(self.slot(a), self.slot(b)) for a, b in placed.swaps]
            trips = trip_count(item.op)
            return [command("loop", predicate, swaps, *parts, -1 if trips is None else trips)]
        assert isinstance(item, Branches), f"[write program] no command for {type(item).__name__}"
        return [command("case", self.slot(where[item.op.operands[0]]), parts)]


def _sources(item: Item) -> tuple[Location, ...]:
    """Return where an item comes from; copies that are made before it are its own."""
    if isinstance(item, Call):
        return item.sources
    return distinct([item.op.loc]) if isinstance(item, (Loop, Branches)) else ()


def _made(storage: Storage) -> tuple[Location, ...]:
    """Return where what a buffer holds comes from, the latest first."""
    return distinct(v.producer.loc for v in reversed(storage.values) if v.producer is not None)


def write_program(
    name: str,
    schedule: Schedule,
    placer: Placer,
    result_alias: list[int],
    target: Target,
    names: tuple[list[str], list[str]] = ([], []),
) -> Program:
    """Write a schedule whose values have storage as a program; `names` are those of parameters and results."""
    graph = schedule.graph
    parameters, results = [v.type for v in graph.arguments], [v.type for v in graph.results]
    program = Program(name, target, parameters, results, list(result_alias))
    _Writer(program, placer, names).write()
    return program
