"""Small vector kernels that do not need each other -> one launch, a part of its blocks for each.

    launch adam bias_1 (1 block);  launch adam bias_2 (1 block);  launch adam scale (2 blocks)
        ->  launch side_by_side (4 blocks): block 0 is the first, block 1 the second, blocks 2 and 3 the third

A launch costs as much as what a small kernel does, and a kernel of few blocks leaves the other cores idle. A launch waits
until something reads what it makes, or until the cores are taken: an optimizer's updates of small parameters, which only
the results of the program need, come together so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace

from ..codegen.steps import Call, Launch, Rename
from ..graph.graph import Value
from ..graph.location import distinct
from ..isa.machine import LIMITS
from ..isa.model import Affine, TileRef, View
from ..kernel_passes.allocate_tiles import allocate_tiles
from ..kernel_passes.insert_synchronization import insert_synchronization
from ..program.kernel import Instruction, Kernel, KernelBuilder
from ..targets import Target
from .schedule import Branches, Item, Loop

_SHARE_OF_CORES = 6  # a kernel is small if so many of its kind would run at once
_MOST_INSTRUCTIONS = 400  # of one kernel
_MOST_ARGUMENTS = 192  # of all together


def merge_small_launches(items: Iterable[Item], target: Target) -> list[Item]:
    """Return the items with small launches put together."""
    merger = _Merger(target)
    for item in items:
        merger.add(item)
    merger.flush()
    return merger.items


class _Merger:
    def __init__(self, target: Target):
        self.target = target
        self.items: list[Item] = []
        self._waiting: list[Launch] = []
        self._made: set[Value] = set()  # by those that wait

    def add(self, item: Item) -> None:
        if any(value in self._made for value in _reads(item)):
            self.flush()
        if not isinstance(item, Launch) or not self._is_small(item):
            self.items.append(item)
            return
        together = [*self._waiting, item]
        if (
            sum(launch.kernel.blocks for launch in together) > self.target.vector_cores
            or sum(len(launch.arguments) for launch in together) > _MOST_ARGUMENTS
            or sum(launch.kernel.registers for launch in together) > LIMITS.registers // 2
        ):
            self.flush()
        self._waiting.append(item)
        self._made.update(item.outputs)

    def flush(self) -> None:
        """Emit what waits."""
        if len(self._waiting) > 1:
            self.items.append(_side_by_side(self._waiting, self.target))
        else:
            self.items += self._waiting
        self._waiting, self._made = [], set()

    def _is_small(self, launch: Launch) -> bool:
        kernel = launch.kernel
        return (
            kernel.core == "aiv"
            and len(kernel.grid) == 1
            and kernel.blocks * _SHARE_OF_CORES <= self.target.vector_cores
            and len(kernel.body) <= _MOST_INSTRUCTIONS
            and not launch.starts_as
        )


def _reads(item: Item) -> list[Value]:
    if isinstance(item, Rename):
        return [item.input]
    if isinstance(item, Call):
        return [*item.arguments, *(i for _, i in item.starts_as)]
    if isinstance(item, (Loop, Branches)):
        return [*item.op.operands, *item.captured]
    return []


def _side_by_side(launches: Sequence[Launch], target: Target) -> Launch:
    """Return one launch for several; each has the flags that it needs by itself, as a block runs one of them only."""
    b = KernelBuilder("side_by_side", "aiv", (sum(launch.kernel.blocks for launch in launches),))
    (block,) = b.blocks
    first = 0
    for launch in launches:
        kernel = deepcopy(launch.kernel)
        allocate_tiles(kernel, target, launch.layout)
        insert_synchronization(kernel)
        last = first + kernel.blocks
        with ExitStack() as conditions:
            if first:
                conditions.enter_context(b.when(block - (first - 1)))
            if last < b.kernel.blocks:
                conditions.enter_context(b.when(last - block))
            _append(b, kernel, block - first)
        first = last
    inputs = [[v for v in launch.arguments if v not in launch.outputs] for launch in launches]
    readers = [v for values in inputs for v in dict.fromkeys(values)]
    return Launch(
        b.kernel,
        [v for launch in launches for v in launch.arguments],
        [v for launch in launches for v in launch.outputs],
        tuple((o, i) for launch in launches for o, i in launch.may_alias if readers.count(i) == 1),
        (),
        [place for launch in launches for place in launch.layout],
        distinct(place for launch in launches for place in launch.sources),
    )


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
