"""Correlations to kernels: slabs of the feature map in L1, gathered into L0 by timg2col, times another tensor.

Forward, the gathered columns are the left operand [positions, taps x channels]. For the gradient of weights they are
the right operand of the same shape, since positions are contracted. Both are double buffered like any matrix product.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

from ...isa.machine import FRACTAL, FRACTAL_BYTES, Layout, Loc
from ...isa.model import Affine, TileRef
from ...program.kernel import Kernel, KernelBuilder
from ...targets import Target
from ...tiling.cube import round_up
from .bias import BiasRow
from .correlation import Axis, Correlation, CorrelationPlan
from .groups import Position, locate, unravel
from .panels import ZERO, Panels, counted, persistent, view_shape


@lru_cache(maxsize=512)
def emit_correlation(problem: Correlation, plan: CorrelationPlan, target: Target) -> Kernel:
    """Generate the kernel of a correlation; equal problems give the same kernel."""
    return _Emitter(problem, plan, target).run()


class _Emitter:
    """Writes the instructions of one kernel."""

    def __init__(self, problem: Correlation, plan: CorrelationPlan, target: Target):
        self.p, self.plan = problem, plan
        p = problem
        self.outer, (self.h, self.w) = p.axes[:-2], p.axes[-2:]
        self.chunks = p.channel.size // plan.chunk
        self.outer_positions, self.outer_taps = [a.positions for a in self.outer], [a.taps for a in self.outer]
        groups = [d.size for d in p.groups]
        if p.contract_positions:
            self.grid = [*groups, *self.outer_taps, self.chunks, plan.taps.steps, plan.feature.steps]
            self.depth = [*self.outer_positions, plan.positions.steps]
        else:
            self.grid = [*groups, *self.outer_positions, plan.feature.steps, plan.positions.steps]
            self.depth = [*self.outer_taps, self.chunks]
        total = prod(self.grid)
        self.b = b = KernelBuilder(p.name, "aic", (min(total, target.cube_cores),))
        self.map_arg, self.other_arg = (b.argument(x.dtype, x.size) for x in (p.map, p.other))
        self.bias_arg = b.argument(p.bias.dtype, p.bias.size) if p.bias else -1
        self.target = target
        self.out_arg = b.argument(p.out.dtype, p.out.size, writes=True)
        k = plan.positions if p.contract_positions else plan.taps
        self.panels = Panels(b, k, round_up(k.capacity, max(1, FRACTAL_BYTES // p.map.dtype.bytes)), plan.step)
        self.total = total

    def run(self) -> Kernel:
        """Emit the loop over the block's tiles."""
        with persistent(self.b, self.total) as (tile, turn):
            self.turn = turn
            coordinates = unravel(self.b, tile, self.grid)
            groups = coordinates[: len(self.p.groups)]
            self.base = [Affine(x.offset) for x in (self.p.map, self.p.other, self.p.out)]
            self.bias_offset = ZERO
            for coordinate, dim in zip(groups, self.p.groups, strict=True):
                self.base = [o + coordinate * s for o, s in zip(self.base, dim.strides, strict=False)]
                self.bias_offset += coordinate * dim.strides[3]
            rest = coordinates[len(self.p.groups) :]
            if self.p.contract_positions:
                self._weights_tile(rest)
            else:
                self._map_tile(rest)
        return self.b.kernel

    # -- forward: positions are rows of the result, taps and channels are contracted ----------------------------

    def _map_tile(self, at: list[Affine]) -> None:
        b, p, plan = self.b, self.p, self.plan
        *outer, feature_step, position_step = at
        positions = locate(b, plan.positions, position_step, 1)
        feature = locate(b, plan.feature, feature_step, 3)
        parts, half = plan.parts, plan.positions.tile // plan.parts
        size = half * plan.positions.inner_size
        extent = positions.extent if parts == 1 else Affine(size)
        rows, columns = round_up(size, FRACTAL), round_up(plan.feature.capacity, FRACTAL)
        panels, dtype = self.panels, p.map.dtype
        weights = b.tile(Loc.mat, dtype, panels.capacity, columns, (panels.extent, feature.extent), Layout.zn, 2)
        left = b.tile(Loc.left, dtype, rows, panels.step, (extent, panels.valid), Layout.nz, 2)
        right = b.tile(Loc.right, dtype, panels.step, columns, (panels.valid, feature.extent), Layout.zn, 2)
        acc = b.tile(Loc.acc, p.accumulator, rows, columns, (extent, feature.extent), Layout.nz, 2)
        targets = [TileRef(acc.tile, Affine(i) if parts > 1 else self.turn) for i in range(parts)]
        bias: BiasRow | None = None
        if p.bias:
            bias = BiasRow(b, p.bias.dtype, columns, feature.extent, self.target)
            offset = feature.offsets[2] + p.bias.offset + self.bias_offset
            row = b.view(self.bias_arg, offset, (1, feature.count), (0, *plan.feature.strides(2)), 1)
            bias.load(row, self.turn)
        with counted(b, prod(self.depth)) as turn:
            *taps, chunk = unravel(b, turn, self.depth)
            slab_slot = self.turn * prod(self.depth) + turn
            gather = self._slab(positions, outer, taps, chunk, slab_slot)
            other = self.base[1] + feature.offsets[0] + chunk * (plan.chunk * p.channel.strides[1])
            for tap, axis in zip(taps, self.outer, strict=True):
                other += tap * axis.tap_stride
            with counted(b, plan.taps.steps) as panel:
                k = panels.enter(panel, 2)
                slot = slab_slot * plan.taps.steps + panel
                shape = (*view_shape(plan.taps, k), feature.count)
                strides = (*plan.taps.strides(0), *plan.feature.strides(0))
                view = b.view(self.other_arg, other + k.offsets[0], shape, strides, plan.taps.rank)
                b.tload(TileRef(weights.tile, slot), view)
                with panels.each_step() as step:
                    l0 = slot * panels.steps + step
                    y = TileRef(right.tile, l0)
                    b.textract(y, TileRef(weights.tile, slot), step * panels.step, ZERO)
                    done = (turn * plan.taps.steps + panel) * panels.steps + step
                    for i, target in enumerate(targets):
                        x = TileRef(left.tile, l0 if parts == 1 else Affine(i))
                        gather(x, Affine(i * size), k.offsets[1] + step * panels.step)
                        if bias:
                            bias.multiply(target, x, y, done)
                        else:
                            b.tmatmul(target, x, y, done)
        offset = self.base[2] + positions.offsets[0] + feature.offsets[1]
        for position, axis in zip(outer, self.outer, strict=True):
            offset += position * axis.position_stride
        count, *inner = view_shape(plan.positions, positions)
        shape = (count if parts == 1 else half, *inner, feature.count)
        strides = (*plan.positions.strides(0), *plan.feature.strides(1))
        for i, target in enumerate(targets):
            view = b.view(self.out_arg, offset + i * half * strides[0], shape, strides, plan.positions.rank)
            self._store(view, target)

    # -- gradient of weights: features are rows of the result, taps and channels its columns ---------------------

    def _weights_tile(self, at: list[Affine]) -> None:
        b, p, plan = self.b, self.p, self.plan
        *outer, chunk, tap_step, feature_step = at
        taps = locate(b, plan.taps, tap_step, 2)
        feature = locate(b, plan.feature, feature_step, 2)
        rows, columns = round_up(plan.feature.capacity, FRACTAL), round_up(plan.taps.capacity, FRACTAL)
        panels, dtype = self.panels, p.map.dtype
        other = b.tile(Loc.mat, dtype, rows, panels.capacity, (feature.extent, panels.extent), Layout.nz, 2)
        left = b.tile(Loc.left, dtype, rows, panels.step, (feature.extent, panels.valid), Layout.nz, 2)
        right = b.tile(Loc.right, dtype, panels.step, columns, (panels.valid, taps.extent), Layout.zn, 2)
        acc = b.tile(Loc.acc, p.accumulator, rows, columns, (feature.extent, taps.extent), Layout.nz, 2)
        target = TileRef(acc.tile, self.turn)
        with counted(b, prod(self.depth)) as turn:
            *positions, panel = unravel(b, turn, self.depth)
            k = panels.enter(panel, 1)
            slot = self.turn * prod(self.depth) + turn
            gather = self._slab(k, positions, outer, chunk, slot)
            offset = self.base[1] + feature.offsets[0] + k.offsets[0]
            for position, axis in zip(positions, self.outer, strict=True):
                offset += position * axis.position_stride
            shape = (feature.count, *view_shape(plan.positions, k))
            strides = (*plan.feature.strides(0), *plan.positions.strides(0))
            b.tload(TileRef(other.tile, slot), b.view(self.other_arg, offset, shape, strides, 1))
            with panels.each_step() as step:
                l0 = slot * panels.steps + step
                b.textract(TileRef(left.tile, l0), TileRef(other.tile, slot), ZERO, step * panels.step)
                gather(TileRef(right.tile, l0), step * panels.step, taps.offsets[1])
                b.tmatmul(target, TileRef(left.tile, l0), TileRef(right.tile, l0), turn * panels.steps + step)
        offset = self.base[2] + feature.offsets[1] + taps.offsets[0] + chunk * (plan.chunk * p.channel.strides[1])
        for tap, axis in zip(outer, self.outer, strict=True):
            offset += tap * axis.tap_stride
        shape = (feature.count, *view_shape(plan.taps, taps))
        strides = (*plan.feature.strides(1), *plan.taps.strides(0))
        self._store(b.view(self.out_arg, offset, shape, strides, 1), target)

    def _store(self, view: object, source: TileRef) -> None:
        self.b.tstore(view, source, activation="relu" if self.p.relu else "none")

    # -- the feature map ------------------------------------------------------------------------------------------

    def _slab(self, positions: Position, outer: list[Affine], taps: list[Affine], chunk: Affine, slot: Affine):
        """Load the part of the map that a tile of positions needs; returns what gathers from it: (dst, m, k)."""
        b, p, plan = self.b, self.p, self.plan
        split = len(plan.positions.outer)
        image, row, column = (*positions.coordinates, *[ZERO] * (2 - split))
        images, rows, columns = plan.slab(p.axes)
        _, window_rows, window_columns = plan.window(p.axes)
        first_row, top = self._begin(self.h, row, rows)
        first_column, left = self._begin(self.w, column, columns)
        offset = self.base[0] + image * p.image.strides[0] + chunk * (plan.chunk * p.channel.strides[0])
        offset += first_row * self.h.map_stride + first_column * self.w.map_stride
        count = positions.count if split == 0 else Affine(1)
        for axis, position, tap in zip(self.outer, outer, taps, strict=True):
            index, inside = self._index(axis, position, tap)
            offset += index * axis.map_stride
            if inside is not None:
                count = inside * count.const if count.is_constant else b.scalar("smul", count, inside)
        valid = (count * (rows * columns), plan.chunk)
        tile = b.tile(Loc.mat, p.map.dtype, images * rows * columns, plan.chunk, valid, Layout.fmap, 2)
        shape = (count, rows, columns, plan.chunk)
        strides = (p.image.strides[0], self.h.map_stride, self.w.map_stride, p.channel.strides[0])
        source = TileRef(tile.tile, slot)
        b.tload(source, b.view(self.map_arg, offset, shape, strides, 3))
        h, w = self.h, self.w
        extents = (images, rows, columns, plan.chunk)
        window = (
            h.taps, w.taps, h.stride, w.stride, h.dilation, w.dilation, h.map_dilation, w.map_dilation,
            window_rows, window_columns,
        )  # fmt: skip

        def gather(dst: TileRef, m: Affine, k: Affine) -> None:
            b.timg2col(dst, source, m, k, top, left, extents, window)

        return gather

    def _begin(self, axis: Axis, position: Affine, extent: int) -> tuple[Affine, Affine]:
        """Return the first element of the axis that a slab of `extent` holds, and the padding before it."""
        padding = axis.low - position * axis.stride
        if extent == axis.size:
            return ZERO, padding
        b, room = self.b, axis.size - extent
        if padding.is_constant:
            first = Affine(min(max(-(padding.const // axis.map_dilation), 0), room))
            return first, padding + first * axis.map_dilation
        first = axis.map_dilation - 1 - padding
        if axis.map_dilation > 1:
            first = b.scalar("sdiv", first, axis.map_dilation)
        first = b.scalar("smin", b.scalar("smax", first, 0), room)
        return first, padding + first * axis.map_dilation

    def _index(self, axis: Axis, position: Affine, tap: Affine) -> tuple[Affine, Affine | None]:
        """Return the element of an outer axis under a tap, and 1 if there is one, else 0 (None: always)."""
        b, last = self.b, axis.size - 1
        at = position * axis.stride + tap * axis.dilation - axis.low
        reach = (axis.positions - 1) * axis.stride + (axis.taps - 1) * axis.dilation - axis.low
        if axis.map_dilation == 1 and axis.low <= 0 and reach <= last:
            return at, None
        inside: Affine | None = None
        if axis.map_dilation > 1:
            remainder = b.scalar("smod", at, axis.map_dilation)
            inside = 1 - b.scalar("smin", remainder, 1)
            at = b.scalar("sdiv", at, axis.map_dilation)
        clipped = b.scalar("smin", b.scalar("smax", at, 0), last)
        far = b.scalar("smax", at - clipped, clipped - at)  # 0 inside of the map
        near = 1 - b.scalar("smin", far, 1)
        return clipped, near if inside is None else b.scalar("smin", inside, near)
