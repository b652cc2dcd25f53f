"""Rules of `simplify` for elementwise ops. Each returns the value to use instead, or None."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import ops
from ..graph.builder import Builder, splat_element
from ..graph.graph import Op, TensorType, Value
from ..graph.identities import identity_element
from ..isa.dtypes import DType
from .simplify_shape import without_ones

_EXACT = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip
_COMPARE = {
    "EQ": np.equal, "NE": np.not_equal, "LT": np.less, "LE": np.less_equal, "GT": np.greater, "GE": np.greater_equal,
}  # fmt: skip
_COMMUTATIVE = {"add", "mul", "max", "min", "and", "or", "xor"}


def _narrowed(function: Any, dtype: DType, *elements: Any) -> Any:
    """Compute on scalars of a dtype as the device does: half types through f32."""
    wide = [np.float32(e) if dtype.is_float and dtype.bytes < 4 else e for e in elements]
    with np.errstate(all="ignore"):
        return np.asarray(function(*wide)).astype(dtype.numpy)


def simplify_unary(op: ops.Unary, b: Builder) -> Value | None:
    """neg(neg x), not(not x); neg, abs, not of splats."""
    (x,) = op.operands
    inner = x.producer
    if op.kind in ("neg", "not") and isinstance(inner, ops.Unary) and inner.kind == op.kind:
        return inner.operands[0]
    element = splat_element(x)
    if element is not None and x.dtype.kind != "c":
        if op.kind == "neg" and x.dtype.kind != "b":
            return b.constant(_narrowed(np.negative, x.dtype, element), op.result.type)
        if op.kind == "not" and x.dtype.kind == "b":
            return b.constant(not bool(element), op.result.type)
    return None


def simplify_binary(op: ops.Binary, b: Builder) -> Value | None:
    """Neutral and absorbing elements, splats, division by powers of two, powers that are products or roots."""
    x, y = op.operands
    kind, dtype = op.kind, x.dtype
    if dtype.kind == "c":
        return None
    left, right = splat_element(x), splat_element(y)
    if left is not None and right is not None and kind in _EXACT and dtype.bytes > 0:
        return b.constant(_narrowed(_EXACT[kind], dtype, left, right), op.result.type)
    if left is not None and kind in _COMMUTATIVE:
        x, y, left, right = y, x, right, left
    if right is None:
        return _same_operands(kind, x, y)
    if _is_neutral(kind, dtype, right):
        return x
    if kind in ("and", "mul") and not dtype.is_float and right == 0:
        return y
    if kind == "or" and dtype.kind == "b" and bool(right):
        return y
    if kind == "div" and dtype.is_float and dtype.bytes >= 2:
        mantissa, exponent = np.frexp(np.float64(right))
        if abs(mantissa) == 0.5 and -100 < exponent < 100 and dtype is not DType.f16:
            return b.binary("mul", x, b.constant(1 / np.float64(right), y.type))
    if dtype.kind == "u" and int(right).bit_count() == 1:
        if kind == "div":
            return b.binary("shr_logical", x, b.constant(int(right).bit_length() - 1, y.type))
        if kind == "rem":
            return b.binary("and", x, b.constant(int(right) - 1, y.type))
    if kind == "pow" and dtype.is_float:
        if right == 1:
            return x
        if right == 2:
            return b.binary("mul", x, x)
        if right in (0.5, -0.5) and dtype.bytes >= 2:
            return _root_power(b, x, negative=float(right) < 0)
    return None


def _root_power(b: Builder, x: Value, negative: bool) -> Value:
    """Return x to the 1/2 or -1/2: a root, but for the signs of what it has none of: pow(-0, 1/2) is 0, pow(-inf, 1/2) inf."""
    root = b.unary("abs", b.unary("sqrt", x))
    power = b.select(b.compare("EQ", x, b.like(x, -np.inf)), b.like(x, np.inf), root)
    return b.binary("div", b.like(x, 1), power) if negative else power


def _same_operands(kind: str, x: Value, y: Value) -> Value | None:
    return x if x is y and kind in ("max", "min", "and", "or") else None


def _is_neutral(kind: str, dtype: DType, element: Any) -> bool:
    if kind == "add" and dtype.is_float:
        return bool(element == 0 and np.signbit(np.float64(element)))  # x + 0.0 turns -0.0 into 0.0
    if kind in ("add", "mul", "max", "min", "and", "or", "xor"):
        return bool(element == identity_element(kind, dtype))
    if kind == "sub":
        return bool(element == 0 and not (dtype.is_float and np.signbit(np.float64(element))))
    if kind == "div":
        return bool(element == 1)
    return kind.startswith("sh") and bool(element == 0)


def simplify_compare(op: ops.Compare, b: Builder) -> Value | None:
    """Splats; a value with itself (integers)."""
    x, y = op.operands
    if x.dtype.kind == "c":
        return None
    if x is y and not x.dtype.is_float:
        return b.constant(op.direction in ("EQ", "LE", "GE"), op.result.type)
    left, right = splat_element(x), splat_element(y)
    if left is not None and right is not None and not op.total_order:
        return b.constant(bool(_COMPARE[op.direction](left, right)), op.result.type)
    return None


def simplify_select(op: ops.Select, b: Builder) -> Value | None:
    """Known or negated predicates, equal branches."""
    pred, x, y = op.operands
    if x is y:
        return x
    known = splat_element(pred)
    if known is not None:
        return x if bool(known) else y
    inner = pred.producer
    if isinstance(inner, ops.Unary) and inner.kind == "not":
        return b.select(inner.operands[0], y, x)
    if x.dtype.kind == "b":
        on_true, on_false = splat_element(x), splat_element(y)
        if on_true is not None and on_false is not None:
            return pred if bool(on_true) else b.unary("not", pred)
    return None


_WIDER = {
    DType.bf16: {DType.f32, DType.f64},
    DType.f16: {DType.f32, DType.f64},
    DType.f32: {DType.f64},
}


def simplify_convert(op: ops.Convert, b: Builder) -> Value | None:
    """Conversions to the same type, there and back again, of splats."""
    (x,), to = op.operands, op.result.dtype
    if x.dtype is to:
        return x
    inner = x.producer
    if isinstance(inner, ops.Convert):
        source = inner.operands[0]
        if _holds(source.dtype, x.dtype):
            return b.convert(source, to)
    element = splat_element(x)
    if element is not None and x.dtype.kind != "c" and to.kind != "c" and not (x.dtype.is_float and to.is_integer):
        value = bool(element) if to.kind == "b" else _converted(element, x.dtype, to)
        return b.constant(value, op.result.type)
    return None


def _converted(element: Any, source: DType, to: DType) -> Any:
    if source.is_float and to.is_float:
        with np.errstate(all="ignore"):
            wide = np.asarray(element).astype(np.float32 if source.bytes < 4 else source.numpy)
            return wide.astype(to.numpy)
    return np.asarray(element).astype(to.numpy)


def _holds(source: DType, middle: DType) -> bool:
    """Whether every value of `source` survives a conversion to `middle` exactly."""
    if source.is_float:
        return middle in _WIDER.get(source, ())
    if source.kind == "b":
        return middle.is_integer
    if source.is_integer and middle.is_integer:
        return middle.bytes > source.bytes and (middle.kind == "i" or source.kind == "u")
    return False


ELEMENTWISE = {ops.Unary, ops.Binary, ops.Compare, ops.Select, ops.Convert}


def drop_unit_dimensions(op: Op, b: Builder) -> Value | None:
    """Compute before a reshape that only adds dimensions of size 1, not after it: all operands are such or splats."""
    result = op.results[0]
    if 1 not in result.shape:
        return None
    source = None
    for x in op.operands:
        inner = x.producer
        if isinstance(inner, ops.Reshape) and inner.operands[0].type.rank < x.type.rank:
            shape = inner.operands[0].shape
            if source not in (None, shape) or without_ones(shape) != without_ones(x.shape):
                return None
            source = shape
        elif splat_element(x) is None:
            return None
    if source is None:
        return None
    operands = [
        x.producer.operands[0]
        if isinstance(x.producer, ops.Reshape)
        else b.constant(splat_element(x), _shaped(x, source))
        for x in op.operands
    ]
    inner = op.clone(operands)
    b.ops.append(inner.with_results([_shaped(result, source)], op.loc))
    return b.reshape(inner.results[0], result.shape)


def _shaped(x: Value, shape: tuple[int, ...]) -> TensorType:
    return TensorType(shape, x.dtype)
