"""Sort and top_k, which CANN too gives to the AICPU where the vector unit's sort instructions do not apply."""

from __future__ import annotations

from ...ir.ops import Sort, TopK
from ...ir.schedule import AicpuLaunch, Step
from ...targets import Target


class UnsupportedSort(NotImplementedError):
    """A sort by a comparator that is no lexicographic order of its operands."""


def lower_sort(op: Sort, target: Target) -> list[Step]:
    """Return the AICPU launch of a sort by recognised keys."""
    if not op.keys:
        raise UnsupportedSort(
            f"[sort at {op.loc or 'unknown'}] sorts by a comparator that is not an order of its operands; expected compare "
            "LT or GT of one or several of them. Sort by such a key."
        )
    shape = op.operands[0].shape
    ints = [len(op.operands), len(shape), *shape, op.dimension, int(op.stable), *(v.dtype.code for v in op.operands)]
    ints.append(len(op.keys))
    for operand, descending in op.keys:
        ints += (operand, int(descending), 0)
    return [AicpuLaunch("sort", [*op.results, *op.operands], ints, list(op.results))]


def lower_top_k(op: TopK, target: Target) -> list[Step]:
    """Return the AICPU launch of a top_k along the last dimension."""
    (x,) = op.operands
    rows = x.type.size // x.shape[-1] if x.shape[-1] else 0
    ints = [x.dtype.code, rows, x.shape[-1], op.k, int(op.largest)]
    return [AicpuLaunch("top_k", [*op.results, x], ints, list(op.results))]
