"""Importers of reductions and windows. Bodies are recognised by `patterns`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxlib.mlir import ir

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.builder import splat_element
from ..graph.graph import TensorType, Value
from ..graph.identities import identity_element
from .elementwise import boolean_kind
from .patterns import arg_reduction, reduction_kind
from .scope import Importer, Scope


def reduce(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a reduction as Reduce, ArgReduce (with Reduce for the value) or GeneralReduce."""
    operands, types = scope.operands(op), scope.result_types(op)
    dimensions = tuple(sorted(scope.integers(op, "dimensions")))
    n = len(types)
    body = scope.region(op.regions[0], "reducer")
    kind = reduction_kind(body)
    if kind is not None:
        x, init = operands
        return [_with_init(scope, ops.Reduce([x], boolean_kind(kind, x.dtype), dimensions), init, types[0])]
    kind = arg_reduction(body)
    if kind is not None and len(dimensions) == 1 and _counts_along(operands[1], dimensions[0]):
        (x, _, init, first), (d,) = operands, dimensions
        extreme = kind[3:]
        neutral = splat_element(init), splat_element(first)
        if neutral[1] == 0 and neutral[0] is not None and _is_identity(neutral[0], extreme, x):
            value = scope.emit(ops.Reduce([x], boolean_kind(extreme, x.dtype), dimensions), types[0])
            return [value, scope.emit(ops.ArgReduce([x], kind, d), types[1])]
    if n == 1 and body.results[0] in body.arguments and body.results[0].index == 1 and operands[0].type.size:
        raise UnsupportedOp("a reducer that keeps the last element")
    return scope.emit_op(ops.GeneralReduce(operands, body, dimensions), types)


def _with_init(scope: Scope, op: ops.Reduce | ops.ReduceWindow, init: Value, type: TensorType) -> Value:
    result = scope.emit(op, type)
    element = splat_element(init)
    if element is not None and _is_identity(element, op.kind, init):
        return result
    return scope.binary(op.kind, result, scope.broadcast(init, type.shape))


def _is_identity(element: np.generic, kind: str, like: Value) -> bool:
    neutral = identity_element(kind, like.dtype)
    return bool(element == neutral)  # -0.0 counts as 0.0


def _counts_along(value: Value, dimension: int) -> bool:
    """Whether a value is 0, 1, 2, ... along a dimension."""
    op = value.producer
    if isinstance(op, ops.Iota):
        return op.dimension == dimension
    if isinstance(op, ops.BroadcastInDim) and dimension in op.dimensions:
        inner = op.dimensions.index(dimension)
        return op.operands[0].shape[inner] == value.shape[dimension] and _counts_along(op.operands[0], inner)
    return False


def _window(scope: Scope, op: ir.OpView, rank: int) -> dict[str, tuple[int, ...]]:
    padding = scope.integers(op, "padding", (0,) * 2 * rank)
    return {
        "window": scope.integers(op, "window_dimensions", (1,) * rank),
        "stride": scope.integers(op, "window_strides", (1,) * rank),
        "low": padding[0::2],
        "high": padding[1::2],
    }


def reduce_window(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a windowed reduction; an initial value that is not neutral is combined once more per window."""
    operands, types = scope.operands(op), scope.result_types(op)
    rank = operands[0].type.rank
    body = scope.region(op.regions[0], "reducer")
    kind = reduction_kind(body)
    attributes: dict[str, Any] = {
        **_window(scope, op, rank),
        "base_dilation": scope.integers(op, "base_dilations", (1,) * rank),
        "window_dilation": scope.integers(op, "window_dilations", (1,) * rank),
    }
    if kind is not None and len(types) == 1:
        kind = boolean_kind(kind, types[0].dtype)
        element = splat_element(operands[1])
        if element is not None and _is_identity(element, kind, operands[1]):
            return [scope.emit(ops.ReduceWindow(operands, kind, **attributes), types[0])]
    return scope.emit_op(ops.ReduceWindow(operands, "general", **attributes, body=body), types)


def select_and_scatter(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import select_and_scatter."""
    operands, type = scope.operands(op), scope.result_type(op)
    select, body = scope.region(op.regions[0], "select"), scope.region(op.regions[1], "scatter")
    window: dict[str, Any] = {**_window(scope, op, operands[0].type.rank)}
    kind = reduction_kind(body)
    if kind is None:
        return [scope.emit(ops.SelectAndScatter(operands, select, "general", **window, body=body), type)]
    return [scope.emit(ops.SelectAndScatter(operands, select, boolean_kind(kind, type.dtype), **window), type)]


IMPORTERS: dict[str, Importer] = {
    "stablehlo.reduce": reduce,
    "stablehlo.reduce_window": reduce_window,
    "stablehlo.select_and_scatter": select_and_scatter,
}
