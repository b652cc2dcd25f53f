"""Choose how an attention is cut: rows of a tile, keys of a block, and what of them is in L0 at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...isa.machine import FRACTAL, FRACTAL_BYTES
from ...isa.model import instruction_set
from ...targets import Target
from ...tiling.cube import round_up
from ..cube.groups import group_size, tile_group
from ..vector.nodes import Node
from ..vector.select_instruction import BINARY, UNARY
from .problem import Attention
from .softmax import Softmax

_ROWS = (128, 112, 96, 80, 64, 48, 32, 16)
_BLOCKS = (1024, 512, 256, 128)  # keys
_KEYS = (256, 128, 64)
_STEP = 128  # bytes of what is summed up by a tmatmul
_WIDTH = 128  # of the result at a time in L0C
_CHUNKS = (8192, 4096, 2048, 1024, 512)  # scores: as many as fit UB, for fewest instructions
_TRIED = 8  # of the best


@dataclass(frozen=True)
class AttentionTiles:
    """Rows of a tile and keys of a block; `keys` of the block at a time in L0C for scores of `depth` in L0; `over` keys at a
    time in L0 for results of `width`; these have `scores` and `buffers` places in L0C; `chunk` scores at a time in UB.
    """

    rows: int
    block: int
    keys: int
    depth: int
    over: int
    width: int
    scores: int
    buffers: int
    chunk: int


def tile_choices(p: Attention, target: Target) -> Iterator[AttentionTiles]:
    """Yield ways to cut a problem that the cube core's memories hold, best first; UB is for packing to decide."""
    rows, columns = group_size(p.m), round_up(group_size(p.keys), FRACTAL)
    found: dict[AttentionTiles, float] = {}
    for m in _ROWS:
        if m > round_up(rows, FRACTAL):
            continue
        for block in sorted({min(b, columns) for b in _BLOCKS}):
            for keys in sorted({min(k, block) for k in _KEYS}):
                tiles = _fit(p, m, block, keys, target)
                if tiles is not None:
                    found[tiles] = _cycles(p, tiles, target)
    for tiles in sorted(found, key=found.__getitem__)[:_TRIED]:
        for chunk in _CHUNKS:
            yield replace(tiles, chunk=chunk)


def _fit(p: Attention, rows: int, block: int, keys: int, target: Target) -> AttentionTiles | None:
    """Return tiles of these sizes with double-buffered operands, or None where they do not fit."""
    a, w = p.asked.bytes, p.dtype.bytes
    unit = max(1, FRACTAL_BYTES // a)
    height = round_up(tile_group(p.m, rows, 3).capacity, FRACTAL)
    deeps = [round_up(part.size, unit) for part in p.parts]
    deep, width = sum(deeps), round_up(group_size(p.width), FRACTAL)
    step, over, piece = min(_STEP // a, max(deeps)), min(_STEP // w, block), min(width, _WIDTH)
    one, other = height * keys * 4, height * piece * 4
    places = [(i, j) for i, j in ((2, 2), (2, 1), (1, 1)) if i * one + j * other <= target.l0c_bytes]
    if not places or 2 * height * (step * a + over * w) > target.l0a_bytes:
        return None
    if 2 * (step * keys * a + over * piece * w) > target.l0b_bytes:
        return None
    if height * deep * a + 2 * deep * keys * a + height * block * w + 2 * over * piece * w > target.l1_bytes:
        return None
    return AttentionTiles(rows, block, keys, step, over, piece, *places[0], 0)


def _cycles(p: Attention, t: AttentionTiles, target: Target) -> float:
    """Estimate the cycles of a launch: of the busiest core, or of all transfers through the L2."""
    m = tile_group(p.m, t.rows, 3)
    height, keys = round_up(m.capacity, FRACTAL), group_size(p.keys)
    depth, width = p.depth, group_size(p.width)
    a, w, head = p.asked.bytes, p.dtype.bytes, p.head.dtype.bytes
    tiles = group_size(p.batch) * m.steps
    blocks = -(-keys // t.block)
    if p.visibility and p.visibility.last:
        blocks = (blocks + 1) / 2
    multiplied = (FRACTAL_BYTES // a) / (target.mad_f32_factor if a == 4 else 1)
    per_column = (height // FRACTAL) * (t.block / FRACTAL) / multiplied
    drain = -(-t.block // t.keys) * (
        target.fixp_start + height * max(target.fixp_row, head * t.keys / target.fixp_rate)
    )
    drain_out = -(-width // t.width) * target.fixp_start
    drain_out += height * max(target.fixp_row, 4 * width / target.fixp_rate)
    # With one place in L0C the cube unit and FIXP take turns.
    scores = max(per_column * depth, drain) if t.scores > 1 else per_column * depth + drain
    loaded = t.block * (depth * a + width * w) + height * t.block * w
    cube = max(scores + per_column * width + drain_out, loaded / target.l2_rate)
    lanes = target.vector_repeat_bytes / 4 * target.vector_issue
    half = -(-m.tile // 2) * m.inner_size
    plain = p.visibility.unmasked if p.visibility and p.visibility.unmasked else p.softmax
    chunks = -(-half * t.block // _CHUNKS[0])

    def vector(softmax: Softmax) -> float:
        costs = [c for n in softmax.nodes if (c := node_cycles(n))]
        return half * t.block * sum(costs) / lanes + chunks * (len(costs) + 7) * target.vector_start

    add = half * width * 4 / lanes + chunks * 2 * target.vector_start
    busy = blocks * max(cube, vector(plain) + add) + vector(p.softmax) - vector(plain)
    waves = -(-tiles // target.cube_cores)
    moved = loaded + height * t.block * (2 * head + w) + height * width * 8
    shared = tiles * blocks * moved * target.clock / target.l2_total
    return max(waves * busy, shared) + cube + vector(plain) + 4 * target.vector_start


def node_cycles(node: Node) -> float:
    """Return the cycles per repeat of a node's instruction."""
    if node.kind in ("const", "load", "iota", "bits"):
        return 0
    name = getattr(node.op, "kind", "")
    if node.kind == "reduce":
        spec = instruction_set()["trowsum"]
    elif node.kind == "cvt":
        spec = instruction_set()["tcvt"]
    else:
        spec = instruction_set().get(
            UNARY.get(name) or BINARY.get(name) or {"select": "tsel"}.get(node.op.name if node.op else "", "tcmp")
        )
    return spec.cost.cycles if spec else 2
