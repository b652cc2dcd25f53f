"""What kernels share that walk tiles of rows and blocks of keys: arguments, places in L2, and how much of each is valid.

A tile of rows is finished by both vector cores, each half of them, in chunks that fit UB.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from ...graph.graph import Value
from ...isa.dtypes import DType
from ...isa.machine import FRACTAL, LIMITS
from ...isa.model import Affine, TileRef, View
from ...program.kernel import KernelBuilder
from ...tiling.cube import round_up
from ...tiling.vector_plan import NestPlan
from ..cube.emit_epilogue import Handover, Rows, TileEmitter, choose_rows, plain
from ..cube.gemm import Buffer
from ..cube.groups import Dim, Group, group_size, tile_group, unravel
from ..cube.panels import ZERO
from ..vector.emit import Kind
from ..vector.nodes import Node, NotVectorizable
from .visibility import Bound

PLACES = 2  # per block, of what the cube core and the vector cores hand each other


@dataclass(frozen=True)
class RowTile:
    """A tile of rows: the first index along each axis, the element of each operand it starts at, and the keys it sees.

    start: its first index along the split dimension; blocks of keys from `first_block` to before `last`, those before `whole`
    seen by every row.
    """

    first: dict[int, Affine]
    base: list[Affine]
    start: Affine
    first_block: Affine
    whole: Affine
    last: Affine


@dataclass(frozen=True)
class Chunk:
    """Some rows of a vector core: number `step` of the core's share, rows from `row` on of the tile."""

    step: Affine
    row: Affine
    first: dict[int, Affine]  # of each axis
    valid: dict[int, int | Affine]
    rows: int | Affine


class ChunkEmitter(TileEmitter):
    """Emits what is made of a chunk of scores; chunks wherever in the kernel alternate between the same tiles."""

    pool: dict[tuple[DType, Kind, int], TileRef]

    def new_tile(self, dtype: DType, kind: Kind, slots: int = 1, transposed: bool = False) -> TileRef:
        """Add a tile, or return the one that another chunk has taken in the same place."""
        if slots == 1:
            return super().new_tile(dtype, kind, slots, transposed)
        self.taken = getattr(self, "taken", -1) + 1
        key = (dtype, kind, self.taken)
        if key not in self.pool:
            self.pool[key] = super().new_tile(dtype, kind, slots, transposed)
        return TileRef(self.pool[key].tile, self.scopes[-1].slot)


