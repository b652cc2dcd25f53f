"""Kernel with addresses -> the same kernel with set_flag and wait_flag between its pipes.

Pipes of a core run asynchronously; two instructions on different pipes that touch the same bytes, one of them writing,
must be ordered by a flag. Within one block of the body the flag is set after the first and waited for before the second.
Around a loop, an instruction must wait for what the previous iteration (or, for a tile with n slots, the n-th before) did to
its bytes: those flags start out set before the outermost loop and are drained after it, and their event id alternates with
the slot. An ordering that follows from flags already there is not expressed again.

    tload(x[i]) ; tadd(y, x[i])    ->    wait V->MTE2 i%2 ; tload ; set MTE2->V i%2 ; wait MTE2->V i%2 ; tadd ; set V->MTE2 i%2

Where the event ids of a pair of pipes do not suffice, the scalar unit drains the earlier pipe instead. In a mixed
kernel each core type orders its own pipes: flags of the vector cores stand in `subblocks`, and what goes from one core type
to the other is ordered by cross-core flags, which the code generator writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..isa.machine import LIMITS, Pipe
from ..isa.model import Affine, Effect, TileRef, View, instruction_set
from ..program.kernel import Instruction, Kernel

_DRAIN_EVENT = LIMITS.events - 1  # of every pair (pipe, S): set and awaited at once
_ISA = instruction_set()


@dataclass(frozen=True, slots=True)
class _Touch:
    """One operand's effect: bytes [low, high) of an on-chip memory, or a GM argument (memory = -1 - argument)."""

    memory: int
    low: int
    high: int
    writes: bool
    tile: int  # -1 for GM
    slots: int
    slot: Affine

    def conflicts(self, other: _Touch) -> bool:
        return (
            self.memory == other.memory
            and (self.writes or other.writes)
            and self.low < other.high
            and other.low < self.high
        )


_Queue = tuple[bool, Pipe]  # whether of the vector cores of a mixed kernel; which pipe


@dataclass(eq=False)
class _Node:
    """An instruction, or a block: its opener, children and closing `end`."""

    instruction: Instruction
    touches: list[tuple[_Queue, _Touch]]
    vector_core: bool  # stands in `subblocks`, or is one
    children: list[_Node] | None = None
    end: Instruction | None = None
    before: list[Instruction] = field(default_factory=lambda: [])
    after: list[Instruction] = field(default_factory=lambda: [])

    @property
    def is_loop(self) -> bool:
        return self.instruction.spec.name == "loop"

    def orders_itself(self, core: bool) -> bool:
        """Whether its flags also order one run of it and the next on a core: a loop, or a block around nothing else."""
        if self.is_loop or self.children is None:
            return self.is_loop
        touching = [child for child in self.children if any(queue[0] == core for queue, _ in child.touches)]
        return len(touching) == 1 and touching[0].orders_itself(core)


_Effects = tuple[int, list[_Touch]]  # a node, and what it touches by one queue


@dataclass(frozen=True, slots=True)
class _Carried:
    """Node b, on pipe q of a core, waits for what node a did on pipe p `distance` iterations ago to `touch`'s bytes."""

    a: int
    b: int
    core: bool
    p: Pipe
    q: Pipe
    distance: int
    touch: _Touch

    def follows_from(self, other: _Carried) -> bool:
        """Whether `other`, which waits earlier in the body, orders at least as much."""
        same = (self.core, self.p, self.q) == (other.core, other.p, other.q)
        return same and other.a >= self.a and other.distance <= self.distance


def insert_synchronization(kernel: Kernel) -> None:
    """Add the flags a kernel needs; every tile must have its address. One that has flags (a cached kernel) is left alone."""
    if not any(i.spec.name == "set_flag" for i in kernel.body):
        _Synchronizer(kernel).run()


