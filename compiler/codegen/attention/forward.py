"""The frame of an attention's kernel: what its cube core and its vector cores share."""

from __future__ import annotations

from ...isa.dtypes import DType
from ...isa.machine import FRACTAL, FRACTAL_BYTES, Layout, Loc
from ...isa.model import Affine
from ...targets import Target
from ...tiling.cube import round_up
from ..cube.groups import group_size
from .frame import Frame
from .problem import Attention
from .tiles import AttentionTiles

SCORES_READY, SCORES_FREE, WEIGHTS_READY, WEIGHTS_FREE, PARTIAL_READY, PARTIAL_FREE = range(6)  # cross-core flags


class Forward(Frame):
    """A kernel that is being written; its workspaces are of scores, weights and partial results."""

    def __init__(self, p: Attention, tiles: AttentionTiles, target: Target):
        super().__init__(p.name, p.batch, (p.m, tiles.rows), (p.keys, tiles.block), p.buffers)
        self.p, self.tiles = p, tiles
        self.total = group_size(p.batch) * self.m.steps
        self.width = group_size(p.width)
        width = round_up(self.width, FRACTAL)
        places = ((p.head.dtype, self.block), (p.dtype, self.block), (DType.f32, width))
        self.begin(min(self.total, target.cube_cores), p.buffers[: p.out], p.inputs, places)
        self.outs = [self.b.argument(x.dtype, x.size, writes=True) for x in p.buffers[p.out :]]
        self.divide_rows(tiles.chunk // max(self.block, width), p.softmax.nodes)
        self._declare()

    def _declare(self) -> None:
        b, p, t, m = self.b, self.p, self.tiles, self.m
        dtype, weights = p.asked, p.dtype
        height = round_up(m.capacity, FRACTAL)
        extent = self.extent
        unit = max(1, FRACTAL_BYTES // dtype.bytes)
        depths = [round_up(part.size, unit) for part in p.parts]
        step = min(t.depth, max(depths))
        self.depth_steps = [-(-depth // step) for depth in depths]
        steps = {min(step, part.size - at) for part in p.parts for at in range(0, part.size, step)}
        self.in_step = Affine(min(steps)) if len(steps) == 1 else self.register()
        whole = self.in_block.is_constant
        self.in_keys = self.limited(t.keys, self.in_block.const) if whole else self.register()
        self.in_over = self.limited(t.over, self.in_block.const) if whole else self.register()
        self.in_width = self.limited(t.width, self.width)
        f = FRACTAL
        columns, over, width = round_up(t.keys, f), round_up(t.over, f), round_up(min(t.width, self.width), f)
        nz, zn = Layout.nz, Layout.zn
        sizes = [(depth, part.size) for depth, part in zip(depths, p.parts, strict=True)]
        self.l1q = [b.tile(Loc.mat, dtype, height, depth, (extent, size), nz, 1) for depth, size in sizes]
        self.l1k = [b.tile(Loc.mat, dtype, depth, columns, (size, self.in_keys), zn, 2) for depth, size in sizes]
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
        valid = self.in_chunk * inner
        self.maximum = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=2 * trips)
        self.sum = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=2 * trips)
        self.shrink = b.tile(Loc.vec, DType.f32, rows, 8, (valid, 1), slots=2 * trips)
        self.result = b.tile(Loc.vec, DType.f32, rows, round_up(self.width, 8), (valid, self.width), slots=trips)