class Frame:
    """A kernel that is being written: `rows` of a tile, `block` keys, chunks of at most `chunk` elements."""

    def __init__(
        self, name: str, batch: Group, rows: tuple[Group, int], keys: tuple[Group, int], buffers: list[Buffer]
    ):
        self.name, self.batch, self.buffers = name, batch, buffers
        self.m = tile_group(*rows, 3)
        (self.keys,), block = keys
        self.block = min(block, round_up(self.keys.size, FRACTAL))
        self.blocks = -(-self.keys.size // self.block)
        self.half = -(-self.m.tile // 2)
        self.pool: dict[tuple[DType, Kind, int], TileRef] = {}

    def begin(
        self, grid: int, reads: Iterable[Buffer], inputs: Iterable[Value], places: Iterable[tuple[DType, int]]
    ) -> None:
        """Open the kernel: arguments are what it reads, inputs, and workspaces of (type, row pitch) for PLACES tiles a block."""
        self.b = b = KernelBuilder(self.name, "mix", (grid,))
        self.operands = [b.argument(x.dtype, x.size) for x in reads]
        self.arguments = {v: b.argument(v.dtype, v.type.size) for v in inputs}
        self.pitches = [pitch for _, pitch in places]
        self.sizes = [grid * PLACES * self.m.capacity * pitch for pitch in self.pitches]
        self.places = [b.argument(t, n, writes=True) for (t, _), n in zip(places, self.sizes, strict=True)]
        self.count = Affine(self.m.tile) if self.m.split.size % self.m.tile == 0 else self.register()
        self.extent = self.count * self.m.inner_size
        self.in_block = self.limited(self.block, self.keys.size)
        self.number = self.register()  # of the block of keys in all, which says what of two places it takes

    def divide_rows(self, limit: int, nodes: Iterable[Node]) -> None:
        """Choose chunks of at most `limit` rows, along which the iotas of nodes grow evenly."""
        m = self.m
        self.rows: Rows = choose_rows((Dim(self.half, m.split.strides, m.split.axis), *m.inner), max(1, limit), nodes)
        if 2 * self.rows.most_trips > LIMITS.slots:
            raise NotVectorizable("[attention] more chunks of rows than a tile has slots")
        level = self.rows.dims[self.rows.level]
        self.in_chunk = self.register()
        if level.size % self.rows.size == 0 and (self.rows.level or m.split.size % (2 * self.half) == 0):
            self.in_chunk = Affine(self.rows.size)

    def register(self) -> Affine:
        """Return a fresh register."""
        return Affine(0, ((self.b.register(), 1),))

    def assign(self, register: Affine, value: Affine) -> None:
        """Emit register = value."""
        self.b.saffine(register.terms[0][0], value)

    def limited(self, most: int, total: int) -> Affine:
        """Return a register for how much of `most` is left of `total`; a constant if all pieces are whole."""
        return Affine(min(most, total)) if total % most == 0 or total <= most else self.register()

    def limit(self, extent: Affine, most: int, left: Affine) -> None:
        """Emit what is valid of `most` where `left` are left; nothing if all pieces are whole."""
        if not extent.is_constant:
            self.b.smin(extent.terms[0][0], Affine(most), left)

    def place(self, which: int, number: Affine) -> Handover:
        """Return workspace `which` of block of keys `number`."""
        slot = self.b.scalar("smod", number, PLACES)
        pitch = self.pitches[which]
        base = (self.b.blocks[0] * PLACES + slot) * (self.m.capacity * pitch)
        return Handover(self.places[which], base, pitch)

    def enter(self, batch: list[Affine], row: Affine) -> RowTile:
        """Emit where tile number `row` of a batch index lies."""
        m = self.m
        *outer, step = unravel(self.b, row, m.counts)
        at = [*outer, step * m.tile]
        dims = (*self.batch, *m.outer, m.split)
        first = {d.axis: i for d, i in zip(dims, (*batch, *at), strict=True)}
        base = [Affine(x.offset) for x in self.buffers]
        for dim in dims:
            base = [o + first[dim.axis] * s for o, s in zip(base, dim.strides, strict=True)]
        tile = RowTile(first, base, at[-1], ZERO, ZERO, Affine(self.blocks))
        self.return_to(tile)
        return tile

    def return_to(self, tile: RowTile) -> None:
        """Emit how many rows a tile has that was entered before."""
        self.limit(self.count, self.m.tile, self.m.split.size - tile.start)

    def extreme(self, tile: RowTile, bound: Bound, largest: bool) -> Affine:
        """Return the largest or smallest value of a bound over a tile's rows, for key 0."""
        value = Affine(bound.constant)
        for axis, at in tile.first.items():
            value += at * bound.coefficients.get(axis, 0)
        for axis, most in ((self.m.split.axis, self.count - 1), *((d.axis, Affine(d.size - 1)) for d in self.m.inner)):
            c = bound.coefficients.get(axis, 0)
            if (c > 0) == largest:
                value += most * c
        return value

    @contextmanager
    def chunks(
        self, tile: RowTile, waits: tuple[tuple[str, int], ...] = (), sets: tuple[tuple[str, int], ...] = ()
    ) -> Generator[Chunk]:
        """Loop over the chunks of both vector cores, between flags towards the cube core."""
        b, m, rows = self.b, self.m, self.rows
        with b.subblocks() as core:
            for pipe, flag in waits:
                b.wait_cross_flag(pipe, flag)
            skipped = core * self.half
            own = (
                Affine(self.half) if self.count == Affine(2 * self.half) else b.minimum(self.half, self.count - skipped)
            )
            with b.loop(0, rows.trips(b, own)) as step:
                at = rows.locate(b, step)
                level = rows.dims[rows.level]
                if not self.in_chunk.is_constant:
                    total = Affine(level.size) if rows.level else own
                    b.smin(self.in_chunk.terms[0][0], Affine(rows.size), total - at[-1])
                valid = {level.axis: plain(self.in_chunk), **{d.axis: d.size for d in rows.dims[rows.level + 1 :]}}
                first = dict(tile.first)
                first[m.split.axis] = first.get(m.split.axis, ZERO) + skipped
                for dim, index in zip(rows.dims, at):
                    first[dim.axis] = first.get(dim.axis, ZERO) + index
                inner = group_size(rows.chunk) // rows.size
                yield Chunk(step, skipped * m.inner_size + rows.row(at), first, valid, plain(self.in_chunk * inner))
            for pipe, flag in sets:
                b.set_cross_flag(pipe, flag)

    def emitter(self, chunk: Chunk, block: Affine, heads: dict[Value, Handover]) -> ChunkEmitter:
        """Return what emits expressions over a chunk of rows and a block of keys, the heads read from where they are handed over."""
        axis = self.keys.axis
        sizes = {d.axis: d.size for d in self.rows.chunk}
        plan = NestPlan({**sizes, axis: self.block}, list(sizes), [axis], {**sizes, axis: self.block})
        first, valid = {**chunk.first, axis: block * self.block}, {**chunk.valid, axis: plain(self.in_block)}
        e = ChunkEmitter(self.b, plan, self.arguments, first, valid)
        e.pool, e.handovers, e.row = self.pool, heads, chunk.row
        return e

    def row_view(self, chunk: Chunk, tile: RowTile, operand: int, argument: int, width: Group, at: int) -> View:
        """Return a view of a chunk's rows of an operand, whose `width` has strides number `at`."""
        offset = tile.base[operand]
        for dim in self.rows.dims:
            offset += (chunk.first.get(dim.axis, ZERO) - tile.first.get(dim.axis, ZERO)) * dim.strides[operand]
        dims = self.rows.chunk
        return self.b.view(
            argument, offset,
            (*(chunk.valid[d.axis] for d in dims), *(d.size for d in width)),
            (*(d.strides[operand] for d in dims), *(d.strides[at] for d in width)), len(dims),
        )  # fmt: skip
