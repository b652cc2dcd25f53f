"""Kernels of one kind of core that do not need each other -> one launch: each takes its blocks, one kernel's after the other's.

    launch adam bias_1 (1 block);  launch adam bias_2 (1 block);  launch adam scale (2 blocks)
        ->  launch adam_x3 (4 blocks): block 0 is the first, block 1 the second, blocks 2 and 3 the third

    launch adam w_1 (40 blocks);  launch adam w_2 (40 blocks)
        ->  launch adam_x2 (48 blocks): 0 to 39 are the first; 40 to 47, then 0 to 31, the second

A launch costs as much as what a small kernel does, and a kernel of few blocks leaves the other cores idle. A launch waits
until something reads what it makes, or until enough wait: an optimizer's updates, which only the results of the program
need, come together so. What waits keeps its inputs alive, hence a limit on their bytes. A launch that needs an exchange between
devices, which may be under way, does not hold up others: those before it that do not are launched first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from ..codegen.steps import Call, Exchange, Join, Launch, Rename
from ..graph.graph import Value
from ..graph.location import distinct
from ..isa.machine import LIMITS, Pipe
from ..isa.model import Affine, TileRef, View
from ..kernel_passes.allocate_tiles import allocate_tiles
from ..kernel_passes.insert_synchronization import drain_pipes, insert_synchronization
from ..program.kernel import Instruction, Kernel, KernelBuilder
from ..targets import Target
from .schedule import Branches, Item, Loop

_MOST_INSTRUCTIONS = 400  # of one kernel
_MOST_ARGUMENTS = 192  # of all together
_PIPES = {"aiv": (Pipe.MTE2, Pipe.V, Pipe.MTE3), "aic": (Pipe.MTE2, Pipe.MTE1, Pipe.M, Pipe.FIXP)}  # of a core
_MOST_BYTES = 1 << 28  # of what those read that wait
_MOST_NAME = 24  # letters of a kernel's name that go into that of several


def merge_launches(items: Iterable[Item], target: Target) -> list[Item]:
    """Return the items with launches put together that may be."""
    merger = _Merger(target)
    for item in items:
        merger.add(item)
    merger.flush()
    return merger.items


@dataclass
class _Waiting:
    """Launches of one kind of core that wait, since when, and what they make."""

    launches: list[Launch] = field(default_factory=lambda: [])
    since: int = 0
    made: set[Value] = field(default_factory=lambda: set())


class _Merger:
    def __init__(self, target: Target):
        self.target = target
        self.items: list[Item] = []
        self._waiting = {core: _Waiting() for core in _PIPES}
        self._added = 0  # launches so far
        self._exchanged: set[Value] = set()  # by exchanges, and not read yet
        # By the identity of kernels, which are kept: with addresses and flags, and several as one.
        self._ready: dict[int, tuple[Kernel, Kernel]] = {}
        self._merged: dict[tuple[int, ...], tuple[tuple[Kernel, ...], Kernel]] = {}

    def add(self, item: Item) -> None:
        reads = _reads(item)
        if not self._exchanged.isdisjoint(reads):
            self.flush()
        for waiting in self._waiting.values():
            if any(value in waiting.made for value in reads):
                self._emit(waiting)
        self._exchanged.difference_update(reads)
        if isinstance(item, Exchange):
            self._exchanged.update(item.outputs)
        if not isinstance(item, Launch) or not self._may_share(item):
            self.items.append(item)
            return
        waiting = self._waiting[item.kernel.core]
        together = [*waiting.launches, item]
        if (
            sum(v.type.bytes for launch in together for v in _inputs(launch)) > _MOST_BYTES
            or sum(len(launch.arguments) for launch in together) > _MOST_ARGUMENTS
            or sum(launch.kernel.registers for launch in together) > LIMITS.registers // 2
        ):
            self._emit(waiting)
        self._added += 1
        waiting.since = waiting.since if waiting.launches else self._added
        waiting.launches.append(item)
        waiting.made.update(item.outputs)

    def flush(self) -> None:
        """Emit what waits."""
        for waiting in sorted(self._waiting.values(), key=lambda waiting: waiting.since):
            self._emit(waiting)

    def _emit(self, waiting: _Waiting) -> None:
        if len(waiting.launches) > 1:
            self.items.append(self._together(waiting.launches))
        else:
            self.items += waiting.launches
        waiting.launches, waiting.made = [], set()

    def _cores(self, core: str) -> int:
        return self.target.cube_cores if core == "aic" else self.target.vector_cores

    def _may_share(self, launch: Launch) -> bool:
        kernel = launch.kernel
        alone = kernel.core in _PIPES and len(kernel.grid) == 1 and not launch.starts_as
        alone = alone and sum(v.type.bytes for v in _inputs(launch)) <= _MOST_BYTES
        return alone and kernel.blocks <= self._cores(kernel.core) and len(kernel.body) <= _MOST_INSTRUCTIONS

    def _together(self, launches: Sequence[Launch]) -> Launch:
        """Return one launch for several."""
        kernels = tuple(launch.kernel for launch in launches)
        key = tuple(map(id, kernels))
        if key not in self._merged:
            self._merged[key] = kernels, self._merge(launches)
        readers = [v for launch in launches for v in _inputs(launch)]
        return Launch(
            self._merged[key][1],
            [v for launch in launches for v in launch.arguments],
            [v for launch in launches for v in launch.outputs],
            tuple((o, i) for launch in launches for o, i in launch.may_alias if readers.count(i) == 1),
            (),
            [place for launch in launches for place in launch.layout],
            distinct(place for launch in launches for place in launch.sources),
        )

    def _merge(self, launches: Sequence[Launch]) -> Kernel:
        """Return one kernel for several; the flags of each are its own, and pipes are drained from one to the next."""
        core = launches[0].kernel.core
        cores, total = self._cores(core), sum(launch.kernel.blocks for launch in launches)
        b = KernelBuilder(merged_name([launch.kernel for launch in launches]), core, (min(cores, total),))
        (block,) = b.blocks
        first = 0
        for launch in launches:
            blocks = launch.kernel.blocks
            own = block - first
            if total > cores:
                own = b.scalar("smod", block + (cores - first % cores), cores)
            with ExitStack() as conditions:
                if total <= cores and first:
                    conditions.enter_context(b.when(own + 1))
                if total > cores or first + blocks < total:
                    conditions.enter_context(b.when(blocks - own))
                if first + blocks > cores:
                    b.kernel.body += drain_pipes(_PIPES[core])
                _append(b, self._finished(launch), own)
            first += blocks
        return b.kernel

    def _finished(self, launch: Launch) -> Kernel:
        """Return a launch's kernel with addresses and flags."""
        if id(launch.kernel) not in self._ready:
            tiles = [replace(tile) for tile in launch.kernel.tiles]
            kernel = replace(launch.kernel, tiles=tiles, body=list(launch.kernel.body))
            allocate_tiles(kernel, self.target, launch.layout)
            insert_synchronization(kernel)
            self._ready[id(launch.kernel)] = launch.kernel, kernel
        return self._ready[id(launch.kernel)][1]