class _Synchronizer:
    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self.events: dict[tuple[bool, Pipe, Pipe], int] = {}
        self.prologue: dict[bool, list[Instruction]] = {}  # of the outermost block being worked on, by core type
        self.epilogue: dict[bool, list[Instruction]] = {}

    def run(self) -> None:
        nodes = self._tree(iter(self.kernel.body), False)
        self._order(nodes, None, outermost=None)
        self.kernel.body = list(_flatten(nodes))

    # -- reading ----------------------------------------------------------------------------------------------

    def _tree(self, body: Iterator[Instruction], vector_core: bool) -> list[_Node]:
        nodes: list[_Node] = []
        for instruction in body:
            if instruction.spec.name == "end":
                nodes.append(_Node(instruction, [], vector_core))
                return nodes
            inner_core = vector_core or instruction.spec.name == "subblocks"
            node = _Node(instruction, [], inner_core)
            if instruction.spec.opens:
                children = self._tree(body, inner_core)
                node.end = children.pop().instruction
                node.children = children
                node.touches = list(dict.fromkeys(t for child in children for t in child.touches))
            else:
                queue = inner_core, self.kernel.pipe(instruction)
                node.touches = [(queue, t) for t in self._touches(instruction)]
            nodes.append(node)
        return nodes

    def _touches(self, instruction: Instruction) -> Iterator[_Touch]:
        for operand, value in instruction.operands():
            if isinstance(value, TileRef):
                tile = self.kernel.tiles[value.tile]
                writes = operand.effect != Effect.read
                if tile.slots > 1 and value.slot.is_constant:
                    low = tile.address + value.slot.const % tile.slots * tile.slot_stride
                    yield _Touch(tile.loc, low, low + tile.bytes, writes, value.tile, 1, value.slot)
                else:
                    high = tile.address + (tile.slots - 1) * tile.slot_stride + tile.bytes
                    yield _Touch(tile.loc, tile.address, high, writes, value.tile, tile.slots, value.slot)
            elif isinstance(value, View):
                yield _Touch(-1 - value.argument, 0, 1, operand.effect != Effect.read, -1, 1, Affine())

    # -- ordering ---------------------------------------------------------------------------------------------

    def _order(self, nodes: list[_Node], loop: _Node | None, outermost: _Node | None) -> None:
        for node in nodes:
            if node.children is None:
                continue
            own = outermost is None
            if own:
                self.prologue, self.epilogue = {False: [], True: []}, {False: [], True: []}
            self._order(node.children, node if node.is_loop else None, outermost or node)
            if own:
                inside = node.instruction.spec.name == "subblocks"  # what a node of vector cores waits for stands in it
                for core in (False, True):
                    wrap = core and not inside
                    node.before = self._on(wrap, self.prologue[core]) + node.before
                    node.after += self._on(wrap, self.epilogue[core])
        carried = self._carried(nodes, loop) if loop is not None else []
        self._forward(nodes)
        for order in carried:
            self._emit_carried(nodes, order)

    def _beside(self, node: _Node, core: bool, *flags: Instruction) -> list[Instruction]:
        """Return flags of a core type for a place beside (or, of `subblocks`, in) a node."""
        return self._on(core and not node.vector_core, list(flags))

    def _on(self, vector_cores: bool, flags: list[Instruction]) -> list[Instruction]:
        """Put flags into a `subblocks` of their own if they are for the vector cores of a mixed kernel."""
        if not vector_cores or not flags:
            return flags
        self.kernel.registers += 1
        return [Instruction(_ISA["subblocks"], (self.kernel.registers - 1,)), *flags, Instruction(_ISA["end"], ())]

    def _forward(self, nodes: list[_Node]) -> None:
        """Order conflicting nodes of one block, earlier before later."""
        # done[core, q][p]: the last node of pipe p that is known to be complete when pipe q of the core goes on
        done: dict[_Queue, dict[Pipe, int]] = {}
        knew: list[dict[_Queue, dict[Pipe, int]]] = []  # per node and queue: done of the queue when it was issued
        seen: dict[_Queue, list[_Effects]] = {}
        for b, later in enumerate(nodes):
            effects = _by_queue(later)
            for (core, q), ys in effects.items():
                known = done.setdefault((core, q), {})
                for p in Pipe:
                    if p == q:
                        continue
                    for a, xs in reversed(seen.get((core, p), ())):
                        if a <= known.get(p, -1):
                            break
                        x = next((x for x in xs for y in ys if x.conflicts(y) and not _disjoint(x, y)), None)
                        if x is not None:
                            self._emit_forward(nodes[a], later, core, p, q, x)
                            for r, c in [(p, a), *knew[a][core, p].items()]:
                                if r != q:
                                    known[r] = max(known.get(r, -1), c)
                            break
            knew.append({queue: dict(done[queue]) for queue in effects})
            for queue, ys in effects.items():
                seen.setdefault(queue, []).append((b, ys))

    def _emit_forward(self, earlier: _Node, later: _Node, core: bool, p: Pipe, q: Pipe, touch: _Touch) -> None:
        inner = _defined(earlier) | _defined(later)  # registers that mean nothing between the two
        slotted = touch.slots > 1 and not any(register in inner for register, _ in touch.slot.terms)
        count = touch.slots if slotted else 1
        base = self._reserve(core, p, q, count) if Pipe.S not in (p, q) else None
        if base is None:
            later.before += self._beside(later, core, *_drain(p, q))
            return
        event: Affine = Affine(base)
        if slotted:
            event, compute = self._slot_event(base, touch)
            earlier.before = compute + earlier.before
        earlier.after += self._beside(earlier, core, _flag("set_flag", p, q, event))
        later.before += self._beside(later, core, _flag("wait_flag", p, q, event))

    def _carried(self, nodes: list[_Node], loop: _Node) -> list[_Carried]:
        """Find what a node must wait for that earlier iterations of the loop did."""
        register = loop.instruction.operand("dst")
        by_queue: dict[_Queue, list[_Effects]] = {}
        for a, node in enumerate(nodes):
            for queue, xs in _by_queue(node).items():
                by_queue.setdefault(queue, []).append((a, xs))
        found: list[_Carried] = []
        for b, later in enumerate(nodes):
            for (core, q), ys in _by_queue(later).items():
                for p in Pipe:
                    best: _Carried | None = None
                    for a, xs in reversed(by_queue.get((core, p), ())):
                        if p == q or a < b:
                            break
                        if a == b and nodes[a].orders_itself(core):
                            continue
                        for x in xs:
                            for y in ys:
                                if x.conflicts(y):
                                    distance = _distance(x, y, register)
                                    if best is None or distance < best.distance:
                                        best = _Carried(a, b, core, p, q, distance, x)
                    if best is not None and not any(map(best.follows_from, found)):
                        found.append(best)
        return found

    def _emit_carried(self, nodes: list[_Node], order: _Carried) -> None:
        earlier, later = nodes[order.a], nodes[order.b]
        core, p, q, distance = order.core, order.p, order.q, order.distance
        base = self._reserve(core, p, q, distance) if Pipe.S not in (p, q) else None
        if base is None:
            later.before += self._beside(later, core, *_drain(p, q))
            return
        event = Affine(base)
        if distance > 1:
            event, compute = self._slot_event(base, order.touch)
            later.before = compute + later.before
        later.before += self._beside(later, core, _flag("wait_flag", p, q, event))
        earlier.after += self._beside(earlier, core, _flag("set_flag", p, q, event))
        for i in range(distance):
            self.prologue[core].append(_flag("set_flag", p, q, Affine(base + i)))
            self.epilogue[core].append(_flag("wait_flag", p, q, Affine(base + i)))

    def _reserve(self, vector_core: bool, p: Pipe, q: Pipe, count: int) -> int | None:
        base = self.events.get((vector_core, p, q), 0)
        if base + count > LIMITS.events:
            return None
        self.events[vector_core, p, q] = base + count
        return base

    def _slot_event(self, base: int, touch: _Touch) -> tuple[Affine, list[Instruction]]:
        register = self.kernel.registers
        self.kernel.registers += 1
        compute = Instruction(_ISA["smod"], (register, touch.slot, Affine(touch.slots)))
        return Affine(base, ((register, 1),)), [compute]


