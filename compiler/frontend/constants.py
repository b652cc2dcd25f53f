"""MLIR attributes to Python values: literals of every element type as NumPy arrays, integer lists, strings.

Splats stay one element (strides 0). jaxlib's buffers cover bool, 8 to 64 bit integers, f16, f32 and f64; the
other types are read from the printed form, whose hexadecimal digits are the bytes.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from jaxlib.mlir import ir

from ..graph.builder import splat
from ..graph.graph import TensorType
from ..isa.dtypes import DType

_BUFFER_TYPES = {
    *(DType.i1, DType.i8, DType.i16, DType.i32, DType.i64, DType.u8, DType.u16, DType.u32, DType.u64),
    *(DType.f16, DType.f32, DType.f64),
}
_HEX = re.compile(r'dense<"0x([0-9A-Fa-f]*)">')


def literal(attribute: ir.Attribute, type: TensorType) -> np.ndarray:
    """Return the array of an elements attribute of this tensor type; splats have strides 0."""
    dtype = type.dtype
    if isinstance(attribute, ir.DenseElementsAttr):
        if dtype in _BUFFER_TYPES:
            if attribute.is_splat:
                return splat(_element(attribute.get_splat_value(), dtype), type)
            array = np.array(attribute)
            return np.ascontiguousarray(array.reshape(type.shape).astype(dtype.numpy, copy=False))
        if dtype.is_float and attribute.is_splat:
            return splat(_element(attribute.get_splat_value(), dtype), type)
    return literal_of_text(str(attribute), type)


def _element(attribute: Any, dtype: DType) -> object:
    value = attribute.value
    if dtype.kind == "b":
        return bool(value)
    if dtype.kind in "iu":
        bits = dtype.bytes * 8
        value = int(value) & ((1 << bits) - 1)
        return value - (1 << bits) if dtype.kind == "i" and value >> (bits - 1) else value
    if dtype.is_float and np.isnan(value):
        return literal_of_text(f"dense<{str(attribute).split(' : ')[0]}>", TensorType((), dtype))  # keeps the payload
    return value


def literal_of_text(text: str, type: TensorType) -> np.ndarray:
    """Return the array of a printed `dense<...>` literal."""
    dtype = type.dtype
    match = _HEX.match(text)
    if match:
        array = _from_bytes(bytes.fromhex(match.group(1)), dtype, type.size)
        return np.broadcast_to(array.reshape(()), type.shape) if array.size == 1 else array.reshape(type.shape)
    body = text[text.index("<") + 1 : text.rindex(">") if " : " not in text else text.rindex("> : ")]
    scalars = _COMPLEX.findall(body) if dtype.kind == "c" else _SCALAR.findall(body)
    if dtype.kind == "c":
        part = TensorType((), DType.f32 if dtype is DType.c64 else DType.f64)
        values = [complex(_scalar(re_, part.dtype), _scalar(im, part.dtype)) for re_, im in scalars]
    else:
        values = [_scalar(s, dtype) for s in scalars]
    array = np.array(values, dtype.numpy)
    if array.size == 1:
        return np.broadcast_to(array.reshape(()), type.shape)
    return array.reshape(type.shape)


_NUMBER = r"[-+]?(?:0x[0-9A-Fa-f]+|[0-9.]+(?:[eE][-+]?[0-9]+)?)|true|false"
_SCALAR = re.compile(_NUMBER)
_COMPLEX = re.compile(rf"\(\s*({_NUMBER})\s*,\s*({_NUMBER})\s*\)")


def _scalar(text: str, dtype: DType) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if "0x" in text:
        digits = text[text.index("0x") + 2 :]
        width = max(len(digits) // 2, 1)
        return _from_bytes(int(digits, 16).to_bytes(width, "little"), dtype, 1)[0]
    return float(text) if dtype.is_float else int(text)


def _from_bytes(data: bytes, dtype: DType, size: int) -> np.ndarray:
    """Decode the raw storage of an MLIR elements attribute (little-endian; i1 and sub-byte types packed)."""
    if dtype.kind == "b":
        if len(data) >= size:
            return np.frombuffer(data, np.uint8).astype(np.bool_)
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:size].astype(np.bool_)
    return np.frombuffer(data, dtype.numpy).copy()


def integers(attribute: ir.Attribute) -> tuple[int, ...]:
    """Return a list-of-integers attribute (array<i64>, array<i1> or dense<>) flattened."""
    if isinstance(attribute, ir.DenseElementsAttr):
        if attribute.is_splat:
            count = int(np.prod(attribute.type.shape, dtype=np.int64))  # type: ignore[attr-defined]
            element: Any = attribute.get_splat_value()
            return (int(element.value),) * count
        return tuple(int(v) for v in np.array(attribute).reshape(-1))
    return tuple(int(v) for v in attribute)  # type: ignore[attr-defined]


def python_value(attribute: ir.Attribute) -> object:
    """Return a string, number, bool, list or dict attribute as the Python value; others as their text."""
    if isinstance(attribute, ir.DictAttr):
        return {named.name: python_value(named.attr) for named in attribute}
    if isinstance(attribute, ir.ArrayAttr):
        return [python_value(item) for item in attribute]
    if isinstance(attribute, ir.StringAttr):
        try:
            return attribute.value
        except UnicodeDecodeError:
            return attribute.value_bytes
    if isinstance(attribute, (ir.BoolAttr, ir.IntegerAttr, ir.FloatAttr)):
        return attribute.value
    if isinstance(attribute, ir.DenseElementsAttr):
        return np.array(attribute)
    return str(attribute)
