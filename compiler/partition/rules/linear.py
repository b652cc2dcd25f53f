"""Ops that do to a sum what they do to each of its terms."""

from __future__ import annotations

from ...graph import ops
from ...graph.graph import Op


def is_linear(op: Op) -> bool:
    """Whether an op of a sum is the sum of the op of each term; of several operands, term by term."""
    match op:
        case ops.Binary():
            return op.kind in ("add", "sub") and op.result.dtype.kind in "iufc"
        case ops.Unary():
            return op.kind in ("neg", "real", "imag")
        case ops.Reduce():
            return op.kind == "add"
        case ops.BroadcastInDim() | ops.Concatenate() | ops.Reshape() | ops.Reverse() | ops.Slice() | ops.Transpose():
            return True
        case _:
            return False
