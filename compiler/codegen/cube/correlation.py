"""A convolution as the cube core computes it: a feature map correlated with another tensor.

Element (image, position, tap, channel) of the map lies at `position * stride + tap * dilation - low` along each axis.
Summing over taps and channels gives an output feature map (`other` holds the weights); summing over images and
positions gives the gradient of weights (`other` is the output's gradient). Swapping positions and taps turns one into
the other, so whichever has the fewer taps is chosen: convolutions with huge windows and tiny results, as gradients are
written, cost what they should.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ...isa.dtypes import DType
from ...isa.machine import FRACTAL, FRACTAL_BYTES
from ...targets import Target
from ...tiling.cube import Product, choose_tiles, round_up
from .gemm import Buffer
from .groups import Dim, Group, Tiling, group_size, tile_group

SLAB_BYTES = 96 * 1024  # of L1 per buffer of the feature map


@dataclass(frozen=True)
class Axis:
    """A spatial axis; strides in elements: of the map, along positions and along taps in the tensor that has them."""

    size: int  # of the map
    positions: int
    taps: int
    stride: int
    dilation: int
    low: int  # padding before the map, negative if it is cut
    map_dilation: int
    map_stride: int
    position_stride: int
    tap_stride: int

    def swapped(self) -> Axis:
        """Return the same axis with positions and taps in each other's role."""
        return Axis(
            self.size, self.taps, self.positions, self.dilation, self.stride, self.low, self.map_dilation,
            self.map_stride, self.tap_stride, self.position_stride,
        )  # fmt: skip

    def extent(self, positions: int) -> int:
        """Return how many elements of the map `positions` neighbouring positions and all taps can reach."""
        reach = (positions - 1) * self.stride + (self.taps - 1) * self.dilation
        return min(self.size, reach // self.map_dilation + 1)


@dataclass(frozen=True)
class Correlation:
    """What one kernel computes.

    Positions and image have strides in `out`, taps and channel in `other`; if positions are contracted, the other way
    round. The last two axes are read through timg2col, those before one index at a time.
    """

    contract_positions: bool
    groups: Group  # strides (map, other, out, bias)
    image: Dim  # strides (map, position's tensor)
    channel: Dim  # strides (map, tap's tensor)
    feature: Dim  # strides (other, out, bias)
    axes: tuple[Axis, ...]
    map: Buffer
    other: Buffer
    out: Buffer
    accumulator: DType
    bias: Buffer | None = None
    relu: bool = False

    @property
    def name(self) -> str:
        """Name of the kernel: type and sizes."""
        positions = "x".join(str(a.positions) for a in self.axes)
        taps = "x".join(str(a.taps) for a in self.axes)
        kind = "conv_weights" if self.contract_positions else "conv"
        groups = f"_g{group_size(self.groups)}" if self.groups else ""
        features = f"{self.channel.size}x{self.feature.size}{groups}" + "_bias" * bool(self.bias) + "_relu" * self.relu
        return f"{kind}_{self.map.dtype}_{self.image.size}x{positions}_{taps}_{features}"


@dataclass(frozen=True)
class CorrelationPlan:
    """How tiles cover a correlation."""

    positions: Tiling  # of (image, h, w)
    taps: Tiling  # of (h, w, channel of a chunk); the last stride is that of the flattened kernel position
    feature: Tiling
    chunk: int  # channels in a slab
    step: int  # of K in L0
    parts: int = 1  # equal ones of the positions, each with a place of its own in L0C

    def window(self, axes: tuple[Axis, ...]) -> tuple[int, int, int]:
        """Return the images, rows and columns of positions in a tile."""
        images = self.positions.tile if len(self.positions.outer) == 0 else 1
        rows = (axes[-2].positions, self.positions.tile, 1)[len(self.positions.outer)]
        columns = self.positions.tile if len(self.positions.outer) == 2 else axes[-1].positions
        return images, rows, columns

    def slab(self, axes: tuple[Axis, ...]) -> tuple[int, int, int]:
        """Return the images, rows and columns of the feature map that a tile needs."""
        images, rows, columns = self.window(axes)
        return images, axes[-2].extent(rows), axes[-1].extent(columns)


def plan_correlation(p: Correlation, target: Target) -> CorrelationPlan | None:
    """Choose tiles; None if no slab of two axes fits L1 (then leave the rows to the outer axes)."""
    if not p.contract_positions and p.bias is None:  # a bias is read by the first step of a tile
        plan = _plan(p, target, 2)
        if plan is None or plan.parts == 1:
            return plan
        tile = plan.positions.tile
        if tile % plan.parts == 0 and plan.positions.split.size % tile == 0 and _hides_drains(p, plan, target):
            return plan
    return _plan(p, target, 1)


def _hides_drains(p: Correlation, plan: CorrelationPlan, target: Target) -> bool:
    """Whether products take so long that little is lost by draining a tile in parts between them and the next tile's.

    Parts make tiles larger, which halves the loads of weights; that is worth up to a third of the products' time.
    """
    rows, columns = round_up(plan.positions.capacity, FRACTAL), round_up(plan.feature.capacity, FRACTAL)
    k = prod(a.taps for a in p.axes) * p.channel.size
    factor = target.mad_f32_factor if p.map.dtype.bytes == 4 else 1
    cube = factor * (rows // FRACTAL) * (columns // FRACTAL) * (k * p.map.dtype.bytes / FRACTAL_BYTES)
    drain = plan.parts * target.fixp_start
    drain += rows * max(target.fixp_row, p.out.dtype.bytes * columns / target.fixp_rate)
    return drain < cube / 3


def _plan(p: Correlation, target: Target, most_parts: int) -> CorrelationPlan | None:
    h, w = p.axes[-2:]
    inner = p.image.size * h.positions * w.positions
    columns = h.taps * w.taps * p.channel.size
    outer = (prod(a.positions for a in p.axes[:-2]), prod(a.taps for a in p.axes[:-2]))
    groups, e = group_size(p.groups), p.map.dtype.bytes
    if p.contract_positions:
        shape = (groups * outer[1], p.feature.size, columns, inner * outer[0])
    else:
        shape = (groups * outer[0], inner, p.feature.size, columns * outer[1])
    product = Product(*shape, element=e, accumulator=p.accumulator.bytes, result=p.out.dtype.bytes)
    widest = target.bt_bytes // 4 if p.bias else 512
    tiles = choose_tiles(product, target, 2 * SLAB_BYTES + 2 * target.bt_bytes, most_parts, widest)
    features, wanted = (tiles.m, tiles.panel) if p.contract_positions else (tiles.n, tiles.m)
    at_most = tiles.n if p.contract_positions else p.channel.size
    best: CorrelationPlan | None = None
    while wanted >= 1:
        positions = _tile_positions(p, wanted)
        slab = prod(CorrelationPlan(positions, positions, positions, 0, 0).slab(p.axes))
        chunk = _divisor(p.channel.size, min(at_most, SLAB_BYTES // (slab * e)))
        if chunk and (best is None or chunk > best.chunk):
            step = tiles.step
            panel = tiles.n if p.contract_positions else tiles.panel
            if (
                not p.contract_positions
            ):  # a panel is one step: weights are extracted once for all parts, none waits at its end
                rows = round_up(-(-positions.capacity // tiles.parts), FRACTAL)
                unit = max(1, FRACTAL_BYTES // e)
                step = min(target.l0a_bytes // (2 * rows * e), target.l0b_bytes // (2 * tiles.n * e)) // unit * unit
                panel = min(panel, step)
            taps = tile_group(_tap_dims(p, chunk), panel, 3)
            best = CorrelationPlan(positions, taps, tile_group((p.feature,), features), chunk, step, tiles.parts)
        if best is not None and best.chunk >= min(at_most, p.channel.size, 16):
            break
        wanted //= 2
    return best


def _tile_positions(p: Correlation, wanted: int) -> Tiling:
    h, w = p.axes[-2:]
    dims = (
        Dim(p.image.size, p.image.strides[1:]),
        Dim(h.positions, (h.position_stride,)),
        Dim(w.positions, (w.position_stride,)),
    )
    sizes = (h.positions * w.positions, w.positions, 1)
    split = next(i for i in range(3) if sizes[i] <= wanted)
    pieces = -(-dims[split].size * sizes[split] // (wanted // sizes[split] * sizes[split]))
    tile = -(-dims[split].size // pieces)
    return Tiling(dims[:split], dims[split], tile, dims[split + 1 :])


def _tap_dims(p: Correlation, chunk: int) -> Group:
    h, w = p.axes[-2:]
    return (
        Dim(h.taps, (h.tap_stride, w.taps * chunk)),
        Dim(w.taps, (w.tap_stride, chunk)),
        Dim(chunk, (p.channel.strides[1], 1)),
    )


def _divisor(number: int, at_most: int) -> int:
    """Return the largest divisor of `number` that is at most `at_most`, 0 if there is none."""
    return next((d for d in range(min(number, at_most), 0, -1) if number % d == 0), 0)
