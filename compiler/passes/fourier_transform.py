"""Discrete Fourier transforms of (real part, imaginary part) pairs as products with constant matrices.

A length n that factors into n1 * n2 is transformed in two steps (Cooley and Tukey, 1965): n2 transforms of length
n1, a multiplication by twiddle factors, n1 transforms of length n2. The cube core does the small transforms.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ..errors import UnsupportedOp
from ..ir import ops
from ..ir.builder import Builder
from ..ir.graph import TensorType, Value

Pair = tuple[Value, Value]
_DIRECT = 64  # lengths up to this are one product
_LONGEST_PRIME = 2048


def transform(b: Builder, kind: str, lengths: tuple[int, ...], x: tuple[Value, Value | None]) -> Pair | Value:
    """Return the FFT, IFFT, RFFT (of a real x) or IRFFT (a real value) of the last len(lengths) dimensions."""
    re, im = x
    im = b.like(re, 0) if im is None else im
    rank = re.type.rank
    inverse = kind in ("IFFT", "IRFFT")
    dimensions = list(range(rank - len(lengths), rank))
    if 0 in re.shape:
        return re if kind == "IRFFT" else (re, im)
    for d in dimensions[:-1]:
        re, im = _along(b, re, im, d, inverse)
    n = lengths[-1]
    if kind == "IRFFT":
        re, im = _hermitian(b, re, im, n)
    re, im = _along(b, re, im, rank - 1, inverse)
    if kind == "RFFT":
        re, im = (b.slice_dim(p, rank - 1, 0, n // 2 + 1) for p in (re, im))
    if inverse:
        scale = b.like(re, 1 / prod(lengths))
        re, im = b.binary("mul", re, scale), b.binary("mul", im, scale)
    return re if kind == "IRFFT" else (re, im)


def _hermitian(b: Builder, re: Value, im: Value, n: int) -> Pair:
    """Complete a half spectrum: element n - k is the conjugate of element k."""
    last = re.type.rank - 1

    def mirrored(x: Value) -> Value:
        part = b.slice_dim(x, last, 1, (n + 1) // 2)
        return b.emit(ops.Reverse([part], (last,)), part.type)

    if n < 3:
        return re, im
    return b.concatenate([re, mirrored(re)], last), b.concatenate([im, b.unary("neg", mirrored(im))], last)


def _along(b: Builder, re: Value, im: Value, d: int, inverse: bool) -> Pair:
    order = [i for i in range(re.type.rank) if i != d] + [d]
    back = [order.index(i) for i in range(re.type.rank)]
    re, im = _last(b, b.transpose(re, order), b.transpose(im, order), inverse)
    return b.transpose(re, back), b.transpose(im, back)


def _last(b: Builder, re: Value, im: Value, inverse: bool) -> Pair:
    """Transform the last dimension."""
    n, outer = re.shape[-1], re.shape[:-1]
    n1 = _factor(n)
    if n1 == n:
        return _contract(b, re, im, *_roots(np.outer(np.arange(n), np.arange(n)), n, inverse))
    n2 = n // n1
    # x[n2 j1 + j2]: contract j1, multiply by the twiddles, transform j2; the result index is k1 + n1 k2.
    order = [*range(len(outer)), len(outer) + 1, len(outer)]
    re, im = (b.transpose(b.reshape(p, (*outer, n1, n2)), order) for p in (re, im))
    re, im = _contract(b, re, im, *_roots(np.outer(np.arange(n1), np.arange(n1)), n1, inverse))
    cos, sin = (_table(b, t, re) for t in _roots(np.outer(np.arange(n2), np.arange(n1)), n, inverse))
    cos, sin = (b.broadcast(t, re.shape, (len(outer), len(outer) + 1)) for t in (cos, sin))
    re, im = (
        b.binary("sub", b.binary("mul", re, cos), b.binary("mul", im, sin)),
        b.binary("add", b.binary("mul", re, sin), b.binary("mul", im, cos)),
    )
    re, im = _last(b, b.transpose(re, order), b.transpose(im, order), inverse)
    return b.reshape(b.transpose(re, order), (*outer, n)), b.reshape(b.transpose(im, order), (*outer, n))


def _factor(n: int) -> int:
    """Return n for a direct transform, else its largest factor up to _DIRECT."""
    if n <= _DIRECT:
        return n
    factor = next((f for f in range(_DIRECT, 1, -1) if n % f == 0), n)
    if factor == n and n > _LONGEST_PRIME:
        raise UnsupportedOp(f"a transform of length {n}, expected factors up to {_LONGEST_PRIME}")
    return factor


def _roots(exponent: np.ndarray, n: int, inverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the real and imaginary parts of e^(-2 pi i exponent / n), conjugated for the inverse."""
    angle = 2 * np.arccos(np.longdouble(-1)) * (exponent % n) / n
    return np.cos(angle), np.sin(angle) if inverse else -np.sin(angle)


def _table(b: Builder, table: np.ndarray, like: Value) -> Value:
    value = np.ascontiguousarray(table.astype(like.dtype.numpy))
    return b.emit(ops.Constant([], value), TensorType(table.shape, like.dtype))


def _contract(b: Builder, re: Value, im: Value, cos: np.ndarray, sin: np.ndarray) -> Pair:
    """Multiply the last dimension by the matrix cos + i sin."""
    c, s = _table(b, cos, re), _table(b, sin, re)
    last = re.type.rank - 1

    def dot(x: Value, m: Value) -> Value:
        return b.emit(ops.Dot([x, m], (), (), (last,), (0,), "HIGHEST"), x.type)

    return b.binary("sub", dot(re, c), dot(im, s)), b.binary("add", dot(re, s), dot(im, c))
