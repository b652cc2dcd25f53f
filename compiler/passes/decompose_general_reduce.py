"""Reductions by any associative, commutative body: combine the two halves until one element is left.

%r = general_reduce(%x, %init) { body }  over 8 elements
->
%4 = body(%x[:4], %x[4:])   %2 = body(%4[:2], %4[2:])   %1 = body(%2[:1], %2[1:])   %r = body(%init, %1)
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.ops import GeneralReduce
from ..graph.rewrite import rewrite
from ..graph.vectorize import apply_elementwise


def decompose_general_reduce(module: Module, target: object) -> None:
    """Replace every GeneralReduce, in place. Raises UnsupportedOpsError for bodies that are not elementwise."""
    rewrite(module.main, _decompose)


def _decompose(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, GeneralReduce):
        return None
    n = len(op.results)
    xs, inits = op.operands[:n], op.operands[n:]
    out = op.results[0].shape
    starts = [b.broadcast(init, out) for init in inits]
    if any(xs[0].shape[d] == 0 for d in op.dimensions):
        return starts
    for d in op.dimensions:
        while (size := xs[0].shape[d]) > 1:
            half = size // 2
            left = [b.slice_dim(x, d, 0, half) for x in xs]
            right = [b.slice_dim(x, d, half, 2 * half) for x in xs]
            both = apply_elementwise(b, op.body, [*left, *right], left[0].shape)
            if size % 2:
                both = [b.concatenate([y, b.slice_dim(x, d, size - 1, size)], d) for x, y in zip(xs, both)]
            xs = both
    return apply_elementwise(b, op.body, [*starts, *(b.reshape(x, out) for x in xs)], out)
