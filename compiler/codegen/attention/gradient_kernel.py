"""The kernel of an attention's gradient: scores and their gradient a block at a time, and the products of both.

    for each share of the keys of a batch index:                               persistent, as for a product
      vector cores: zeros -> dq
      for each block of keys; for each tile of rows, the products one tile behind:
        cube core                                    vector cores, each half of the rows
        s = q k, d = g v    -> L2
                                                     p, t = what is made of s and d -> L2
        dvT += gT p, dkT += qT t                     (tile before; sums stay in L0C)
        dq += t k           -> L2, added to what is there
      dv, dk -> GM

What is summed over the keys is added up where it lies, in f32, one block of keys after the other: each share of the keys, on one
core, has a dq of its own, and the sum of them is another kernel's.
"""

from __future__ import annotations

from dataclasses import replace

from ...isa.dtypes import DType
from ...isa.machine import FRACTAL, FRACTAL_BYTES, Layout, Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import Kernel, Tile
from ...targets import Target
from ...tiling.cube import round_up
from ..cube.emit_epilogue import plain
from ..cube.gemm import Buffer
from ..cube.groups import group_size, unravel
from ..cube.panels import ZERO, persistent
from ..vector.nodes import Node
from .frame import PLACES, Frame, RowTile
from .gradient import Gradient, Leaving
from .gradient_tiles import GradientTiles

_SCORES_READY, _SCORES_FREE, _FACTORS_READY, _FACTORS_FREE, _CLEARED = range(5)  # cross-core flags


def emit_gradient(p: Gradient, tiles: GradientTiles, target: Target) -> tuple[Kernel, list[int]]:
    """Generate the kernel; arguments are what products read, inputs, workspaces of the returned sizes, results.

    A result that is summed over the keys is f32 and has `tiles.shares` parts.
    """
    return _Emitter(p, tiles, target).run()


