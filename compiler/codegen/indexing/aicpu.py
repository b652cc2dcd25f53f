"""Sort and top_k, which CANN too gives to the AICPU where the vector unit's sort instructions do not apply."""

from __future__ import annotations

from ...graph.ops import Sort, TopK
from ...targets import Target
from ..steps import AicpuLaunch, Step


def lower_sort(op: Sort, target: Target) -> list[Step]:
    """Return the AICPU launch of a sort."""
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
