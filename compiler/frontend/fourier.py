"""Importer of discrete Fourier transforms: one AICPU kernel for each dimension, the real one last to be complex."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from jaxlib.mlir import ir

from ..graph import ops
from ..graph.complex_parts import PART
from ..graph.graph import TensorType, Value
from .scope import Scope


def fft(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the transform of the last dimensions, as many as fft_length has."""
    kind, lengths = scope.keyword(op, "fft_type"), scope.integers(op, "fft_length")
    (x,), result = scope.operands(op), scope.result_type(op)
    last = x.type.rank - 1
    others = range(last + 1 - len(lengths), last)
    if kind == "RFFT":
        x = _real(scope, "rfft", x, TensorType((*x.shape[:-1], result.shape[-1]), result.dtype), lengths[-1])
    for d in [*others, last] if kind in ("FFT", "IFFT") else others:
        inner = prod(x.shape[d + 1 :])
        x = _emit(scope, "fft", x, x.type, d, n=x.shape[d], inner=inner, inverse=kind in ("IFFT", "IRFFT"))
    return [_real(scope, "irfft", x, result, lengths[-1]) if kind == "IRFFT" else x]


def _real(scope: Scope, kernel: str, x: Value, result: TensorType, n: int) -> Value:
    return _emit(scope, kernel, x, result, x.type.rank - 1, n=n, k=n // 2 + 1)


def _emit(scope: Scope, kernel: str, x: Value, result: TensorType, d: int, **own: int) -> Value:
    parameters = {"dtype": PART.get(x.dtype, x.dtype), "batch": prod(x.shape[:d]), **own}
    return scope.emit(ops.AicpuKernel([x], kernel, tuple(parameters.items())), result)
