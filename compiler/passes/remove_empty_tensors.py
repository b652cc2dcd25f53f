"""Compute nothing on tensors without elements: their ops become empty literals, reductions over nothing neutral ones.

%1: f32[3,0] = exp(%0)           ->   %1: f32[3,0] = constant
%2: f32[3] = reduce(%1) kind=max ->   %2: f32[3] = constant splat(-inf)
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.identities import identity_element
from ..graph.module import Module
from ..graph.rewrite import rewrite


def remove_empty_tensors(module: Module, target: object) -> None:
    """Replace every op on empty tensors, in place."""
    rewrite(module.main, _remove)


def _remove(op: Op, b: Builder) -> Sequence[Value] | None:
    if isinstance(op, (ops.While, ops.Case, ops.Constant)) or op.has_effect or not op.results:
        return None
    sizes = [r.type.size for r in op.results]
    if not any(sizes):
        return [b.constant(0, r.type) for r in op.results]
    if isinstance(op, ops.HostCall) or all(v.type.size for v in op.operands):
        return None
    if isinstance(op, ops.Reduce):
        return [b.constant(identity_element(op.kind, op.result.dtype), op.result.type)]
    if isinstance(op, (ops.Dot, ops.Convolution)):
        return [b.constant(0, op.result.type)]
    if isinstance(op, (ops.ScatterSlices, ops.Scatter)) and not op.operands[-1].type.size:
        return op.operands[: len(op.results)]
    return None
