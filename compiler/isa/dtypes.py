"""Element types. One table; the C++ enum is generated from it.

Codes are those of PJRT_Buffer_Type, so the plugin needs no translation. Storage is one byte per element for
sub-byte types, in GM and on chip, as PJRT hosts see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import ml_dtypes
import numpy as np


@dataclass(frozen=True)
class _Info:
    code: int
    mlir: str
    numpy: type
    kind: str  # b(ool), i(nt), u(int), f(loat), c(omplex)


class DType(Enum):
    """An element type; `.value` holds its code, MLIR spelling, NumPy type and kind."""

    i1 = _Info(1, "i1", np.bool_, "b")
    i8 = _Info(2, "i8", np.int8, "i")
    i16 = _Info(3, "i16", np.int16, "i")
    i32 = _Info(4, "i32", np.int32, "i")
    i64 = _Info(5, "i64", np.int64, "i")
    u8 = _Info(6, "ui8", np.uint8, "u")
    u16 = _Info(7, "ui16", np.uint16, "u")
    u32 = _Info(8, "ui32", np.uint32, "u")
    u64 = _Info(9, "ui64", np.uint64, "u")
    f16 = _Info(10, "f16", np.float16, "f")
    f32 = _Info(11, "f32", np.float32, "f")
    f64 = _Info(12, "f64", np.float64, "f")
    bf16 = _Info(13, "bf16", ml_dtypes.bfloat16, "f")
    c64 = _Info(14, "complex<f32>", np.complex64, "c")
    c128 = _Info(15, "complex<f64>", np.complex128, "c")
    f8e5m2 = _Info(16, "f8E5M2", ml_dtypes.float8_e5m2, "f")
    f8e4m3fn = _Info(17, "f8E4M3FN", ml_dtypes.float8_e4m3fn, "f")
    f8e4m3b11fnuz = _Info(18, "f8E4M3B11FNUZ", ml_dtypes.float8_e4m3b11fnuz, "f")
    f8e5m2fnuz = _Info(19, "f8E5M2FNUZ", ml_dtypes.float8_e5m2fnuz, "f")
    f8e4m3fnuz = _Info(20, "f8E4M3FNUZ", ml_dtypes.float8_e4m3fnuz, "f")
    i4 = _Info(21, "i4", ml_dtypes.int4, "i")
    u4 = _Info(22, "ui4", ml_dtypes.uint4, "u")
    i2 = _Info(24, "i2", ml_dtypes.int2, "i")
    u2 = _Info(25, "ui2", ml_dtypes.uint2, "u")
    f8e4m3 = _Info(26, "f8E4M3", ml_dtypes.float8_e4m3, "f")
    f8e3m4 = _Info(27, "f8E3M4", ml_dtypes.float8_e3m4, "f")
    f8e8m0fnu = _Info(28, "f8E8M0FNU", ml_dtypes.float8_e8m0fnu, "f")
    f4e2m1fn = _Info(29, "f4E2M1FN", ml_dtypes.float4_e2m1fn, "f")

    @property
    def code(self) -> int:
        """The PJRT_Buffer_Type code."""
        return self.value.code

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype of host arrays and of storage."""
        return np.dtype(self.value.numpy)

    @property
    def bytes(self) -> int:
        """Storage bytes per element."""
        return self.numpy.itemsize

    @property
    def bits(self) -> int:
        """Bits that count in an element: fewer than its storage has for sub-byte types and i1."""
        return _SUB_BYTE.get(self.name, self.bytes * 8)

    @property
    def kind(self) -> str:
        """One of b, i, u, f, c."""
        return self.value.kind

    @property
    def is_float(self) -> bool:
        """Whether this is a real floating-point type."""
        return self.kind == "f"

    @property
    def is_integer(self) -> bool:
        """Whether this is a signed or unsigned integer (bool excluded)."""
        return self.kind in "iu"

    @classmethod
    def of_code(cls, code: int) -> DType:
        """Return the type with this PJRT code; KeyError if there is none."""
        return _BY_CODE[code]

    @classmethod
    def of_mlir(cls, text: str) -> DType:
        """Return the type MLIR spells so; KeyError if there is none."""
        return _BY_MLIR[text]

    @classmethod
    def of_numpy(cls, dtype: object) -> DType:
        """Return the type of a NumPy dtype; KeyError if there is none."""
        return _BY_NUMPY[np.dtype(dtype)]  # type: ignore[arg-type]

    __hash__ = object.__hash__  # members are unique; Enum's own hash is a Python call, felt in every dict of types

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


_SUB_BYTE = {"i1": 1, "i2": 2, "u2": 2, "i4": 4, "u4": 4, "f4e2m1fn": 4}
_BY_CODE = {d.code: d for d in DType}
_BY_MLIR = {d.value.mlir: d for d in DType}
_BY_NUMPY = {d.numpy: d for d in DType}
