"""Ops that do to a sum what they do to each of its terms."""

from __future__ import annotations

from ...graph import ops
from ...graph.graph import Op
from ...isa.dtypes import DType


def linear_operands(op: Op) -> int:
    """Return how many operands, the first ones, may be terms of sums together, so that the result is one of theirs; or 0."""
    match op:
        case ops.Binary():
            return 2 if op.kind in ("add", "sub") and op.result.dtype.kind in "iufc" else 0
        case ops.Unary():
            return int(op.kind in ("neg", "real", "imag"))
        case ops.Reduce():
            return int(op.kind == "add")
        case ops.Convert():
            return int(_keeps_values(op.operands[0].dtype, op.result.dtype))
        case ops.BroadcastInDim() | ops.DynamicSlice() | ops.Reshape() | ops.Reverse() | ops.Slice() | ops.Transpose():
            return 1
        case ops.DynamicUpdateSlice():
            return 2
        case ops.Concatenate():
            return len(op.operands)
        case _:
            return 0


def _keeps_values(source: DType, target: DType) -> bool:
    """Whether a conversion is one of floats to floats with more bits."""
    return source.is_float and target.is_float and target.bits > source.bits
