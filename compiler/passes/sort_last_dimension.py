"""Sorts that the vector unit can do go along the last dimension, between transpositions.

%r = sort(%x[64,8]) dimension=0    ->    %t = transpose(%x)   %s = sort(%t) dimension=1   %r = transpose(%s)
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.ops import Sort
from ..graph.rewrite import rewrite
from ..targets import Target
from ..tiling.sorting import most_columns


def sort_last_dimension(module: Module, target: object) -> None:
    """Rewrite every Sort along another dimension whose rows fit the vector unit, in place."""
    device = target if isinstance(target, Target) else Target()
    rewrite(module.main, lambda op, b: _moved(op, b, device))


def _moved(op: Op, b: Builder, target: Target) -> list[Value] | None:
    if not isinstance(op, Sort):
        return None
    shape, d = op.operands[0].shape, op.dimension
    types = [v.dtype for v in op.operands]
    most = most_columns(types, [types[k] for k, _ in op.keys], target)
    if d == len(shape) - 1 or not 0 < shape[d] <= most or 0 in shape:
        return None
    to_last = [*(i for i in range(len(shape)) if i != d), d]
    back = [to_last.index(i) for i in range(len(shape))]
    moved = [b.transpose(x, to_last) for x in op.operands]
    results = b.emit_op(Sort(moved, len(shape) - 1, op.stable, op.keys), [v.type for v in moved])
    return [b.transpose(r, back) for r in results]
