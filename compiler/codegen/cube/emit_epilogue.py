"""The vector cores' half of a product's kernel: each tile goes through L2 to both of them, and they finish it.

    cube core                                    vector cores, each half of the rows
      wait free ; tstore acc -> handover[k % 2] ; set ready
                                                   wait ready ; loop { tload handover ; ... ; tstore } ; set free

A 910B has no path from L0C to UB. The handover is a workspace of two tiles per block, or the head's own place in memory
if the head is wanted as a result; then "free" only keeps the cube core from running further ahead than a flag counts. Flags between the pipes of a core are added later, as everywhere; those between the
two core types are written here.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from math import prod

from ...graph.graph import Value
from ...isa.dtypes import DType
from ...isa.machine import FRACTAL
from ...isa.model import Affine, TileRef, View
from ...program.kernel import KernelBuilder
from ...tiling.cube import round_up
from ...tiling.vector_plan import NestPlan
from ..vector.emit import Kind, Scope, SectionEmitter, Task
from ..vector.nodes import Access, Node, Store, is_affine
from .epilogue import Epilogue
from .groups import Dim, Group, Position, Tiling, unravel
from .panels import ZERO

_READY, _FREE = 0, 1  # cross-core flags
_VECTOR_CORES = 2  # of an AI core
_MOST_AHEAD = 8  # tiles that the cube core may be ahead where each has its own place; a cross-core flag counts to 15


class Handover:
    """Where the cube core leaves a part of a tile for the vector cores: a view in GM, dense by rows."""

    def __init__(self, argument: int, base: Affine, pitch: int):
        self.argument, self.base, self.pitch = argument, base, pitch

    def rows(self, b: KernelBuilder, first: int | Affine, rows: int | Affine, columns: int | Affine) -> View:
        """Return `rows` rows of it from row `first`."""
        return b.view(self.argument, self.base + Affine.of(first) * self.pitch, (rows, columns), (self.pitch, 1), 1)


@dataclass(frozen=True)
class Rows:
    """How a vector core walks its rows: `size` at a time along dimension `level`; inner ones whole, outer ones singly."""

    dims: Group  # the first is the core's share of the split dimension
    level: int
    size: int

    @property
    def chunk(self) -> Group:
        """The dimensions of a chunk."""
        d = self.dims[self.level]
        return (Dim(self.size, d.strides, d.axis), *self.dims[self.level + 1 :])

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """Steps along each dimension up to `level`."""
        return (*(d.size for d in self.dims[: self.level]), -(-self.dims[self.level].size // self.size))

    @property
    def most_trips(self) -> int:
        """Chunks of a whole share."""
        return prod(self.steps)

    def trips(self, b: KernelBuilder, count: Affine) -> Affine:
        """Emit the number of chunks if the first dimension has only `count` indices."""
        if self.level:
            return count * prod(self.steps[1:])
        if count.is_constant:
            return Affine(-(-count.const // self.size))
        return b.scalar("sdiv", count + (self.size - 1), self.size)

    def locate(self, b: KernelBuilder, step: Affine) -> list[Affine]:
        """Emit the first index of chunk `step` along each dimension up to `level`."""
        *outer, last = unravel(b, step, self.steps)
        return [*outer, last * self.size]

    def valid(self, b: KernelBuilder, count: Affine, at: list[Affine]) -> dict[int, int | Affine]:
        """Emit the extents of a chunk, by axis."""
        d = self.dims[self.level]
        total = Affine(d.size) if self.level else count
        whole = total.is_constant and total.const % self.size == 0
        extent = self.size if whole else b.minimum(self.size, total - at[-1])
        return {d.axis: extent, **{d.axis: d.size for d in self.dims[self.level + 1 :]}}

    def row(self, at: list[Affine]) -> Affine:
        """Return the first row of a chunk among the share's."""
        inner = [prod(d.size for d in self.dims[i + 1 :]) for i in range(len(at))]
        return sum((index * rows for index, rows in zip(at, inner)), ZERO)


