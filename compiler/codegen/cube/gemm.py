"""Matrix products: from a problem in strides to a kernel that streams panels GM -> L1 -> L0 -> L0C -> GM.

Blocks are persistent: block i computes tiles i, i + blocks, ... of the result, so that loads of the next tile
overlap the end of the last one. L1, L0A and L0B are double buffered by slots. A result tile that fits half of L0C
alternates between two buffers; a larger one is two parts along M, and every panel is multiplied into one part after the
other, so that a part drains through FIXP while the cube unit works on the other one, or on the next tile's first part.
The vector cores finish each part if there is an epilogue.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ...isa.dtypes import DType
from ...isa.machine import FRACTAL, FRACTAL_BYTES, Layout, Loc
from ...isa.model import Affine, TileRef, View
from ...program.kernel import Kernel, KernelBuilder
from ...targets import Target, TargetError
from ...tiling.cube import GemmTiles, Product, choose_tiles, round_up
from .bias import BiasRow
from .emit_epilogue import EpilogueWriter
from .emit_prologue import PrologueWriter
from .epilogue import Epilogue
from .groups import Group, Position, Tiling, group_size, locate, tile_group, unravel
from .panels import ZERO, Panels, counted, persistent, view_shape

if TYPE_CHECKING:
    from .prologue import Prologue


@dataclass(frozen=True)
class Buffer:
    """A tensor in GM as the kernel sees it: element type, elements, and the element its indices start from."""

    dtype: DType
    size: int
    offset: int = 0


@dataclass(frozen=True)
class Gemm:
    """c[b, m, n] = sum over k of a[b, m, k] * b[b, k, n] (+ bias[n]), relu if asked.

    Strides are of (a, b, c) along batch, (a, c) along m, (b, c, bias) along n, (a, b) along k.
    """

    batch: Group
    m: Group
    n: Group
    k: Group
    a: Buffer
    b: Buffer
    c: Buffer
    accumulator: DType
    bias: Buffer | None = None
    relu: bool = False

    @property
    def name(self) -> str:
        """Name of the kernel: type and shape."""
        shape = "x".join(str(group_size(g)) for g in (self.m, self.n, self.k))
        batch = group_size(self.batch)
        carried = "_bias" * bool(self.bias) + "_relu" * self.relu
        return f"matmul_{self.a.dtype}_{f'{batch}x' if batch > 1 else ''}{shape}{carried}"


@dataclass(frozen=True)
class _GemmPlan:
    """Sizes and tilings of one kernel."""

    tiles: GemmTiles
    m: Tiling
    n: Tiling
    k: Tiling
    part: int  # indices of m's split dimension in a part

    @property
    def parts(self) -> int:
        return -(-self.m.tile // self.part)


def plan_gemm(p: Gemm, target: Target, vector_work: int = 0, operand_work: int = 0) -> _GemmPlan:
    """Choose tile sizes and how they cover the dimensions of the problem.

    `vector_work` instructions finish each element, `operand_work` make each of the right operand.
    """
    batch, rows, columns, depth = (group_size(g) for g in (p.batch, p.m, p.n, p.k))
    spare, widest = (2 * target.bt_bytes, target.bt_bytes // 4) if p.bias else (0, 512)
    types = p.a.dtype.bytes, p.accumulator.bytes, p.c.dtype.bytes
    product = Product(batch, rows, columns, depth, *types, vector_work, operand_work)
    tiles = choose_tiles(product, target, spare, widest=widest)
    m = tile_group(p.m, tiles.m, 3)
    n = tile_group(p.n, tiles.n, min(3, 5 - m.rank))
    k = tile_group(p.k, tiles.panel, 5 - max(m.rank, n.rank))
    part = m.tile
    if tiles.parts == 2 and m.tile * m.inner_size > tiles.m // 2:
        part = round_up(-(-m.tile // 2), FRACTAL if m.inner_size == 1 else 1)
        if part * m.inner_size % FRACTAL or round_up(part * m.inner_size, FRACTAL) > tiles.m // 2:
            m = tile_group(p.m, tiles.m // 2, m.rank)
            part = m.tile
    return _GemmPlan(tiles, m, n, k, part)


@lru_cache(maxsize=512)
def emit_gemm(problem: Gemm, target: Target) -> Kernel:
    """Generate the kernel of a problem; equal problems give the same kernel."""
    return _Emitter(problem, plan_gemm(problem, target), target).run()


def emit_gemm_with(epilogue: Epilogue, problem: Gemm, target: Target, limit: int) -> Kernel:
    """Generate the kernel of a problem whose tiles the vector cores finish, `limit` elements at a time."""
    return _Emitter(problem, plan_gemm(problem, target, epilogue.work), target, epilogue, limit).run()


def emit_gemm_after(prologue: Prologue, problem: Gemm, target: Target, limit: int) -> Kernel | None:
    """Generate the kernel of a problem whose right operand the vector cores make, `limit` elements at a time.

    Arguments are the left operand, what the prologue reads, a workspace, the result. None if several tiles of rows would each
    make the operand.
    """
    try:
        plan = plan_gemm(problem, target, operand_work=prologue.work)
    except TargetError:  # all rows at once do not fit
        return None
    if plan.m.steps > 1:
        return None
    return _Emitter(problem, plan, target, prologue=prologue, limit=limit).run()


class _Emitter:
    """Writes the instructions of one kernel."""

    def __init__(
        self,
        problem: Gemm,
        plan: _GemmPlan,
        target: Target,
        epilogue: Epilogue | None = None,
        limit: int = 0,
        prologue: Prologue | None = None,
    ):
        self.p, self.plan, self.target = problem, plan, target
        self.total = group_size(problem.batch) * plan.m.steps * plan.n.steps
        self.blocks = min(self.total, target.cube_cores)
        name = "_".join([*([prologue.name] if prologue else []), problem.name, *([epilogue.name] if epilogue else [])])
        self.kernel_builder = b = KernelBuilder(name, "mix" if epilogue or prologue else "aic", (self.blocks,))
        operands = [problem.a, *([] if prologue else [problem.b]), *([problem.bias] if problem.bias else [])]
        self.args = [b.argument(x.dtype, x.size) for x in operands]
        self.maker = PrologueWriter(b, prologue, plan.k, plan.n, problem.b.dtype, limit) if prologue else None
        self.writer: EpilogueWriter | None = None
        if epilogue:
            turns = self.total > self.blocks
            self.writer = EpilogueWriter(b, epilogue, plan.m, plan.n, plan.part, plan.parts, turns, limit)
            self.out = self.writer.declare_results(problem.c.dtype)
        else:
            self.out = b.argument(problem.c.dtype, problem.c.size, writes=True)
        unit = max(1, FRACTAL_BYTES // problem.a.dtype.bytes)
        self.panels = Panels(b, plan.k, round_up(plan.k.capacity, unit), plan.tiles.step)

    def run(self) -> Kernel:
        """Emit the loop over the block's tiles."""
        for writer in (self.maker, self.writer):
            if writer:
                writer.open()
        with persistent(self.kernel_builder, self.total) as (tile, turn):
            self._tile(tile, turn)
        for writer in (self.maker, self.writer):
            if writer:
                writer.close()
        return self.kernel_builder.kernel

    def _order(self, index: Affine) -> tuple[list[Affine], Affine, Affine]:
        """Return batch coordinates, row and column of tile `index`: down a few rows, then right."""
        b, rows, columns = self.kernel_builder, self.plan.m.steps, self.plan.n.steps
        batch_sizes = [d.size for d in self.p.batch]
        group = min(self.plan.tiles.group, rows)
        if rows % group == 0:
            *batch, outer, column, inner = unravel(b, index, (*batch_sizes, rows // group, columns, group))
            return batch, outer * group + inner, column
        *batch, within = unravel(b, index, (*batch_sizes, rows * columns))
        outer, rest = unravel(b, within, (-(-rows // group), group * columns))
        height = b.scalar("smin", group, rows - outer * group)
        column = b.scalar("sdiv", rest, height)
        return batch, outer * group + b.scalar("smod", rest, height), column

    def _tile(self, index: Affine, turn: Affine) -> None:
        """Emit one tile of the result."""
        b, p, plan = self.kernel_builder, self.p, self.plan
        batch, row, column = self._order(index)
        self.batch = batch
        self.base = [Affine(x.offset) for x in (p.a, p.b, p.c)]
        for coordinate, dim in zip(batch, p.batch, strict=True):
            self.base = [o + coordinate * s for o, s in zip(self.base, dim.strides, strict=True)]
        self.m, self.n = locate(b, plan.m, row, 2), locate(b, plan.n, column, 3)
        self.turn = turn
        self._declare()
        if p.bias:
            self._load_bias()
        with counted(b, plan.k.steps) as panel:
            self._panel(panel)
        if plan.parts == 1:
            self._drain(0)

    def _declare(self) -> None:
        """Declare the tiles, once the registers of their valid regions exist."""
        b, p, plan, m, n = self.kernel_builder, self.p, self.plan, self.m, self.n
        dtype, panels = p.a.dtype, self.panels
        columns = round_up(plan.n.capacity, FRACTAL)
        left_rows = round_up(plan.m.capacity, FRACTAL)
        self.l1a = b.tile(Loc.mat, dtype, left_rows, panels.capacity, (m.extent, panels.extent), Layout.nz, 2)
        self.l1b = b.tile(Loc.mat, dtype, panels.capacity, columns, (panels.extent, n.extent), Layout.zn, 2)
        self.part_counts = self._part_counts()
        self.left, self.right, self.acc = list[TileRef](), list[TileRef](), list[TileRef]()
        rows = round_up(plan.part * plan.m.inner_size, FRACTAL)
        for count in self.part_counts:
            valid = count * plan.m.inner_size
            self.left.append(b.tile(Loc.left, dtype, rows, panels.step, (valid, panels.valid), Layout.nz, 2))
            self.right.append(b.tile(Loc.right, dtype, panels.step, columns, (panels.valid, n.extent), Layout.zn, 2))
            self.acc.append(
                b.tile(Loc.acc, p.accumulator, rows, columns, (valid, n.extent), Layout.nz, 2 if plan.parts == 1 else 1)
            )

    def _part_counts(self) -> list[Affine]:
        """Return how many indices of m's split dimension each part of the tile has."""
        count, part = self.m.count, self.plan.part
        if self.plan.parts == 1:
            return [count]
        first = self.kernel_builder.minimum(part, count)
        return [first, count - first]

    def _load_bias(self) -> None:
        """Load the tile's piece of the bias into the bias table."""
        b, n, bias = self.kernel_builder, self.n, self.p.bias
        assert bias is not None
        self.bias = BiasRow(b, bias.dtype, round_up(self.plan.n.capacity, FRACTAL), n.extent, self.target)
        shape, strides = view_shape(self.plan.n, n), self.plan.n.strides(2)
        self.bias.load(b.view(self.args[-1], n.offsets[2] + bias.offset, (1, *shape), (0, *strides), 1), self.turn)

    def _panel(self, panel: Affine) -> None:
        """Emit the loads and products of one panel of K; of several parts, each drains as soon as it is finished."""
        b, plan, m = self.kernel_builder, self.plan, self.m
        k = self.panels.enter(panel, 2)
        slot = self.turn * plan.k.steps + panel
        k_shape = view_shape(plan.k, k)
        a_shape = (*view_shape(plan.m, m), *k_shape)
        a_strides = (*plan.m.strides(0), *plan.k.strides(0))
        b.tload(
            TileRef(self.l1a.tile, slot),
            b.view(self.args[0], self.base[0] + m.offsets[0] + k.offsets[0], a_shape, a_strides, plan.m.rank),
        )
        b.tload(TileRef(self.l1b.tile, slot), self._right(slot, k))
        if self.maker:
            self.maker.loaded()
        for part in range(plan.parts):
            with self.panels.each_step() as at:
                self._step(panel, slot, at, part)
            if plan.parts > 1:
                with b.when(panel - (plan.k.steps - 2)) if plan.k.steps > 1 else nullcontext():
                    self._drain(part)

    def _right(self, slot: Affine, k: Position) -> View:
        """Return a panel of the right operand, made first if it is not in memory."""
        b, plan, n = self.kernel_builder, self.plan, self.n
        if self.maker:
            first: dict[int, Affine] = {}
            for tiling, position in ((plan.k, k), (plan.n, n)):
                first |= {d.axis: at for d, at in zip((*tiling.outer, tiling.split), position.coordinates, strict=True)}
            return self.maker.make(slot, first, k, n)
        shape = (*view_shape(plan.k, k), *view_shape(plan.n, n))
        strides = (*plan.k.strides(1), *plan.n.strides(0))
        return b.view(self.args[1], self.base[1] + n.offsets[0] + k.offsets[1], shape, strides, plan.k.rank)

    def _step(self, panel: Affine, slot: Affine, at: Affine, part: int) -> None:
        """Emit one step: L1 to L0A and L0B, and their product."""
        b, plan, step = self.kernel_builder, self.plan, self.panels.step
        done = panel * self.panels.steps + at  # steps before this one
        l0 = slot * self.panels.steps + at
        left, right = TileRef(self.left[part].tile, l0), TileRef(self.right[part].tile, l0)
        b.textract(left, TileRef(self.l1a.tile, slot), Affine(part * plan.part * plan.m.inner_size), at * step)
        b.textract(right, TileRef(self.l1b.tile, slot), at * step, ZERO)
        acc = TileRef(self.acc[part].tile, self._acc_slot)
        if self.p.bias:
            self.bias.multiply(acc, left, right, done)
        else:
            b.tmatmul(acc, left, right, done)

    @property
    def _acc_slot(self) -> Affine:
        return self.turn if self.plan.parts == 1 else ZERO

    def _drain(self, part: int) -> None:
        """Store one part of the tile."""
        b, plan, m, n = self.kernel_builder, self.plan, self.m, self.n
        row = part * plan.part * plan.m.split.strides[1]
        shape = (self.part_counts[part], *(d.size for d in plan.m.inner), *view_shape(plan.n, n))
        strides = (*plan.m.strides(1), *plan.n.strides(1))
        offset = self.base[2] + m.offsets[1] + n.offsets[1] + row
        view = b.view(self.out, offset, shape, strides, plan.m.rank)
        window = None
        if self.writer:
            window = self.writer.before_store(part, self.turn)
            if window:
                view = window.rows(b, 0, self.part_counts[part] * plan.m.inner_size, n.extent)
        b.tstore(view, TileRef(self.acc[part].tile, self._acc_slot), activation="relu" if self.p.relu else "none")
        if self.writer:
            first = {d.axis: at for d, at in zip(self.p.batch, self.batch, strict=True)}
            for tiling, position in ((plan.m, m), (plan.n, n)):
                dims = (*tiling.outer, tiling.split)
                first |= {d.axis: at for d, at in zip(dims, position.coordinates, strict=True)}
            self.writer.finish(window, first, part, self.part_counts[part], n, self.turn)
