"""What the parts of an attention kernel share: arguments, tiles, and the registers that say how much of each is valid."""

from __future__ import annotations

from dataclasses import dataclass

from ...isa.dtypes import DType
from ...isa.machine import FRACTAL, FRACTAL_BYTES, LIMITS, Layout, Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import KernelBuilder
from ...targets import Target
from ...tiling.cube import round_up
from ..cube.emit_epilogue import Handover, Rows, choose_rows
from ..cube.groups import Dim, group_size, tile_group
from ..vector.emit import Kind
from ..vector.nodes import NotVectorizable
from .problem import OUT, Attention, Q
from .tiles import AttentionTiles

SCORES_READY, SCORES_FREE, WEIGHTS_READY, WEIGHTS_FREE, PARTIAL_READY, PARTIAL_FREE = range(6)  # cross-core flags
PLACES = 2  # of scores, weights and partial results, per block


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


class Frame:
    """A kernel that is being written."""

    def __init__(self, p: Attention, tiles: AttentionTiles, target: Target):
        self.p, self.tiles = p, tiles
        self.m = tile_group(p.m, tiles.rows, 3)
        total = group_size(p.batch) * self.m.steps
        self.total = total
        blocks = min(total, target.cube_cores)
        self.b = b = KernelBuilder(p.name, "mix", (blocks,))
        self.operands = [b.argument(x.dtype, x.size) for x in p.buffers[:3]]
        self.arguments = {v: b.argument(v.dtype, v.type.size) for v in p.inputs}
        (self.keys,) = p.keys
        self.block = min(tiles.block, round_up(self.keys.size, FRACTAL))
        self.blocks = -(-self.keys.size // self.block)
        self.depth, self.width = group_size(p.depth), group_size(p.width)
        self.pitch, self.width_pitch = self.block, round_up(self.width, FRACTAL)
        rows = self.m.capacity
        self.sizes = [blocks * PLACES * rows * n for n in (self.pitch, self.pitch, self.width_pitch)]
        types = (p.head.dtype, p.dtype, DType.f32)
        self.places = [b.argument(t, n, writes=True) for t, n in zip(types, self.sizes, strict=True)]
        self.out = b.argument(p.buffers[OUT].dtype, p.buffers[OUT].size, writes=True)
        half = -(-self.m.tile // 2)
        limit = max(1, tiles.chunk // max(self.block, self.width_pitch))
        self.half = half
        self.rows: Rows = choose_rows(
            (Dim(half, self.m.split.strides, self.m.split.axis), *self.m.inner), limit, p.softmax.nodes
        )
        self.pool: dict[tuple[DType, Kind, int], TileRef] = {}
        if 2 * self.rows.most_trips > LIMITS.slots:
            raise NotVectorizable("[attention] more chunks of rows than a tile has slots")
        self._declare()

    def register(self) -> Affine:
        """Return a fresh register."""
        return Affine(0, ((self.b.register(), 1),))

    def limited(self, most: int, total: int) -> Affine:
        """Return a register for how much of `most` is left of `total`; a constant if all pieces are whole."""
        return Affine(min(most, total)) if total % most == 0 or total <= most else self.register()

    def limit(self, extent: Affine, most: int, left: Affine) -> None:
        """Emit what is valid of `most` where `left` are left; nothing if all pieces are whole."""
        if not extent.is_constant:
            self.b.smin(extent.terms[0][0], Affine(most), left)

    def _declare(self) -> None:
        b, p, t, m = self.b, self.p, self.tiles, self.m
        dtype, weights = p.buffers[Q].dtype, p.dtype
        height = round_up(m.capacity, FRACTAL)
        self.count = Affine(m.tile) if m.split.size % m.tile == 0 else self.register()
        extent = self.count * m.inner_size
        unit = max(1, FRACTAL_BYTES // dtype.bytes)
        depth = round_up(self.depth, unit)
        step = min(t.depth, depth)
        self.depth_steps = -(-depth // step)
        self.in_step = self.limited(step, self.depth)
        self.in_block = self.limited(self.block, self.keys.size)
        whole = self.in_block.is_constant
        self.in_keys = self.limited(t.keys, self.in_block.const) if whole else self.register()
        self.in_over = self.limited(t.over, self.in_block.const) if whole else self.register()
        self.in_width = self.limited(t.width, self.width)
        self.in_chunk = self.register()
        self.number = self.register()  # of the block of keys in all, which says what of two places it takes
        f = FRACTAL
        columns, over, width = round_up(t.keys, f), round_up(t.over, f), round_up(min(t.width, self.width), f)
        nz, zn = Layout.nz, Layout.zn
        self.l1q = b.tile(Loc.mat, dtype, height, depth, (extent, self.depth), nz, 1)
        self.l1k = b.tile(Loc.mat, dtype, depth, columns, (self.depth, self.in_keys), zn, 2)
        self.l1w = b.tile(Loc.mat, weights, height, self.block, (extent, self.in_block), nz, 1)
        self.l1v = b.tile(Loc.mat, weights, over, width, (self.in_over, self.in_width), zn, 2)
        self.left = b.tile(Loc.left, dtype, height, step, (extent, self.in_step), nz, 2)
        self.right = b.tile(Loc.right, dtype, step, columns, (self.in_step, self.in_keys), zn, 2)
        self.left_w = b.tile(Loc.left, weights, height, over, (extent, self.in_over), nz, 2)
        self.right_v = b.tile(Loc.right, weights, over, width, (self.in_over, self.in_width), zn, 2)
        self.scores = b.tile(Loc.acc, DType.f32, height, columns, (extent, self.in_keys), nz, t.scores)
        self.partial = b.tile(Loc.acc, DType.f32, height, width, (extent, self.in_width), nz, t.buffers)
        rows, trips = group_size(self.rows.chunk), self.rows.most_trips
        inner = rows // self.rows.size
        level = self.rows.dims[self.rows.level]
        if level.size % self.rows.size == 0 and (self.rows.level or m.split.size % (2 * self.half) == 0):
            self.in_chunk = Affine(self.rows.size)
        valid = self.in_chunk * inner
        self.maximum = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=trips)
        self.sum = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=2 * trips)
        self.shrink = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=2 * trips)
        self.result = b.tile(Loc.vec, DType.f32, rows, round_up(self.width, 8), (valid, self.width), slots=trips)

    def place(self, which: int, number: Affine, pitch: int) -> Handover:
        """Return where the scores (0), weights (1) or partial results (2) of block of keys `number` go."""
        slot = self.b.scalar("smod", number, PLACES)
        base = (self.b.blocks[0] * PLACES + slot) * (self.m.capacity * pitch)
        return Handover(self.places[which], base, pitch)
