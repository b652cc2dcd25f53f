"""What CANN too gives to the AICPU: linear algebra, Fourier transforms, and sorts where the vector unit's instructions do not apply."""

from __future__ import annotations

from ...graph.ops import AicpuKernel, Sort, TopK
from ...isa.stream import AICPU_BY_NAME
from ...targets import Target
from ..steps import AicpuLaunch, Step


def lower_kernel(op: AicpuKernel, target: Target) -> list[Step]:
    """Return the AICPU launch of a kernel, which works in an operand's storage where nobody else reads it."""
    slots, values = AICPU_BY_NAME[op.kernel].slots, [*op.results, *op.operands]
    named = {slot.name: value for slot, value in zip(slots, values, strict=True)}
    over = tuple((named[s.name], named[s.over]) for s in slots if s.over)
    return [AicpuLaunch(op.kernel, values, dict(op.parameters), list(op.results), over)]


def lower_sort(op: Sort, target: Target) -> list[Step]:
    """Return the AICPU launch of a sort."""
    parameters = {
        "shape": list(op.operands[0].shape),
        "dimension": op.dimension,
        "stable": op.stable,
        "dtypes": [v.dtype for v in op.operands],
        "keys": [operand for operand, _ in op.keys],
        "descending": [descending for _, descending in op.keys],
        "total_order": [False] * len(op.keys),
    }
    return [AicpuLaunch("sort", [*op.results, *op.operands], parameters, list(op.results))]


def lower_top_k(op: TopK, target: Target) -> list[Step]:
    """Return the AICPU launch of a top_k along the last dimension."""
    (x,) = op.operands
    rows = x.type.size // x.shape[-1] if x.shape[-1] else 0
    parameters = {"dtype": x.dtype, "rows": rows, "columns": x.shape[-1], "k": op.k, "largest": op.largest}
    return [AicpuLaunch("top_k", [*op.results, x], parameters, list(op.results))]
