"""Exact local simplifications, op by op: identities, compositions of layout ops, splat constants.

    reshape(reshape(%x))               ->  reshape(%x)
    broadcast_in_dim(constant 1.0)     ->  constant 1.0 of the larger shape (still one element of storage)
    max(%x, -inf), mul(%x, 1)          ->  %x
    exp(reshape(%x): [n,1])            ->  reshape(exp(%x)): [n,1]
    dot(transpose(%x), %y)             ->  dot(%x, %y) with other dimension numbers
    convolution(%x, reverse(%k))       ->  convolution(%x, %k) with a reversed window

Nothing here changes a bit of any result, NaN payloads aside. The rules of each family are in simplify_*.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.rewrite import rewrite
from .simplify_contraction import simplify_convolution, simplify_dot
from .simplify_elementwise import (
    ELEMENTWISE,
    drop_unit_dimensions,
    simplify_binary,
    simplify_compare,
    simplify_convert,
    simplify_select,
    simplify_unary,
)
from .simplify_shape import (
    simplify_broadcast,
    simplify_concatenate,
    simplify_dynamic_slice,
    simplify_dynamic_update_slice,
    simplify_pad,
    simplify_reduce,
    simplify_reshape,
    simplify_reverse,
    simplify_slice,
    simplify_transpose,
)

_RULES: dict[type[Op], Callable[[Any, Builder], Value | None]] = {
    ops.Binary: simplify_binary,
    ops.BroadcastInDim: simplify_broadcast,
    ops.Compare: simplify_compare,
    ops.Concatenate: simplify_concatenate,
    ops.Convolution: simplify_convolution,
    ops.Convert: simplify_convert,
    ops.Dot: simplify_dot,
    ops.DynamicSlice: simplify_dynamic_slice,
    ops.DynamicUpdateSlice: simplify_dynamic_update_slice,
    ops.Pad: simplify_pad,
    ops.Reduce: simplify_reduce,
    ops.Reshape: simplify_reshape,
    ops.Reverse: simplify_reverse,
    ops.Select: simplify_select,
    ops.Slice: simplify_slice,
    ops.Transpose: simplify_transpose,
    ops.Unary: simplify_unary,
}


def simplify(module: Module, target: object) -> None:
    """Apply the rules to every op of the module once, operands first, in place."""
    rewrite(module.main, _simplify)


def _simplify(op: Op, b: Builder) -> list[Value] | None:
    rule = _RULES.get(type(op))
    if rule is None:
        return None
    new = rule(op, b)
    if new is None and type(op) in ELEMENTWISE:
        new = drop_unit_dimensions(op, b)
    if new is None:
        return None
    # What a rule made may be simple in turn: an op it just appended is offered to the rules again.
    while b.ops and new.producer is b.ops[-1] and new.producer is not op:
        made = b.ops.pop()
        rule = _RULES.get(type(made))
        better = rule(made, b) if rule else None
        if better is None:
            b.ops.append(made)
            break
        new = better
    return [new]
