"""Choose how the gradient of an attention is cut: rows of a tile, keys of a block, and over how many cores the keys of a head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...isa.machine import FRACTAL, FRACTAL_BYTES
from ...targets import Target
from ...tiling.cube import Product, choose_tiles, round_up, tile_seconds
from ..cube.groups import group_size, tile_group
from .gradient import Gradient

_ROWS = (256, 128, 112, 96, 80, 64, 48, 32, 16)
_BLOCKS = (256, 128, 112, 96, 80, 64, 48, 32, 16)  # keys
_CHUNKS = (8192, 4096, 2048, 1024, 512)  # scores: as many as fit UB, for fewest instructions
_SHARES = (1, 2, 3, 4, 6, 8, 12, 24)
_MOST_WAVES = 4  # of shares over the cores: each has a result of its own to add up
_TRIED = 8  # of the best
_HANDOVER = 900  # cycles of a tile of rows that nothing overlaps: from scores to vector cores and back; fitted to kernels' timelines


@dataclass(frozen=True)
class GradientTiles:
    """Rows of a tile, keys of a block; a head's keys divided into `shares`; `scores` places in L0C; `chunk` scores at a time in UB."""

    rows: int
    block: int
    shares: int
    scores: int
    chunk: int


def gradient_choices(p: Gradient, target: Target) -> Iterator[GradientTiles]:
    """Yield ways to cut a problem that the cube core's memories hold, best first; UB is for packing to decide."""
    found = _cycles_of_choices(p, target)
    for tiles in sorted(found, key=found.__getitem__)[:_TRIED]:
        for chunk in _CHUNKS:
            yield replace(tiles, chunk=chunk)


def is_worthwhile(p: Gradient, target: Target) -> bool:
    """Whether one kernel takes less time than its products and what is between them one after the other."""
    found = _cycles_of_choices(p, target)
    return bool(found) and min(found.values()) < _apart_cycles(p, target)


