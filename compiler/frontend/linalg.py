"""Importers of contractions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlib.mlir import ir
from jaxlib.mlir.dialects import stablehlo

from ..graph import ops
from ..graph.graph import Value
from .scope import Importer, Scope

_PRECISIONS = ("DEFAULT", "HIGH", "HIGHEST")


def precision(op: ir.OpView) -> str:
    """Return the higher of the operands' precisions."""
    attributes: Any = op.attributes
    if "precision_config" not in attributes:
        return "DEFAULT"
    return max(
        (stablehlo.PrecisionAttr(p).value for p in attributes["precision_config"]),
        key=_PRECISIONS.index,
        default="DEFAULT",
    )


def dot_general(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a general contraction."""
    attributes: Any = op.attributes
    numbers: Any = stablehlo.DotDimensionNumbers(attributes["dot_dimension_numbers"])
    accumulate = (
        str(stablehlo.DotAlgorithm(attributes["algorithm"]).accumulation_type) if "algorithm" in attributes else ""
    )
    dot = ops.Dot(
        scope.operands(op),
        tuple(numbers.lhs_batching_dimensions),
        tuple(numbers.rhs_batching_dimensions),
        tuple(numbers.lhs_contracting_dimensions),
        tuple(numbers.rhs_contracting_dimensions),
        precision(op),
        accumulate,
    )
    return [scope.emit(dot, scope.result_type(op))]


def dot(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the plain product: last dimension of lhs with the first of rhs."""
    lhs, rhs = scope.operands(op)
    return [scope.emit(ops.Dot([lhs, rhs], (), (), (lhs.type.rank - 1,), (0,), precision(op)), scope.result_type(op))]


def convolution(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a convolution."""
    lhs, rhs = scope.operands(op)
    padding = scope.integers(op, "padding", (0,) * 2 * (lhs.type.rank - 2))
    conv = convolution_of(scope, op, lhs, rhs, padding)
    return [scope.emit(conv, scope.result_type(op))]


def convolution_of(scope: Scope, op: ir.OpView, lhs: Value, rhs: Value, padding: tuple[int, ...]) -> ops.Convolution:
    """Return the convolution that the attributes of `op` say, with this padding: low and high of each dimension."""
    numbers: Any = stablehlo.ConvDimensionNumbers(op.attributes["dimension_numbers"])
    spatial = tuple(numbers.input_spatial_dimensions)
    n = len(spatial)
    return ops.Convolution(
        [lhs, rhs],
        (numbers.input_batch_dimension, numbers.input_feature_dimension, *spatial),
        (
            numbers.kernel_output_feature_dimension,
            numbers.kernel_input_feature_dimension,
            *numbers.kernel_spatial_dimensions,
        ),
        (numbers.output_batch_dimension, numbers.output_feature_dimension, *numbers.output_spatial_dimensions),
        scope.integers(op, "window_strides", (1,) * n),
        padding[0::2],
        padding[1::2],
        scope.integers(op, "lhs_dilation", (1,) * n),
        scope.integers(op, "rhs_dilation", (1,) * n),
        tuple(bool(r) for r in scope.integers(op, "window_reversal", (0,) * n)),
        scope.integer(op, "feature_group_count", 1),
        scope.integer(op, "batch_group_count", 1),
        precision(op),
    )


IMPORTERS: dict[str, Importer] = {
    "stablehlo.convolution": convolution,
    "stablehlo.dot": dot,
    "stablehlo.dot_general": dot_general,
}
