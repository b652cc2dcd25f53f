"""Importers of constants and of ops that move elements."""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir

from ..graph import ops
from ..graph.graph import Value
from .constants import literal, literal_of_text
from .scope import Importer, Scope


def constant(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a literal of any element type."""
    type = scope.result_type(op)
    if type.dtype.kind == "c":  # jaxlib has no Python class for the attribute: read the printed op
        value = literal_of_text(str(op).split(".constant", 1)[1].lstrip(), type)
    else:
        value = literal(op.attributes["value"], type)
    return [scope.emit(ops.Constant([], value), type)]


def iota(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import iota."""
    return [scope.emit(ops.Iota([], scope.integer(op, "iota_dimension")), scope.result_type(op))]


def broadcast_in_dim(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a broadcast; decreasing dimensions become a transpose before it."""
    x, *_ = scope.operands(op)  # dynamic_broadcast_in_dim has the result's shape as another operand
    return [scope.broadcast(x, scope.result_type(op).shape, scope.integers(op, "broadcast_dimensions"))]


def broadcast(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a broadcast to new leading dimensions."""
    (x,), shape = scope.operands(op), scope.result_type(op).shape
    return [scope.broadcast(x, shape, tuple(range(len(shape) - x.type.rank, len(shape))))]


def reshape(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a reshape."""
    return [scope.reshape(scope.operands(op)[0], scope.result_type(op).shape)]


def transpose(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a transpose; the identity disappears."""
    (x,), permutation = scope.operands(op), scope.integers(op, "permutation")
    if permutation == tuple(range(x.type.rank)):
        return [x]
    return [scope.emit(ops.Transpose([x], permutation), scope.result_type(op))]


def slice_(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a strided slice."""
    (x,) = scope.operands(op)
    bounds = [scope.integers(op, name) for name in ("start_indices", "limit_indices", "strides")]
    return [scope.emit(ops.Slice([x], *bounds), scope.result_type(op))]


def pad(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import padding by a scalar."""
    names = ("edge_padding_low", "edge_padding_high", "interior_padding")
    amounts = [scope.integers(op, name) for name in names]
    return [scope.emit(ops.Pad(scope.operands(op), *amounts), scope.result_type(op))]


def concatenate(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a concatenation; one operand is passed through."""
    operands = scope.operands(op)
    if len(operands) == 1:
        return operands
    return [scope.emit(ops.Concatenate(operands, scope.integer(op, "dimension")), scope.result_type(op))]


def reverse(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a reversal."""
    (x,), dimensions = scope.operands(op), scope.integers(op, "dimensions")
    return [scope.emit(ops.Reverse([x], dimensions), x.type) if dimensions else x]


def get_dimension_size(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the size of a (static) dimension as a constant."""
    (x,) = scope.operands(op)
    return [scope.constant(x.shape[scope.integer(op, "dimension")], scope.result_type(op))]


def pass_through(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import an op that gives its operands unchanged."""
    return scope.operands(op)


def token(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a token as a constant: what has an effect keeps the order of the program anyway."""
    return [scope.constant(False, scope.module.type(r.type)) for r in op.results]


IMPORTERS: dict[str, Importer] = {
    "sdy.constant": constant,  # what Shardy makes of the one of StableHLO
    "stablehlo.after_all": token,
    "stablehlo.broadcast": broadcast,
    "stablehlo.broadcast_in_dim": broadcast_in_dim,
    "stablehlo.concatenate": concatenate,
    "stablehlo.constant": constant,
    "stablehlo.create_token": token,
    "stablehlo.get_dimension_size": get_dimension_size,
    "stablehlo.iota": iota,
    "stablehlo.pad": pad,
    "stablehlo.reshape": reshape,
    "stablehlo.reverse": reverse,
    "stablehlo.slice": slice_,
    "stablehlo.transpose": transpose,
}
