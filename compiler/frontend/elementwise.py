"""Importers of elementwise ops."""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir

from ..graph import ops
from ..graph.graph import TensorType, Value
from ..graph.vectorize import apply_elementwise
from ..isa.dtypes import DType
from .scope import Importer, Scope

_UNARY = {
    "abs": "abs",
    "cbrt": "cbrt",
    "ceil": "ceil",
    "cosine": "cos",
    "count_leading_zeros": "clz",
    "exponential": "exp",
    "exponential_minus_one": "expm1",
    "floor": "floor",
    "imag": "imag",
    "is_finite": "is_finite",
    "log": "log",
    "log_plus_one": "log1p",
    "logistic": "logistic",
    "negate": "neg",
    "not": "not",
    "popcnt": "popcnt",
    "real": "real",
    "round_nearest_afz": "round_afz",
    "round_nearest_even": "round_even",
    "rsqrt": "rsqrt",
    "sign": "sign",
    "sine": "sin",
    "sqrt": "sqrt",
    "tan": "tan",
    "tanh": "tanh",
}
_BINARY = {
    "add": "add",
    "and": "and",
    "atan2": "atan2",
    "complex": "complex",
    "divide": "div",
    "maximum": "max",
    "minimum": "min",
    "multiply": "mul",
    "or": "or",
    "power": "pow",
    "remainder": "rem",
    "shift_left": "shl",
    "shift_right_arithmetic": "shr_arithmetic",
    "shift_right_logical": "shr_logical",
    "subtract": "sub",
    "xor": "xor",
}
_ON_BOOL = {"add": "or", "max": "or", "mul": "and", "min": "and"}


def boolean_kind(kind: str, dtype: DType) -> str:
    """Return the kind that does on i1 what `kind` means there; unchanged for other types."""
    return _ON_BOOL.get(kind, kind) if dtype.kind == "b" else kind


def _unary(kind: str) -> Importer:
    def run(scope: Scope, op: ir.OpView) -> Sequence[Value]:
        (x,), type = scope.operands(op), scope.result_type(op)
        if kind == "real" and x.type == type:
            return [x]
        if kind == "imag" and x.type == type:
            return [scope.constant(0, type)]
        return [scope.emit(ops.Unary([x], kind), type)]

    return run


def _binary(kind: str) -> Importer:
    def run(scope: Scope, op: ir.OpView) -> Sequence[Value]:
        operands, type = scope.operands(op), scope.result_type(op)
        if kind == "shr_arithmetic" and type.dtype.kind == "u":  # copies the highest bit, as of a signed type
            signed = DType[f"i{type.dtype.name[1:]}"]
            shifted = scope.binary(kind, *(scope.bitcast(x, signed) for x in operands))
            return [scope.bitcast(shifted, type.dtype)]
        return [scope.emit(ops.Binary(operands, boolean_kind(kind, type.dtype)), type)]

    return run


def compare(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a comparison; total order is kept for floats only."""
    operands = scope.operands(op)
    total = scope.keyword(op, "compare_type") == "TOTALORDER" and operands[0].dtype.is_float
    return [scope.emit(ops.Compare(operands, scope.keyword(op, "comparison_direction"), total), scope.result_type(op))]


def select(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a select; a scalar predicate is broadcast."""
    pred, a, b = scope.operands(op)
    return [scope.emit(ops.Select([scope.broadcast(pred, a.shape) if not pred.shape else pred, a, b]), a.type)]


def clamp(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import clamp(low, x, high) as min(max(x, low), high)."""
    low, x, high = scope.operands(op)
    low, high = (b if b.shape == x.shape else scope.broadcast(b, x.shape) for b in (low, high))
    lifted = scope.binary(boolean_kind("max", x.dtype), x, low)
    return [scope.binary(boolean_kind("min", x.dtype), lifted, high)]


def convert(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a conversion; the real part is taken of a complex operand of a real result."""
    (x,), type = scope.operands(op), scope.result_type(op)
    if x.dtype.kind == "c" and type.dtype.kind != "c":
        part = DType.f32 if x.dtype is DType.c64 else DType.f64
        x = scope.emit(ops.Unary([x], "real"), TensorType(x.shape, part))
    return [scope.convert(x, type.dtype)]


def bitcast_convert(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a reinterpretation of bytes."""
    (x,), type = scope.operands(op), scope.result_type(op)
    return [x if x.type == type else scope.emit(ops.BitcastConvert([x]), type)]


def reduce_precision(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a rounding to fewer bits."""
    (x,) = scope.operands(op)
    exponent, mantissa = scope.integer(op, "exponent_bits"), scope.integer(op, "mantissa_bits")
    return [scope.emit(ops.ReducePrecision([x], exponent, mantissa), x.type)]


def map_(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import `map` by applying its scalar body to whole tensors."""
    operands = scope.operands(op)
    body = scope.region(op.regions[0], "map")
    return apply_elementwise(scope, body, operands, scope.result_type(op).shape)


IMPORTERS: dict[str, Importer] = {
    **{f"stablehlo.{name}": _unary(kind) for name, kind in _UNARY.items()},
    **{f"stablehlo.{name}": _binary(kind) for name, kind in _BINARY.items()},
    "stablehlo.bitcast_convert": bitcast_convert,
    "stablehlo.clamp": clamp,
    "stablehlo.compare": compare,
    "stablehlo.convert": convert,
    "stablehlo.map": map_,
    "stablehlo.reduce_precision": reduce_precision,
    "stablehlo.select": select,
}
