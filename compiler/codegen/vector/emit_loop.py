"""The tiles of a loop kernel: what a loop carries stays in UB from its first iteration to its last.

    x: 0.5 * x + y[i], 100 times    ->    tload x;  loop 100 { tload y[i]; tmuls t, x; tadd x, t, y };  tstore x

A section's loops over chunks are opened first, the iterations run inside. What no iteration changes is computed before
them. The last instruction that makes a carried value writes it into the tile that the next iteration reads, where
nothing needs the old value any more; else it is moved there at the end of the iteration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...graph.graph import Value
from ...graph.trip_count import Progression
from ...isa.model import Affine, TileRef
from ...program.kernel import KernelBuilder
from ...tiling.vector_plan import Conflict, NestPlan
from .emit import Kind, Scope, SectionEmitter, Task
from .nodes import Access, Node, Store


@dataclass(eq=False)
class Carried:
    """A value that goes from iteration to iteration: its node in the body, what it becomes there, where it ends."""

    argument: Node  # a load that is never emitted
    start: Value | int | float  # what it is before the first iteration
    next: Store  # only the node counts
    final: Store  # of `argument`, after the last iteration


class LoopEmitter(SectionEmitter):
    """Emits one section of a loop kernel. `progressions` are the scalars that follow from the iteration's number."""

    def __init__(
        self,
        builder: KernelBuilder,
        plan: NestPlan,
        arguments: dict[Value, int],
        block: Affine,
        count: int,
        progressions: Mapping[Value, Progression],
    ):
        super().__init__(builder, plan, arguments, block)
        self.count, self.progressions = count, progressions
        self.iteration = Affine()
        self.carried: Sequence[Carried] = ()
        self.stacked: Sequence[Store] = ()
        self.in_place: dict[Node, TileRef] = {}

    def run_loop(self, carried: Sequence[Carried], stacked: Sequence[Store]) -> None:
        """Emit all iterations; `stacked` is stored in each of them."""
        self.carried, self.stacked = carried, stacked
        # What is stored of an iteration comes first: it may read what the carried values overwrite.
        self.run([*(c.final for c in carried), *stacked, *(c.next for c in carried)])

    def _level(self, depth: int, tasks: list[Task]) -> None:
        if depth < len(self.nest):
            self._loop(depth + 1, tasks)
            return
        if any(map(self._looped, self.order)):
            raise Conflict("a reduction in a loop over more than a tile holds")
        self.stored = {s.node for s in self.stacked}
        self._iterate()

    def _iterate(self) -> None:
        changing = self._changing()
        for node in self.order:
            if node not in changing and node.kind != "const":
                self._compute(node)
        homes = {c: self._home(c) for c in self.carried}
        self.in_place = self._updated_in_place(homes, changing)
        with self.b.loop(0, self.count) as self.iteration:
            self.scopes.append(Scope(slot=self.iteration, in_loop=True))
            self._name_homes(homes)
            early = [s for s in self.stacked if s.node not in changing or self._is_argument(s.node)]
            for s in early:
                self._store(s.node, s.access)
            for node in self.order:
                if node in changing and not self._is_argument(node):
                    self._compute(node)
                    for s in self.stacked:
                        if s.node is node:
                            self._store(s.node, s.access)
            self._move_home(homes)
            self.scopes.pop()
        self.in_place = {}
        self._name_homes(homes)
        for c in self.carried:
            self._store(c.argument, c.final.access)

    # --- what an iteration changes ---

    def _is_argument(self, node: Node) -> bool:
        return any(c.argument is node for c in self.carried)

    def _changing(self) -> set[Node]:
        """Return the nodes that may differ from iteration to iteration."""
        changing: set[Node] = set()
        for node in self.order:  # operands first
            access = node.access
            loaded = access is not None and (
                access.value in self.progressions or any(d.value in self.progressions for d in access.dynamic)
            )
            if loaded or self._is_argument(node) or any(o in changing for o in node.operands):
                changing.add(node)
        return changing

    # --- the tiles that carry ---

    def _home(self, carried: Carried) -> TileRef:
        kind = self.kind(carried.argument)
        if isinstance(carried.start, Value):
            return self._load(Access(carried.start, dict(carried.final.access.strides)), kind)
        home = self.new_tile(carried.argument.dtype, kind)
        self.b.texpands(home, carried.start)
        return home

    def _name_homes(self, homes: dict[Carried, TileRef]) -> None:
        for c, home in homes.items():
            self.scopes[-1].tiles[c.argument, self.kind(c.argument)] = home

    def _updated_in_place(self, homes: dict[Carried, TileRef], changing: set[Node]) -> dict[Node, TileRef]:
        """Return the nodes that may be computed right into the tile that carries them on."""
        last: dict[Node, int] = {}  # the position of the last node that reads a node's tile, under whatever type
        for node in reversed(self.order):
            at = self.order[node]
            for o in node.operands:
                last[o] = max(last.get(o, 0), at, last.get(node, 0) if node.kind == "bits" else 0)
        kept = {_tile_owner(c.next.node) for c in self.carried}  # old values that are read at the end
        into: dict[Node, TileRef] = {}
        for c, home in homes.items():
            node = c.next.node
            if (
                node.kind in ("op", "cvt")
                and node in changing
                and node not in into
                and self.kind(node) == self.kind(c.argument)
                and c.argument not in kept
                and last.get(c.argument, 0) <= self.order[node]
            ):
                into[node] = home
        return into

    def _destination(self, node: Node, kind: Kind, slots: int) -> TileRef:
        return self.in_place.get(node) or super()._destination(node, kind, slots)

    def _move_home(self, homes: dict[Carried, TileRef]) -> None:
        """Move what was not computed in place to where the next iteration reads it, as if all at once."""
        moves: list[tuple[TileRef, TileRef]] = []
        for c, home in homes.items():
            node, kind = c.next.node, self.kind(c.argument)
            if node is c.argument or self.in_place.get(node) == home:
                continue
            if node.kind == "const":
                self.b.texpands(home, node.value)
                continue
            source = self.tile(node, kind)
            if self._is_argument(_tile_owner(node)):
                aside = self.new_tile(node.dtype, kind)
                self.b.tmov(aside, source)
                source = aside
            moves.append((home, source))
        for home, source in moves:
            self.b.tmov(home, source)

    # --- numbers that follow from the iteration ---

    def _at(self, value: Value) -> Affine:
        p = self.progressions[value]
        return p.start + p.step * self.iteration

    def _load(self, access: Access, kind: Kind) -> TileRef:
        if access.value not in self.progressions:
            return super()._load(access, kind)
        dst = self.new_tile(access.value.dtype, kind)
        self.b.tci(dst, self._at(access.value), 0, 0)
        return dst

    def _start(self, value: Value, limit: int, stride: int) -> Affine:
        if value not in self.progressions:
            return super()._start(value, limit, stride)
        return self._at(value) * stride


def _tile_owner(node: Node) -> Node:
    """Return the node whose tile a node shows."""
    while node.kind == "bits":
        (node,) = node.operands
    return node