class _Emitter(Frame):
    """Writes the instructions of one kernel."""

    def __init__(self, p: Gradient, tiles: GradientTiles, target: Target):
        super().__init__(p.name, p.batch, (p.m, tiles.rows), (p.keys, tiles.block), p.buffers)
        self.p, self.tiles = p, tiles
        self.shares = min(tiles.shares, self.blocks)
        self.total = group_size(p.batch) * self.shares
        self.factors = list(dict.fromkeys((x.factor, x.dtype) for x in p.leaving))
        places = [(x.head.dtype, self.block) for x in p.entering] + [(t, self.block) for _, t in self.factors]
        self.begin(min(self.total, target.cube_cores), p.reads, p.inputs, places)
        outs = [p.buffers[x.out] for x in p.leaving]
        parts = [x if y.over_rows else Buffer(DType.f32, x.size * self.shares) for x, y in zip(outs, p.leaving)]
        self.outs = [self.b.argument(x.dtype, x.size, writes=True) for x in parts]
        widest = max((group_size(x.width) for x in p.leaving if not x.over_rows), default=1)
        self.divide_rows(tiles.chunk // max(self.block, round_up(widest, 8)), p.nodes)
        self.row_axes = {d.axis for d in p.m}
        self._declare(target)

    def _declare(self, target: Target) -> None:
        b, p, block = self.b, self.p, self.block
        height = round_up(self.m.capacity, FRACTAL)
        nz, zn = Layout.nz, Layout.zn
        self.before, self.done = self.register(), self.register()
        self.l1_rows: list[TileRef] = []  # of entering products
        self.l1_keys: list[TileRef] = []
        self.l1_left: list[TileRef] = []  # of leaving ones
        self.l1_right: list[TileRef] = []
        self.sums: list[TileRef] = []
        self.left: list[TileRef] = []  # of all products
        self.right: list[TileRef] = []
        for x in p.entering:
            dtype, depth = p.buffers[x.of_rows].dtype, group_size(x.depth)
            deep = round_up(depth, FRACTAL_BYTES // dtype.bytes)
            self.l1_rows.append(b.tile(Loc.mat, dtype, height, deep, (self.extent, depth), nz))
            self.l1_keys.append(b.tile(Loc.mat, dtype, deep, block, (depth, self.in_block), zn))
            self.left.append(b.tile(Loc.left, dtype, height, deep, (self.extent, depth), nz))
            self.right.append(b.tile(Loc.right, dtype, deep, block, (depth, self.in_block), zn))
        scores = [
            b.tile(Loc.acc, DType.f32, height, block, (self.extent, self.in_block), nz)
            for _ in range(self.tiles.scores)
        ]
        self.scores = [scores[i % len(scores)] for i in range(len(p.entering))]
        for x in p.leaving:
            dtype, width = x.dtype, group_size(x.width)
            wide = round_up(width, FRACTAL)
            if x.over_rows:  # transposed: the factor is read as it lies
                m, k, n = (wide, width), (height, self.extent), (block, self.in_block)
            else:
                m, k, n = (height, self.extent), (block, self.in_block), (wide, width)
            deep = round_up(k[0], FRACTAL_BYTES // dtype.bytes)
            self.l1_left.append(b.tile(Loc.mat, dtype, m[0], deep, (m[1], k[1]), nz))
            self.l1_right.append(b.tile(Loc.mat, dtype, deep, n[0], (k[1], n[1]), zn))
            self.left.append(b.tile(Loc.left, dtype, m[0], deep, (m[1], k[1]), nz))
            self.right.append(b.tile(Loc.right, dtype, deep, n[0], (k[1], n[1]), zn))
            self.sums.append(b.tile(Loc.acc, DType.f32, m[0], n[0], (m[1], n[1]), nz))
        for tiles, room in ((self.left, target.l0a_bytes), (self.right, target.l0b_bytes)):
            self._alternate([b.kernel.tiles[t.tile] for t in tiles], room)

    def _alternate(self, tiles: list[Tile], room: int) -> None:
        """Put tiles that do not fit all at once into halves of their memory by turns: one is filled while the other is read."""
        if sum(t.bytes for t in tiles) > room:
            for i, tile in enumerate(tiles):
                tile.address = i % 2 * (room // 2)

    def run(self) -> tuple[Kernel, list[int]]:
        """Emit the loop over shares of keys."""
        b = self.b
        over_keys = any(not x.over_rows for x in self.p.leaving)
        with b.subblocks():
            for _ in range(PLACES):
                b.set_cross_flag("MTE2", _SCORES_FREE)
        for _ in range(PLACES):
            b.set_cross_flag("MTE2", _FACTORS_FREE)
        self.assign(self.number, ZERO)
        with persistent(b, self.total) as (index, _):
            *batch, share = unravel(b, index, (*(d.size for d in self.batch), self.shares))
            if over_keys:
                self._clear(batch, share)
            with b.loop(share, self.blocks, self.shares) as block:  # interleaved: a mask leaves later ones less to do
                self._walk_rows(batch, share, block)
        for _ in range(PLACES):
            b.wait_cross_flag("FIXP", _SCORES_FREE)
        with b.subblocks():
            for _ in range(PLACES):
                b.wait_cross_flag("MTE3", _FACTORS_FREE)
        return b.kernel, self.sizes

    def _clear(self, batch: list[Affine], share: Affine) -> None:
        """Emit zeros for what is added up."""
        b = self.b
        rows = group_size(self.rows.chunk)
        with b.loop(0, self.m.steps) as step:
            tile = self.enter(batch, step)
            for x, out in zip(self.p.leaving, self.outs, strict=True):
                if x.over_rows:
                    continue
                with self.chunks(tile) as chunk:
                    width = group_size(x.width)
                    zeros = b.tile(Loc.vec, DType.f32, rows, round_up(width, 8), (chunk.rows, width))
                    b.texpands(zeros, 0.0)
                    view = self.row_view(chunk, tile, x.out, out, x.width, 1)
                    b.tstore(replace(view, offset=view.offset + share * self.p.buffers[x.out].size), zeros)
        with b.subblocks():
            b.set_cross_flag("MTE3", _CLEARED)
        b.wait_cross_flag("FIXP", _CLEARED)

    def _walk_rows(self, batch: list[Affine], share: Affine, block: Affine) -> None:
        """Emit all tiles of rows for a block of keys."""
        b, p, hidden = self.b, self.p, self.p.hidden
        self.limit(self.in_block, self.block, self.keys.size - block * self.block)
        self._load_keys(batch, block)
        self.assign(self.before, ZERO)
        self.assign(self.done, ZERO)
        steps = self.m.steps
        with b.loop(0, steps + 1) as step:  # in the last turn there is no tile
            tile = self.enter(batch, b.scalar("smin", step, steps - 1))
            seen = self._seen(tile, step, block)
            with b.when(seen):
                self._write_scores(tile)
                if hidden and hidden.unmasked:
                    whole = self._whole(tile, block)
                    with b.when(whole):
                        self._write_factors(tile, block, hidden.unmasked)
                    with b.when(1 - whole):
                        self._write_factors(tile, block, {})
                else:
                    self._write_factors(tile, block, {})
            with b.when(b.scalar("smin", b.scalar("smax", seen, step - (steps - 1)), self.done)):
                self._write_products(batch, share)
            with b.when(seen):
                self.assign(self.before, step)
                self.assign(self.number, self.number + 1)
                self.assign(self.done, self.done + 1)
        for i, (x, out) in enumerate(zip(p.leaving, self.outs, strict=True)):
            if x.over_rows:
                self._drain(i, x, out, batch, block)

    def _seen(self, tile: RowTile, step: Affine, block: Affine) -> Affine:
        """Emit a positive number if a row of the tile sees a key of the block; for the last tile also if no tile has seen one."""
        b, hidden = self.b, self.p.hidden
        left = Affine(self.m.steps) - step
        if hidden is None:
            return left
        first = block * self.block
        shown = b.scalar("smax", 2 - left - self.done, 0)  # 1 for the last tile if none was done
        c = hidden.bound.coefficients[self.keys.axis]
        most = self.extreme(tile, hidden.bound, True) + (first + (self.in_block - 1) if c > 0 else first * -1)
        return b.scalar("smin", b.scalar("smax", shown, most + 1), left)

    def _whole(self, tile: RowTile, block: Affine) -> Affine:
        """Emit 1 if all rows of the tile see all keys of the block, else 0."""
        b, hidden = self.b, self.p.hidden
        assert hidden, "there is a mask"
        first = block * self.block
        c = hidden.bound.coefficients[self.keys.axis]
        least = self.extreme(tile, hidden.bound, False) + (first if c > 0 else (first + (self.in_block - 1)) * -1)
        return b.scalar("smin", b.scalar("smax", least + 1, 0), 1)

    # --- cube core ---

    def _load_keys(self, batch: list[Affine], block: Affine) -> None:
        """Emit the loads of what stays in L1 for all tiles of rows."""
        b, p = self.b, self.p
        base = self._base(batch)
        for x, tile in zip(p.entering, self.l1_keys, strict=True):
            stride = self.keys.strides[x.of_keys]
            shape = (*(d.size for d in x.depth), self.in_block)
            strides = (*(d.strides[1] for d in x.depth), stride)
            view = b.view(
                self.operands[x.of_keys], base[x.of_keys] + block * (self.block * stride), shape, strides, len(x.depth)
            )
            b.tload(tile, view)
        for x, tile in zip(p.leaving, self.l1_right, strict=True):
            if not x.over_rows:
                stride = self.keys.strides[x.other]
                shape, strides = (self.in_block, *(d.size for d in x.width)), (stride, *(d.strides[0] for d in x.width))
                offset = base[x.other] + block * (self.block * stride)
                b.tload(tile, b.view(self.operands[x.other], offset, shape, strides, 1))

    def _base(self, batch: list[Affine]) -> list[Affine]:
        base = [Affine(x.offset) for x in self.buffers]
        for dim, at in zip(self.batch, batch, strict=True):
            base = [o + at * s for o, s in zip(base, dim.strides, strict=True)]
        return base

    def _write_scores(self, tile: RowTile) -> None:
        """Emit the products that enter."""
        b, p, m = self.b, self.p, self.m
        b.wait_cross_flag("FIXP", _SCORES_FREE)
        rows = self.count * m.inner_size
        for i, x in enumerate(p.entering):
            l1, acc = self.l1_rows[i], self.scores[i]
            dims = tuple(d.size for d in x.depth)
            shape = (self.count, *(d.size for d in m.inner), *dims)
            strides = (*m.strides(x.of_rows), *(d.strides[0] for d in x.depth))
            b.tload(l1, b.view(self.operands[x.of_rows], tile.base[x.of_rows], shape, strides, m.rank))
            self._multiply(i, acc, l1, self.l1_keys[i], ZERO)
            place = self.place(i, self.number)
            b.tstore(place.rows(b, 0, rows, plain(self.in_block)), acc)
        b.set_cross_flag("FIXP", _SCORES_READY)

    def _multiply(self, i: int, acc: TileRef, left: TileRef, right: TileRef, accumulate: Affine) -> None:
        """Emit acc (+)= left right of product number `i`."""
        b = self.b
        b.textract(self.left[i], left, ZERO, ZERO)
        b.textract(self.right[i], right, ZERO, ZERO)
        b.tmatmul(acc, self.left[i], self.right[i], accumulate)

    def _write_products(self, batch: list[Affine], share: Affine) -> None:
        """Emit the products that leave, of the tile of rows seen before."""
        b, p, m = self.b, self.p, self.m
        tile = self.enter(batch, self.before)
        number, rows = self.number - 1, self.count * m.inner_size
        b.wait_cross_flag("MTE2", _FACTORS_READY)
        for i, x in enumerate(p.leaving):
            which = len(p.entering) + self.factors.index((x.factor, x.dtype))
            factor = self.l1_right[i] if x.over_rows else self.l1_left[i]
            b.tload(factor, self.place(which, number).rows(b, 0, rows, plain(self.in_block)))
            if x.over_rows:
                view = b.view(
                    self.operands[x.other], tile.base[x.other],
                    (*(d.size for d in x.width), self.count, *(d.size for d in m.inner)),
                    (*(d.strides[0] for d in x.width), *m.strides(x.other)), len(x.width),
                )  # fmt: skip
                b.tload(self.l1_left[i], view)
        b.set_cross_flag("MTE2", _FACTORS_FREE)
        for i, x in enumerate(p.leaving):
            accumulate = self.done - 1 if x.over_rows else ZERO
            self._multiply(len(p.entering) + i, self.sums[i], self.l1_left[i], self.l1_right[i], accumulate)
            if not x.over_rows:
                view = b.view(
                    self.outs[i], tile.base[x.out] + share * self.p.buffers[x.out].size,
                    (self.count, *(d.size for d in m.inner), *(d.size for d in x.width)),
                    (*m.strides(x.out), *(d.strides[1] for d in x.width)), m.rank,
                )  # fmt: skip
                b.tstore(view, self.sums[i], "add")

    def _drain(self, i: int, x: Leaving, out: int, batch: list[Affine], block: Affine) -> None:
        """Emit the store of what was summed over all rows."""
        b = self.b
        stride = self.keys.strides[x.out]
        view = b.view(
            out, self._base(batch)[x.out] + block * (self.block * stride),
            (*(d.size for d in x.width), self.in_block), (*(d.strides[1] for d in x.width), stride), len(x.width),
        )  # fmt: skip
        b.tstore(view, self.sums[i])

    # --- vector cores ---

    def _write_factors(self, tile: RowTile, block: Affine, instead: dict[Node, Node]) -> None:
        """Emit what the vector cores make of the scores; `instead` of factors others may be computed."""
        b, p = self.b, self.p
        entering = [self.place(i, self.number) for i in range(len(p.entering))]
        leaving = [self.place(len(entering) + i, self.number) for i in range(len(self.factors))]
        heads = {x.head: place for x, place in zip(p.entering, entering, strict=True)}
        waits = (("MTE2", _SCORES_READY), ("MTE3", _FACTORS_FREE))
        with self.chunks(tile, waits, (("MTE2", _SCORES_FREE), ("MTE3", _FACTORS_READY))) as chunk:
            e = self.emitter(chunk, block, heads)
            nodes = [instead.get(f, f) for f, _ in self.factors]
            e.begin(nodes, set(nodes), self.number * self.rows.most_trips + chunk.step)
            along_rows = any(d.axis in self.row_axes for d in self.rows.chunk)
            for node, place in zip(nodes, leaving, strict=True):
                src = e.value(node, (along_rows, True))
                b.tstore(place.rows(b, chunk.row, chunk.rows, plain(self.in_block)), src)
