"""How rows are sorted on a vector core: what fits, in tiles of how many rows, in how many pieces.

A row's pairs of key and column are merged from one buffer of UB to another, with what becomes a key beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..isa.dtypes import DType
from ..isa.machine import CLASSES
from ..targets import Target

RUN = 32  # columns that tsort32 sorts
_PAIR = 8
_ROW_KEYS = {
    **dict.fromkeys((DType.f32, DType.f16, DType.bf16, DType.i1, DType.i8, DType.u8, DType.i16, DType.u16), 1),
    **dict.fromkeys((DType.i32, DType.u32), 2),
}
"""In how many f32 keys the elements of a type are ordered."""


def key_passes(dtype: DType) -> int:
    """Return how many times rows are sorted for a key of this type; 0 where the vector unit cannot."""
    return _ROW_KEYS.get(dtype, 0)


def most_columns(types: Sequence[DType], keys: Sequence[DType], target: Target) -> int:
    """Return how long rows may be that are sorted whole, by keys of these types; 0 if the vector unit cannot."""
    if not all(key_passes(t) for t in keys) or not all(t in CLASSES["all"] for t in types):
        return 0
    return target.ub_bytes // _bytes_per_column(types) // RUN * RUN


def _bytes_per_column(types: Sequence[DType]) -> int:
    """Two buffers of pairs, the key and the column before and after, what is gathered, and every operand."""
    return 2 * _PAIR + 3 * 4 + max(t.bytes for t in types) + sum(t.bytes for t in types)


@dataclass(frozen=True)
class TopKPlan:
    """Rows are taken `chunk` columns at a time, of which the first k go on."""

    chunk: int
    rows: int  # most of them in a tile


def plan_top_k(dtype: DType, columns: int, k: int, target: Target) -> TopKPlan | None:
    """Return how the k largest of rows are found; None if the vector unit cannot."""
    if key_passes(dtype) != 1 or not 0 < k <= columns:
        return None
    per_column = 2 * _PAIR + 3 * 4 + dtype.bytes
    best = padded(k) * (4 * _PAIR + 2 * 4 + dtype.bytes)  # so far, with those of a piece; merged; as results
    most = (target.ub_bytes - best) // per_column // RUN * RUN
    if columns <= most:
        return TopKPlan(columns, max(target.ub_bytes // (padded(columns) * per_column + best), 1))
    if most < max(2 * k, RUN):
        return None
    pieces = -(-columns // most)
    return TopKPlan(padded(-(-columns // pieces)), 1)


def padded(columns: int) -> int:
    """Return how many columns a tile has room for, so that rows of every type start at a block of UB."""
    return -(-columns // RUN) * RUN
