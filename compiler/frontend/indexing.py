"""Importers of ops whose addresses are data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import Value
from .elementwise import boolean_kind
from .patterns import update_kind
from .scope import Importer, Scope


def dynamic_slice(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import dynamic_slice."""
    return [scope.emit(ops.DynamicSlice(scope.operands(op), scope.integers(op, "slice_sizes")), scope.result_type(op))]


def dynamic_update_slice(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import dynamic_update_slice."""
    return [scope.emit(ops.DynamicUpdateSlice(scope.operands(op)), scope.result_type(op))]


def gather(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import gather."""
    x, indices = scope.operands(op)
    return [gather_of(scope, op, x, indices, scope.integers(op, "slice_sizes"))]


def gather_of(scope: Scope, op: ir.OpView, x: Value, indices: Value, sizes: tuple[int, ...] | None) -> Value:
    """Emit the gather that the attributes of `op` say; without slice sizes, those that its result has."""
    numbers: Any = stablehlo.GatherDimensionNumbers(op.attributes["dimension_numbers"])
    offsets: tuple[int, ...] = tuple(numbers.offset_dims)
    type = scope.result_type(op)
    dropped = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    if sizes is None:
        kept = iter(offsets)
        sizes = tuple(1 if d in dropped else type.shape[next(kept)] for d in range(x.type.rank))
    op_of = ops.Gather(
        [x, indices],
        offsets,
        tuple(numbers.collapsed_slice_dims),
        tuple(numbers.operand_batching_dims),
        tuple(numbers.start_indices_batching_dims),
        tuple(numbers.start_index_map),
        numbers.index_vector_dim,
        sizes,
        bool(scope.integer(op, "indices_are_sorted")),
    )
    return scope.emit(op_of, type)


def scatter(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import scatter of one tensor."""
    numbers: Any = stablehlo.ScatterDimensionNumbers(op.attributes["scatter_dimension_numbers"])
    operands, types = scope.operands(op), scope.result_types(op)
    if len(types) != 1:
        raise UnsupportedOp(f"expected an update of one tensor, got {len(types)}")
    body = scope.region(op.regions[0], "update")
    kind = boolean_kind(update_kind(body) or "", types[0].dtype)
    kinds = ("assign", "add") if types[0].dtype.kind == "c" else ops.SCATTER_KINDS
    known = kind in kinds
    return scope.emit_op(
        ops.Scatter(
            operands,
            kind if known else "general",
            tuple(numbers.update_window_dims),
            tuple(numbers.inserted_window_dims),
            tuple(numbers.input_batching_dims),
            tuple(numbers.scatter_indices_batching_dims),
            tuple(numbers.scattered_dims_to_operand_dims),
            numbers.index_vector_dim,
            bool(scope.integer(op, "indices_are_sorted")),
            bool(scope.integer(op, "unique_indices")),
            None if known else body,
        ),
        types,
    )


IMPORTERS: dict[str, Importer] = {
    "stablehlo.dynamic_slice": dynamic_slice,
    "stablehlo.dynamic_update_slice": dynamic_update_slice,
    "stablehlo.gather": gather,
    "stablehlo.scatter": scatter,
}
