"""Choose how an attention is cut: rows of a tile, keys of a block, and what of them is in L0 at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...isa.machine import FRACTAL, FRACTAL_BYTES
from ...targets import Target
from ...tiling.cube import round_up
from ..cube.groups import group_size, tile_group
from .problem import Q, Attention


@dataclass(frozen=True)
class AttentionTiles:
    """Rows of a tile and keys of a block; `keys` of the block at a time in L0C for scores of `depth` in L0; `over` keys at a
    time in L0 for results of `width`, which have `buffers` places in L0C; `chunk` scores at a time in UB.
    """

    rows: int
    block: int
    keys: int
    depth: int
    over: int
    width: int
    buffers: int
    chunk: int


def tile_choices(p: Attention, target: Target) -> Iterator[AttentionTiles]:
    """Yield the ways to cut a problem that cube memories hold, best first; UB is for packing to decide."""
    rows, columns = group_size(p.m), group_size(p.keys)
    depth, width = group_size(p.depth), group_size(p.width)
    a, w = p.buffers[Q].dtype.bytes, p.dtype.bytes
    found: list[tuple[float, AttentionTiles]] = []
    for m in (128, 64, 32, 16):
        if m > round_up(rows, FRACTAL) and m > FRACTAL:
            continue
        height = round_up(tile_group(p.m, m, 3).capacity, FRACTAL)
        for block in (512, 256, 128):
            block = min(block, round_up(columns, FRACTAL))
            for keys in (128, 64):
                keys = min(keys, block)
                for step in (128, 64):
                    tiles = _fit(m, height, block, keys, step, depth, width, a, w, target)
                    if tiles is not None:
                        found.append((_cycles(p, m, tiles, target), tiles))
    for _, tiles in sorted(found, key=lambda f: f[0])[:6]:
        for chunk in (8192, 4096, 2048, 1024, 512):
            yield AttentionTiles(**{**tiles.__dict__, "chunk": chunk})


def _fit(
    rows: int, height: int, block: int, keys: int, step: int, depth: int, width: int, a: int, w: int, target: Target
) -> AttentionTiles | None:
    unit = max(1, FRACTAL_BYTES // a)
    deep = round_up(depth, unit)
    step, over = min(step, deep), min(step, block)
    piece = min(round_up(width, FRACTAL), 128)
    if 2 * height * (step * a + over * w) > target.l0a_bytes or 2 * (step * keys * a + over * piece * w) > target.l0b_bytes:
        return None
    scores = 2 * height * keys * 4
    buffers = 2 if scores + 2 * height * piece * 4 <= target.l0c_bytes else 1
    if scores + buffers * height * piece * 4 > target.l0c_bytes:
        return None
    l1 = height * deep * a + 2 * deep * keys * a + height * block * w + 2 * over * piece * w
    if l1 > target.l1_bytes:
        return None
    return AttentionTiles(rows, block, keys, step, over, piece, buffers, 0)


def _cycles(p: Attention, rows: int, t: AttentionTiles, target: Target) -> float:
    """Estimate the cycles of the busiest core: per block of keys the slower of the cube core and the vector cores."""
    m = tile_group(p.m, rows, 3)
    tiles = group_size(p.batch) * m.steps
    waves = -(-tiles // target.cube_cores)
    columns, depth, width = group_size(p.keys), group_size(p.depth), group_size(p.width)
    blocks = -(-columns // t.block)
    height = round_up(m.capacity, FRACTAL)
    a = p.buffers[Q].dtype.bytes
    per_product = (FRACTAL_BYTES // a) / (target.mad_f32_factor if a == 4 else 1)
    products = (height // FRACTAL) * (t.block / FRACTAL) * (depth + width) / per_product
    drain = height * (target.fixp_row * -(-t.block // t.keys) + 4 * (t.block + width) / target.fixp_rate)
    load = t.block * (depth + width) * a / target.l2_rate + height * t.block * p.dtype.bytes / target.l2_rate
    cube = max(products, drain, load)
    work = sum(n.kind not in ("const", "load") for n in p.softmax.nodes) + 3
    lanes = target.vector_repeat_bytes / 4 * target.vector_issue
    half = -(-m.tile // 2) * m.inner_size
    chunks = max(1, half * t.block // 8192)
    vector = half * (t.block * work + 3 * width) / lanes + chunks * work * target.vector_start
    vector += half * t.block * (4 / target.ub_load_rate + p.dtype.bytes / target.ub_store_rate) / 2
    return waves * (blocks * max(cube, vector) + min(cube, vector) + 3000)