def _disjoint(x: _Touch, y: _Touch) -> bool:
    """Whether two touches of one slotted tile are surely on different slots."""
    if x.tile < 0 or x.tile != y.tile or x.slots == 1:
        return False
    difference = x.slot - y.slot
    return difference.is_constant and difference.const % x.slots != 0


def _distance(x: _Touch, y: _Touch, register: int) -> int:
    """After how many iterations the same bytes come round again."""
    if x.tile < 0 or x.tile != y.tile or x.slots == 1 or x.slot != y.slot:
        return 1
    return x.slots if dict(x.slot.terms).get(register) in (1, -1) else 1


def _flag(name: str, p: Pipe, q: Pipe, event: Affine) -> Instruction:
    return Instruction(_ISA[name], (p.name, q.name, event))


def _drain(p: Pipe, q: Pipe) -> list[Instruction]:
    """Return what lets the scalar unit, and so all it issues later, wait for p; and q wait for the scalar unit, if p is that."""
    pair = (p, q) if p is Pipe.S else (p, Pipe.S)
    return [_flag(name, *pair, Affine(_DRAIN_EVENT)) for name in ("set_flag", "wait_flag")]


def drain_pipes(pipes: Iterable[Pipe]) -> list[Instruction]:
    """Return what holds all later instructions until pipes have completed what they were given: for parts without common flags."""
    return [instruction for pipe in pipes for instruction in _drain(pipe, Pipe.S)]


def _defined(node: _Node) -> set[int]:
    """Registers that the blocks of a node define."""
    if node.children is None:
        return set()
    own: set[int] = {node.instruction.values[0]} if node.instruction.spec.name != "when" else set()
    inner = {c.instruction.values[0] for c in node.children if c.instruction.spec.group == "scalar"}
    return own.union(inner, *map(_defined, node.children))


def _by_queue(node: _Node) -> dict[_Queue, list[_Touch]]:
    result: dict[_Queue, list[_Touch]] = {}
    for queue, touch in node.touches:
        result.setdefault(queue, []).append(touch)
    return result


def _flatten(nodes: list[_Node]) -> Iterator[Instruction]:
    for node in nodes:
        inside = node.instruction.spec.name == "subblocks"
        if not inside:
            yield from node.before
        yield node.instruction
        if node.children is not None:
            if inside:
                yield from node.before
            yield from _flatten(node.children)
            if inside:
                yield from node.after
            assert node.end is not None
            yield node.end
        if not inside:
            yield from node.after
