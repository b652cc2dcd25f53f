"""Apply a scalar region to whole tensors: the body of a reduction or of `map` becomes elementwise ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import UnsupportedOp
from . import ops
from .graph import Graph, Op, TensorType, Value

Emit = Callable[[Op, TensorType], Value]
_ELEMENTWISE = (ops.Unary, ops.Binary, ops.Compare, ops.Select, ops.Convert, ops.BitcastConvert, ops.ReducePrecision)


def apply_elementwise(emit: Emit, body: Graph, operands: Sequence[Value], shape: tuple[int, ...]) -> list[Value]:
    """Emit `body` (scalar arguments and ops) on operands of this shape; return its results, of this shape.

    Scalars of the graphs around the body are broadcast. Raises UnsupportedOp for a body that holds anything but
    elementwise ops and constants.
    """
    values: dict[Value, Value] = dict(zip(body.arguments, operands))

    def use(value: Value) -> Value:
        if value not in values:
            op = ops.BroadcastInDim([value], ())
            values[value] = emit(op, TensorType(shape, value.dtype)) if shape else value
        return values[value]

    for op in body.ops:
        type = TensorType(shape, op.result.dtype)
        if isinstance(op, ops.Constant):
            values[op.result] = emit(ops.Constant([], np.broadcast_to(op.value.reshape(()), shape)), type)
        elif isinstance(op, (ops.Reshape, ops.BroadcastInDim)) and not op.result.shape:
            values[op.result] = use(op.operands[0])
        elif isinstance(op, ops.Call):
            values.update(zip(op.results, apply_elementwise(emit, op.callee, [use(v) for v in op.operands], shape)))
        elif isinstance(op, _ELEMENTWISE) and not op.result.shape:
            values[op.result] = emit(op.clone([use(v) for v in op.operands]), type)
        else:
            raise UnsupportedOp(f"{op.name} at {op.loc or 'unknown'} in a {body.name} body; expected elementwise ops")
    return [use(r) for r in body.results]