def merged_name(kernels: Sequence[Kernel]) -> str:
    """Return the names of the two that have most blocks, and how many kernels there are: `mul_add_and_reduce_x12`."""
    blocks = Counter[str]()
    for kernel in kernels:
        blocks[kernel.name] += kernel.blocks
    names = [
        name if len(name) <= _MOST_NAME else name[:_MOST_NAME].rpartition("_")[0] or name[:_MOST_NAME]
        for name, _ in blocks.most_common(2)
    ]
    return f"{'_and_'.join(dict.fromkeys(names))}_x{len(kernels)}"


def _inputs(launch: Launch) -> list[Value]:
    return list(dict.fromkeys(v for v in launch.arguments if v not in launch.outputs))


def _reads(item: Item) -> list[Value]:
    if isinstance(item, Rename):
        return [item.input, item.output]  # which a launch before it may make too
    if isinstance(item, Join):
        return [*item.inputs, item.output]
    if isinstance(item, Call):
        return [*item.arguments, *(i for _, i in item.starts_as)]
    if isinstance(item, (Loop, Branches)):
        return [*item.op.operands, *item.captured]
    return []


def _append(b: KernelBuilder, kernel: Kernel, block: Affine) -> None:
    """Append a kernel's arguments, tiles and instructions to a builder's; `block` is what its own block number is there."""
    target = b.kernel
    arguments, tiles, registers = len(target.arguments), len(target.tiles), target.registers - 1
    target.registers += kernel.registers - 1

    def affine(value: Affine) -> Affine:
        total = Affine(value.const)
        for register, coefficient in value.terms:
            total = total + (Affine(0, ((register + registers, 1),)) if register else block) * coefficient
        return total

    def operand(kind: str, value: object) -> object:
        if kind == "register":
            assert isinstance(value, int) and value > 0, "a block number is set"
            return value + registers
        if isinstance(value, Affine):
            return affine(value)
        if isinstance(value, TileRef):
            return TileRef(value.tile + tiles, affine(Affine.of(value.slot)))
        if isinstance(value, View):
            shape = tuple(map(affine, value.shape))
            return replace(value, argument=value.argument + arguments, offset=affine(value.offset), shape=shape)
        return value

    target.arguments += kernel.arguments
    for tile in kernel.tiles:
        valid = affine(tile.valid_rows), affine(tile.valid_columns)
        target.tiles.append(replace(tile, address=-1, slot_stride=0, valid_rows=valid[0], valid_columns=valid[1]))
    for i in kernel.body:
        target.body.append(Instruction(i.spec, tuple(operand(o.kind, v) for o, v in i.operands())))
