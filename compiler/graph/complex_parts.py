"""Complex tensors taken apart and put together, in ops."""

from __future__ import annotations

from ..isa.dtypes import DType
from . import ops
from .builder import Builder
from .graph import TensorType, Value

PART = {DType.c64: DType.f32, DType.c128: DType.f64}


def parts(b: Builder, x: Value) -> tuple[Value, Value | None]:
    """Return the real and the imaginary part of x; None for the latter if x is real."""
    if x.dtype.kind != "c":
        return x, None
    part = TensorType(x.shape, PART[x.dtype])
    return b.emit(ops.Unary([x], "real"), part), b.emit(ops.Unary([x], "imag"), part)


def complex_of(b: Builder, re: Value, im: Value) -> Value:
    """Return re + i im."""
    dtype = DType.c64 if re.dtype is DType.f32 else DType.c128
    return b.emit(ops.Binary([re, im], "complex"), TensorType(re.shape, dtype))