def _cycles_of_choices(p: Gradient, target: Target) -> dict[GradientTiles, float]:
    rows, keys = round_up(group_size(p.m), FRACTAL), round_up(group_size(p.keys), FRACTAL)
    heads = group_size(p.batch)
    found: dict[GradientTiles, float] = {}
    for m in sorted({min(r, rows) for r in _ROWS}):
        for block in sorted({min(b, keys) for b in _BLOCKS}):
            scores = _fit(p, m, block, target)
            if not scores:
                continue
            blocks = -(-keys // block)
            for shares in sorted({min(blocks, s) for s in _SHARES}):
                if shares == 1 or heads * shares <= _MOST_WAVES * target.cube_cores:
                    tiles = GradientTiles(m, block, shares, scores, 0)
                    found[tiles] = gradient_cycles(p, tiles, target)
    return found


def _apart_cycles(p: Gradient, target: Target) -> float:
    """Estimate the cycles of the products as kernels of their own, and of a vector kernel between them."""
    b, m, n = (group_size(g) for g in (p.batch, p.m, p.keys))
    seconds = (1 + len(p.entering) + len(p.leaving)) * target.launch_dispatch
    products = [
        Product(b, m, n, group_size(x.depth), p.buffers[x.of_rows].dtype.bytes, 4, x.head.dtype.bytes)
        for x in p.entering
    ]
    for x in p.leaving:
        free, over = (n, m) if x.over_rows else (m, n)
        result = p.buffers[x.out].dtype.bytes
        products.append(Product(b, free, group_size(x.width), over, x.dtype.bytes, 4, result))
    for product in products:
        t = choose_tiles(product, target)
        seconds += tile_seconds(product, t.m, t.n, t.parts, t.step, target)
    factors = {x.factor: x.dtype.bytes for x in p.leaving}
    moved = b * m * n * (sum(x.head.dtype.bytes for x in p.entering) + sum(factors.values()))
    cold = moved > target.l2_bytes
    rate = target.hbm_bandwidth * target.hbm_mixed_efficiency if cold else target.l2_total
    lanes = target.vector_repeat_bytes / 4 * target.vector_issue * target.vector_cores
    work = b * m * n * sum(p.vector_cycles) / lanes
    return (seconds + moved / rate) * target.clock + work


def _height(p: Gradient, rows: int) -> int:
    return round_up(tile_group(p.m, rows, 3).capacity, FRACTAL)


def _fit(p: Gradient, rows: int, block: int, target: Target) -> int:
    """Return how many places scores have in L0C; 0 where the memories do not hold the tiles, in L0 those of two products."""
    height = _height(p, rows)
    l0c = l1 = 0
    for x in p.entering:
        a = p.buffers[x.of_rows].dtype.bytes
        deep = round_up(group_size(x.depth), FRACTAL_BYTES // a) * a
        l1 += deep * (height + block)
        if 2 * deep * height > target.l0a_bytes or 2 * deep * block > target.l0b_bytes:
            return 0
    for x in p.leaving:
        a, wide = x.dtype.bytes, round_up(group_size(x.width), FRACTAL)
        over, left, right = (height, wide, block) if x.over_rows else (block, height, wide)
        deep = round_up(over, FRACTAL_BYTES // a) * a
        l1 += deep * (left + right)
        l0c += left * right * 4
        if 2 * deep * left > target.l0a_bytes or 2 * deep * right > target.l0b_bytes:
            return 0
    if l1 > target.l1_bytes:
        return 0
    return next((n for n in (2, 1) if l0c + n * height * block * 4 <= target.l0c_bytes), 0)


def gradient_cycles(p: Gradient, t: GradientTiles, target: Target) -> float:
    """Estimate the cycles of a launch: of the busiest core, or of all transfers through the L2."""
    m = tile_group(p.m, t.rows, 3)
    height, keys = _height(p, t.rows), group_size(p.keys)
    tiles, blocks = m.steps, -(-keys // t.block)
    seen = tiles if p.hidden is None else (tiles + 1) / 2
    cube = drain = 0.0
    loaded = moved = 0.0
    for x in p.entering:
        a = p.buffers[x.of_rows].dtype.bytes
        depth, head = group_size(x.depth), x.head.dtype.bytes
        cube += _products(height, t.block, depth, a, target)
        drain += target.fixp_start + height * max(target.fixp_row, head * t.block / target.fixp_rate)
        loaded += height * depth * a
        moved += height * t.block * head * 2
    for x in p.leaving:
        a, width = x.dtype.bytes, group_size(x.width)
        cube += _products(height, width, t.block, a, target)
        loaded += height * t.block * a + (height * width * a if x.over_rows else 0)
        if not x.over_rows:
            drain += target.fixp_start + height * max(target.fixp_row, 4 * width / target.fixp_rate)
            moved += height * width * 8
    factors = {x.factor: x.dtype.bytes for x in p.leaving}
    moved += sum(height * t.block * a for a in factors.values())
    lanes = target.vector_repeat_bytes / 4 * target.vector_issue
    half = -(-m.tile // 2) * m.inner_size
    costs = p.vector_cycles
    chunks = -(-half * t.block // _CHUNKS[0])
    vector = half * t.block * sum(costs) / lanes + chunks * (len(costs) + 6) * target.vector_start
    load = loaded / target.l2_rate
    step = max(cube if t.scores > 1 else cube + drain / 2, load, drain, vector) + _HANDOVER
    per_block = seen * step + vector + cube  # the last tile of a block waits for its products
    shares = group_size(p.batch) * t.shares
    per_share = -(-blocks // t.shares) * per_block
    waves = -(-shares // target.cube_cores)
    rows = group_size(p.m)
    cleared = sum(rows * group_size(x.width) * 4 for x in p.leaving if not x.over_rows)
    own = per_share + cleared / 2 / target.ub_store_rate
    again = shares * cleared * 2 / target.hbm_bandwidth * target.clock if t.shares > 1 else 0
    shared = group_size(p.batch) * blocks * seen * (loaded + moved) * target.clock / target.l2_total
    return max(waves * own, shared) + again


def _products(m: int, n: int, k: int, element: int, target: Target) -> float:
    factor = target.mad_f32_factor if element == 4 else 1
    depth = -(-k * element // FRACTAL_BYTES)
    return factor * (m // FRACTAL) * -(-n // FRACTAL) * depth + target.mad_start
