"""Choose the tile of a matrix product: how much of M, N and K each level of the cube core's memories holds.

A closed-form model of one wave over the cube cores (the slowest pipe of a tile, times waves, or the shared L2 or HBM if
those are slower) is evaluated for every candidate. Among those nearly as fast as the fastest, the one that moves the
fewest bytes wins: it leaves most of L2 to others, and packs least where the device is emulated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

from ..isa.machine import FRACTAL, FRACTAL_BYTES
from ..targets import Target, TargetError

_NEARLY = 1.06  # a candidate this close to the fastest, launch included, may win by moving less
_SHARED_WORK = 1 << 20  # multiply-accumulates beyond which a product is spread over at least _BLOCKS tiles
_BLOCKS = 4
_STEP = 64  # K of a tmatmul at least: its start-up and its passes over L0C are spread over these
_EXTENTS = (16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256)
_VECTOR_LANES = 128  # of f32, that both vector cores take in a cycle at best
_PANEL = 256  # K of an L1 panel at most: long enough to amortise a move, short enough to overlap


@dataclass(frozen=True)
class GemmTiles:
    """Tile sizes: m x n of the result in L0C (in `parts` equal pieces along m), k `panel` in L1 and `step` in L0."""

    m: int
    n: int
    parts: int
    panel: int
    step: int
    group: int  # rows of tiles that consecutive blocks go down before they go right (L2 reuse)


def round_up(value: int, unit: int) -> int:
    """Round up to a multiple of `unit`."""
    return -(-value // unit) * unit


def k_sizes(m: int, n: int, k: int, parts: int, element: int, l1_bytes: int, target: Target) -> tuple[int, int]:
    """Return (panel, step): double buffered, the operands of an m x n tile, in parts along m, fit L1 and L0A, L0B.

    Both are 0 where they do not fit.
    """
    unit = max(1, FRACTAL_BYTES // element)
    room = min(target.l0a_bytes // (2 * m * element), target.l0b_bytes // (2 * parts * n * element), _PANEL)
    step = min(room // unit * unit, round_up(k, unit))
    longest = min(l1_bytes // (2 * (m + n) * element), _PANEL)
    if min(step, longest) < 1:
        return 0, 0
    panels = -(-k // longest)
    panel = min(round_up(-(-k // panels), step), max(longest // step, 1) * step)
    return panel, step


@dataclass(frozen=True)
class Product:
    """What is tiled: `batch` products of m x k by k x n; sizes of operand, accumulator and result elements in bytes.

    vector_work: instructions by which the vector cores finish each element; operand_work: by which they make each element of
    the right operand, for every tile.
    """

    batch: int
    m: int
    n: int
    k: int
    element: int
    accumulator: int
    result: int
    vector_work: int = 0
    operand_work: int = 0

    def tiles(self, m: int, n: int) -> int:
        """Return how many tiles of m x n cover the results."""
        return self.batch * -(-self.m // m) * -(-self.n // n)


def tile_seconds(p: Product, m: int, n: int, parts: int, step: int, target: Target) -> float:
    """Estimate a product in tiles of m x n, in parts along m, with `step` of k in L0."""
    tiles = p.tiles(m, n)
    waves = -(-tiles // target.cube_cores)
    depth = -(-p.k * p.element // FRACTAL_BYTES)
    factor = target.mad_f32_factor if p.element == 4 else 1
    cube = factor * (m // FRACTAL) * (n // FRACTAL) * depth + target.mad_start * parts * -(-p.k // step)
    bytes_m, bytes_n = m * p.k * p.element, n * p.k * p.element
    load = (bytes_m + bytes_n) / target.l2_rate
    extract = bytes_m / target.l0a_rate + parts * bytes_n / target.l0b_rate
    drain = target.fixp_start + m * max(target.fixp_row, p.result * n / target.fixp_rate)
    vector = (p.vector_work * m + p.operand_work * p.k) * n / _VECTOR_LANES
    first = load * min(1, _PANEL / p.k)
    last = p.vector_work * m * n / _VECTOR_LANES
    core = waves * max(cube, load, extract, drain, vector) + first + drain + last
    shared = tiles * (bytes_m + bytes_n) * target.clock / target.l2_total
    unique = p.batch * ((p.m + p.n) * p.k * p.element + p.m * p.n * p.result)
    hbm = unique * target.clock / (target.hbm_bandwidth * target.hbm_mixed_efficiency)
    return max(core, shared, hbm) / target.clock


def _extents(size: int, largest: int) -> list[int]:
    """Return the tile sizes to try along a dimension."""
    exact = {round_up(-(-size // pieces), FRACTAL) for pieces in (1, 2, 3)}
    return sorted(e for e in {*_EXTENTS, *exact} if e <= largest and e < size + FRACTAL)


@lru_cache(maxsize=1024)
def choose_tiles(p: Product, target: Target, spare: int = 0, most_parts: int = 2, widest: int = 512) -> GemmTiles:
    """Choose the tiles of a product, at most `widest` along n, leaving `spare` bytes of L1 free."""
    candidates: list[tuple[float, int, GemmTiles]] = []
    wanted = _BLOCKS if p.batch * p.m * p.n * p.k > _SHARED_WORK else 1
    launch = target.launch_dispatch
    for m in _extents(p.m, 256):
        for n in _extents(p.n, min(widest, 256 if m > 32 else 512)):
            area = m * n * p.accumulator
            parts = 1 if 2 * area <= target.l0c_bytes else 2
            if area > target.l0c_bytes or parts > most_parts or (parts == 2 and m % (2 * FRACTAL)):
                continue
            panel, step = k_sizes(m, n, p.k, parts, p.element, target.l1_bytes - spare, target)
            if step < min(p.k, _STEP) or (p.operand_work and m < p.m):  # an operand is made for one tile of rows
                continue
            seconds = launch + tile_seconds(p, m, n, parts, step, target)
            tiles = p.tiles(m, n)
            if tiles < wanted:
                seconds *= 1 + wanted / tiles
            # A wave of `cores` tiles reads fewest bytes as a square of elements.
            group = max(1, min(-(-p.m // m), isqrt(target.cube_cores * n // m)))
            candidates.append((seconds, tiles * (m + n), GemmTiles(m, n, parts, panel, step, group)))
    if not candidates:
        raise TargetError(
            f"[tiling] no tile of a product of {p.m} x {p.k} by {p.k} x {p.n} fits {target.name}; expected L1, L0A, L0B and "
            f"L0C to hold twice the operands of 16 x 16 results over {_STEP} of K. Make them larger."
        )
    fastest = min(candidates, key=lambda c: c[0])[0]
    return min((c for c in candidates if c[0] <= fastest * _NEARLY), key=lambda c: c[1:2] + c[:1])[2]