def choose_rows(dims: Group, limit: int, nodes: Iterable[Node] = ()) -> Rows:
    """Return chunks of at most `limit` rows, or of one, even in size, with as many inner dimensions whole as fit.

    Along the rows of a chunk the iotas among `nodes` grow evenly.
    """
    iotas = [n.coefficients for n in nodes if n.kind == "iota"]
    level = len(dims) - 1

    def even(first: int) -> bool:
        sizes = [(d.axis, d.size) for d in dims[first:]]
        return all(is_affine(coefficients, sizes) for coefficients in iotas)

    while level > 0 and prod(d.size for d in dims[level:]) <= limit and even(level - 1):
        level -= 1
    most = max(1, limit // prod(d.size for d in dims[level + 1 :]))
    steps = -(-dims[level].size // most)
    return Rows(dims, level, -(-dims[level].size // steps))


def plain(value: Affine) -> int | Affine:
    """Return a constant as an integer."""
    return value.const if value.is_constant else value


class EpilogueWriter:
    """Writes the epilogue of one kernel. `parts` and `rows` are of a tile of the product, `turns` says if there are more.

    The caller stores a part of a tile between `before_store` and `finish`.
    """

    def __init__(
        self, b: KernelBuilder, epilogue: Epilogue, m: Tiling, n: Tiling, part: int, parts: int, turns: bool, limit: int
    ):
        self.b, self.epilogue, self.m, self.n = b, epilogue, m, n
        self.part, self.parts, self.turns, self.limit = part, parts, turns, limit
        self.arguments = {v: b.argument(v.dtype, v.type.size) for v in epilogue.inputs}
        self.slots = 1 if parts == 1 and not turns else 2
        self.rows = part * m.inner_size
        self.pitch = round_up(n.capacity, FRACTAL)
        self.workspace = -1
        self.ahead = (_MOST_AHEAD if epilogue.stores_head else self.slots) if turns else 0

    def declare_results(self, dtype: DType) -> int:
        """Declare what is written; returns the argument that the product's drain writes to."""
        b, e = self.b, self.epilogue
        if not e.stores_head:
            blocks = b.kernel.grid[0]
            self.workspace = b.argument(dtype, blocks * self.slots * self.rows * self.pitch, writes=True)
        self.arguments |= {v: b.argument(v.dtype, v.type.size, writes=True) for v in e.outputs}
        return self.arguments[e.head] if e.stores_head else self.workspace

    def open(self) -> None:
        """Begin the kernel: all slots of the handover are free."""
        if self.ahead:
            with self.b.subblocks():
                for _ in range(self.ahead):
                    self.b.set_cross_flag("MTE2", _FREE)

    def close(self) -> None:
        """End the kernel: as many waits as there were sets."""
        if self.ahead:
            for _ in range(self.ahead):
                self.b.wait_cross_flag("FIXP", _FREE)

    def before_store(self, part: int, turn: Affine) -> Handover | None:
        """Return the handover for a part of the tile of a turn, once it is free; None if that is the head's own place."""
        if self.ahead:
            self.b.wait_cross_flag("FIXP", _FREE)
        if self.workspace < 0:
            return None
        slot = Affine(part) if self.parts > 1 or turn.is_constant else self.b.scalar("smod", turn, self.slots)
        return Handover(self.workspace, (self.b.blocks[0] * self.slots + slot) * self.rows * self.pitch, self.pitch)

    def finish(
        self, handover: Handover | None, first: dict[int, Affine], part: int, count: Affine, n: Position, turn: Affine
    ) -> None:
        """Write the vector cores' work on a part of a tile: `count` indices of m's split dimension.

        first: the first index of the tile along every axis of which it takes a piece.
        """
        b, m = self.b, self.m
        b.set_cross_flag("FIXP", _READY)
        half = -(-self.part // _VECTOR_CORES)
        rows = choose_rows((Dim(half, (), m.split.axis), *m.inner), self.limit // self.n.capacity, self.epilogue.nodes)
        with b.subblocks() as core:
            b.wait_cross_flag("MTE2", _READY)
            skipped = core * half
            own = Affine(half) if count == Affine(2 * half) else b.minimum(half, count - skipped)
            trips = rows.trips(b, own)
            once = trips == Affine(1) and not self.turns
            with nullcontext(ZERO) if once else b.loop(0, trips) as step:
                at = rows.locate(b, step)
                valid = rows.valid(b, own, at) | {self.n.split.axis: plain(n.count)}
                valid |= {d.axis: d.size for d in self.n.inner}
                here = dict(first)
                here[m.split.axis] = here.get(m.split.axis, ZERO) + part * self.part + skipped
                for dim, index in zip(rows.dims, at):
                    here[dim.axis] = here.get(dim.axis, ZERO) + index
                emitter = TileEmitter(b, self._plan(rows), self.arguments, here, valid)
                if handover:
                    emitter.handovers = {self.epilogue.head: handover}
                    emitter.row = skipped * m.inner_size + rows.row(at)
                emitter.run_tile(self.epilogue.stores, None if once else turn * rows.most_trips + step)
            if self.ahead:
                b.set_cross_flag("MTE2", _FREE)

    def _plan(self, rows: Rows) -> NestPlan:
        columns = (Dim(self.n.tile, (), self.n.split.axis), *self.n.inner)
        sizes = {d.axis: d.size for d in (*rows.chunk, *columns) if d.axis >= 0}
        return NestPlan(sizes, *[[d.axis for d in side if d.axis >= 0] for side in (rows.chunk, columns)], chunk=sizes)


class TileEmitter(SectionEmitter):
    """Emits the expressions of an epilogue for one chunk of a tile."""

    def __init__(
        self,
        builder: KernelBuilder,
        plan: NestPlan,
        arguments: dict[Value, int],
        first: dict[int, Affine],
        valid: dict[int, int | Affine],
    ):
        super().__init__(builder, plan, arguments, ZERO)
        self.firsts, self.valid = first, valid
        self.handovers: dict[Value, Handover] = {}  # where values are read from that are no arguments
        self.row: Affine = ZERO

    def begin(self, roots: list[Node], stored: set[Node], slot: Affine | None) -> None:
        """Begin with what `roots` need; tiles that pipes pass to each other alternate with `slot`, if there are more chunks."""
        self._sort(roots)
        self.stored = stored
        self.scopes = [Scope(slot=slot or ZERO, in_loop=slot is not None)]

    def run_tile(self, stores: list[Store], slot: Affine | None) -> None:
        """Emit the stores."""
        nodes = [s.node for s in stores]
        self.begin(nodes, set(nodes), slot)
        self._level(0, [Task(s.node, 0, s.access) for s in stores])

    def know(self, node: Node, tile: TileRef) -> None:
        """Take `tile` for the value of a node."""
        self.scopes[-1].tiles[node, self.kind(node)] = tile

    def value(self, node: Node, kind: Kind) -> TileRef:
        """Compute a node with what it needs and is not known; returns its tile, expanded to `kind`."""
        for needed in self._needed([node]):
            self._compute(needed)
        return self.tile(node, kind)

    def first(self, axis: int) -> Affine:
        """Return the first index of the chunk along an axis."""
        return self.firsts.get(axis, ZERO)

    def _load(self, access: Access, kind: Kind) -> TileRef:
        handover = self.handovers.get(access.value)
        if handover is None:
            return super()._load(access, kind)
        dst = self.new_tile(access.value.dtype, kind, 2)
        tile = self.b.kernel.tiles[dst.tile]
        self.b.tload(dst, handover.rows(self.b, self.row, tile.valid_rows, tile.valid_columns))
        return dst
