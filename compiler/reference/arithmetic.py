"""Meanings of the elementwise and broadcast instructions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from ..isa.dtypes import DType
from .machine import Machine, TileElements
from .meanings import as_scalar, meaning, narrow, tiles_to_tile, widen

Array = np.ndarray
Unary = Callable[[DType, Array], Array]
Binary = Callable[[DType, Array, Array], Array]


_erfc = np.vectorize(math.erfc, otypes=[np.float64])  # SciPy's has fewer digits


def _absolute(dtype: DType, x: Array) -> Array:
    return np.abs(x) if dtype.kind in "if" else x


def _negate(dtype: DType, x: Array) -> Array:
    return x if dtype is DType.i1 else np.negative(x)


def _sign(dtype: DType, x: Array) -> Array:
    return np.where(x == 0, x, np.sign(x))


def _round_away(dtype: DType, x: Array) -> Array:
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= 0.5, whole + np.copysign(1, x), whole)


def _bits(x: Array) -> Array:
    """Return the bits of integers along a last axis, most significant first."""
    as_bytes = np.ascontiguousarray(x).astype(x.dtype.newbyteorder(">")).view(np.uint8)
    return np.unpackbits(as_bytes.reshape(*x.shape, x.dtype.itemsize), axis=-1)


def _count_leading_zeros(dtype: DType, x: Array) -> Array:
    bits = _bits(x)
    first: Array = bits.argmax(-1)
    return np.where(bits.any(-1), first, bits.shape[-1])


def _divide(dtype: DType, a: Array, b: Array) -> Array:
    if dtype.is_float:
        return np.divide(a, b)
    quotient = np.floor_divide(a, np.where(b == 0, 1, b).astype(b.dtype))
    remainder = a - quotient * b
    if dtype.kind == "i":
        quotient = quotient + ((remainder != 0) & ((a < 0) != (b < 0)))
        quotient = np.where(b == -1, np.negative(a), quotient)
    return np.where(b == 0, np.invert(np.zeros((), a.dtype)), quotient).astype(a.dtype)


def _remainder(dtype: DType, a: Array, b: Array) -> Array:
    if dtype.is_float:
        return np.fmod(a, b)
    return np.where(b == 0, a, a - _divide(dtype, a, b) * b)


def _power(dtype: DType, a: Array, b: Array) -> Array:
    if dtype.is_float:
        return np.power(a, b)
    base, exponent = np.broadcast_arrays(a, b)
    result = np.ones_like(base)
    left = exponent.copy()
    factor = base.copy()
    while (left > 0).any():
        result = np.where((left > 0) & (left % 2 == 1), result * factor, result)
        factor, left = factor * factor, left // 2
    unit = np.where(base == 1, 1, np.where(base == -1 if dtype.kind == "i" else False, 1 - 2 * (exponent % 2), 0))
    return np.where(exponent < 0, unit, result).astype(base.dtype)


def _shift(operation: Callable[[Array, Array], Array], fills: bool) -> Binary:
    """Build a shift whose count is unsigned; a count of the width or more gives 0, or the sign if it fills."""

    def run(dtype: DType, a: Array, count: Array) -> Array:
        bits = 8 * dtype.bytes
        beyond = (count < 0) | (count >= bits)
        far = np.where(a < 0, ~np.zeros_like(a), np.zeros_like(a)) if fills else np.zeros_like(a)
        return np.where(beyond, far, operation(a, np.where(beyond, 0, count).astype(a.dtype))).astype(a.dtype)

    return run


def _logical_right(a: Array, count: Array) -> Array:
    unsigned = a.dtype.str.replace("i", "u")
    return (a.view(unsigned) >> count.astype(unsigned)).view(a.dtype)


UNARY: dict[str, Unary] = {
    "tabs": _absolute,
    "tneg": _negate,
    "tnot": lambda t, x: np.invert(x),
    "tsign": _sign,
    "trelu": lambda t, x: np.maximum(x, np.zeros((), x.dtype)),
    "texp": lambda t, x: np.exp(x),
    "texpm1": lambda t, x: np.expm1(x),
    "tlog": lambda t, x: np.log(x),
    "tlog1p": lambda t, x: np.log1p(x),
    "tsqrt": lambda t, x: np.sqrt(x),
    "trsqrt": lambda t, x: 1 / np.sqrt(x),
    "tcbrt": lambda t, x: np.cbrt(x),
    "trecip": lambda t, x: 1 / x,
    "tsin": lambda t, x: np.sin(x),
    "tcos": lambda t, x: np.cos(x),
    "ttan": lambda t, x: np.tan(x),
    "ttanh": lambda t, x: np.tanh(x),
    "tlogistic": lambda t, x: 1 / (1 + np.exp(-x)),
    "terf": lambda t, x: special.erf(x),
    "terfc": lambda t, x: _erfc(x.astype(np.float64)),
    "tfloor": lambda t, x: np.floor(x),
    "tceil": lambda t, x: np.ceil(x),
    "trint": lambda t, x: np.rint(x),
    "tround": _round_away,
    "tpopcnt": lambda t, x: _bits(x).sum(-1),
    "tclz": _count_leading_zeros,
}
BINARY: dict[str, Binary] = {
    "tadd": lambda t, a, b: np.add(a, b),
    "tsub": lambda t, a, b: np.subtract(a, b),
    "tmul": lambda t, a, b: np.multiply(a, b),
    "tdiv": _divide,
    "trem": _remainder,
    "tmax": lambda t, a, b: np.maximum(a, b),
    "tmin": lambda t, a, b: np.minimum(a, b),
    "tpow": _power,
    "tatan2": lambda t, a, b: np.arctan2(a, b),
    "tand": lambda t, a, b: np.bitwise_and(a, b),
    "tor": lambda t, a, b: np.bitwise_or(a, b),
    "txor": lambda t, a, b: np.bitwise_xor(a, b),
    "tshl": _shift(np.left_shift, False),
    "tshr": _shift(np.right_shift, True),
    "tshrl": _shift(_logical_right, False),
}
COMPARE = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


def _reversed(function: Binary) -> Binary:
    return lambda t, x, scalar: function(t, scalar, x)


def _compare(dtype: DType, a: Array, b: Array, mode: str) -> Array:
    return COMPARE[mode](a, b)


def _is_finite(dtype: DType, x: Array) -> Array:
    return np.isfinite(x) if dtype.is_float else np.ones(x.shape, np.bool_)


def _select(dtype: DType, mask: Array, a: Array, b: Array) -> Array:
    return np.where(mask, a, b)


for _name, _function in UNARY.items():
    tiles_to_tile(_name, _function)
for _name, _function in BINARY.items():
    tiles_to_tile(_name, _function)
for _name in ("add", "sub", "mul", "div", "max", "min", "and", "or", "xor", "shl", "shr", "shrl"):
    tiles_to_tile(f"t{_name}s", BINARY[f"t{_name}"])
for _name in ("sub", "div"):
    tiles_to_tile(f"tr{_name}s", _reversed(BINARY[f"t{_name}"]))
for _direction in ("row", "col"):  # the broadcast operand is [R, 1] or [1, C], which NumPy repeats by itself
    for _name in ("add", "sub", "mul", "div", "max", "min"):
        tiles_to_tile(f"t{_direction}expand{_name}", BINARY[f"t{_name}"])

tiles_to_tile("tcmp", _compare)
tiles_to_tile("tcmps", _compare)
tiles_to_tile("tisfinite", _is_finite)
tiles_to_tile("tsel", _select)


@meaning("texpands")
def _fill(machine: Machine, dst: TileElements, scalar: Any) -> None:
    dst.write(np.full(dst.shape, as_scalar(scalar, dst.dtype)))


@meaning("trowexpand")
@meaning("tcolexpand")
def _expand(machine: Machine, dst: TileElements, src: TileElements) -> None:
    dst.write(np.broadcast_to(src.read(), dst.shape))


@meaning("tcvt")
def _convert(machine: Machine, dst: TileElements, src: TileElements, mode: str) -> None:
    dst.write(convert(src.read(), dst.dtype, mode))


def convert(values: Array, to: DType, mode: str = "none") -> Array:
    """Convert as tcvt does."""
    of = DType.of_numpy(values.dtype)
    if to is DType.i1:
        return values != 0
    if not (of.is_float and to.is_integer):
        return values.astype(to.numpy) if of is DType.f64 or not of.is_float else narrow(widen(values), to)
    rounding = {"none": np.trunc, "rint": np.rint, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc}[mode]
    whole = rounding(widen(values))
    bits = 8 * to.bytes if to.numpy.itemsize * 8 == 8 * to.bytes else 8
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if to.kind == "i" else (0, 2**bits - 1)
    inside = np.where(np.isnan(whole) | (whole < low) | (whole >= float(high) + 1), 0, whole).astype(to.numpy)
    limited = np.where(
        whole < low, np.array(low, to.numpy), np.where(whole >= float(high) + 1, np.array(high, to.numpy), inside)
    )
    return np.where(np.isnan(whole), np.zeros((), to.numpy), limited)


@meaning("treduceprecision")
def _reduce_precision(machine: Machine, dst: TileElements, src: TileElements, format: tuple[int, ...]) -> None:
    exponent_bits, mantissa_bits = format
    x = widen(src.read())
    ends = {DType.f64: 1023, DType.f32: 127, DType.bf16: 127, DType.f16: 15}[src.dtype]
    _, exponent = np.frexp(x)  # |x| is below 2 ** exponent, and not below half of that
    last = np.maximum(exponent, 2 - ends) - mantissa_bits - 1  # exponent of the last place kept
    rounded = np.ldexp(np.rint(np.ldexp(x, -last)), last)
    bias = 2 ** (exponent_bits - 1) - 1
    _, exponent = np.frexp(rounded)  # normal numbers have exponents 2 - bias .. bias + 1
    if bias < ends:
        rounded = np.where(exponent < 2 - bias, np.copysign(0.0, rounded), rounded)
        rounded = np.where((exponent > bias + 1) | (np.abs(x) >= 2.0 ** (bias + 1)), np.copysign(np.inf, x), rounded)
    kept = x if mantissa_bits else np.where(np.isnan(x), np.copysign(np.inf, x), x)
    dst.write(narrow(np.where(np.isfinite(x), rounded, kept), dst.dtype))
