"""Discrete Fourier transforms of (real part, imaginary part) pairs as products with constant matrices.

A length n that factors into n1 * n2 is transformed in two steps (Cooley and Tukey, 1965): n2 transforms of length
n1, a multiplication by twiddle factors, n1 transforms of length n2. The cube core does the small transforms. A long
prime length is a convolution with a chirp, done by transforms of a power of two (Bluestein, 1970).
"""

from __future__ import annotations

from math import prod

import numpy as np

from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import TensorType, Value
from .complex_functions import multiply

Pair = tuple[Value, Value]
_DIRECT = 64  # lengths up to this are one product
_LONGEST_PRIME = 512  # lengths up to this without a factor up to _DIRECT are one product too


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
    n1 = n if n <= _DIRECT else next((f for f in range(_DIRECT, 1, -1) if n % f == 0), n)
    if n1 == n > _LONGEST_PRIME:
        return _by_convolution(b, re, im, inverse)
    if n1 == n:
        return _contract(b, re, im, *_roots(np.outer(np.arange(n), np.arange(n)), n, inverse))
    n2 = n // n1
    # x[n2 j1 + j2]: contract j1, multiply by the twiddles, transform j2; the result index is k1 + n1 k2.
    order = [*range(len(outer)), len(outer) + 1, len(outer)]
    re, im = (b.transpose(b.reshape(p, (*outer, n1, n2)), order) for p in (re, im))
    re, im = _contract(b, re, im, *_roots(np.outer(np.arange(n1), np.arange(n1)), n1, inverse))
    re, im = _times(b, (re, im), *_roots(np.outer(np.arange(n2), np.arange(n1)), n, inverse))
    re, im = _last(b, b.transpose(re, order), b.transpose(im, order), inverse)
    return b.reshape(b.transpose(re, order), (*outer, n)), b.reshape(b.transpose(im, order), (*outer, n))


def _by_convolution(b: Builder, re: Value, im: Value, inverse: bool) -> Pair:
    """Transform the last dimension: with c[k] = e^(-pi i k^2 / n), y[k] = c[k] sum of (x c)[j] conj(c)[k - j]."""
    n, last = re.shape[-1], re.type.rank - 1
    size = 1 << (2 * n - 2).bit_length()
    cos, sin = _roots(np.arange(n) ** 2, 2 * n, inverse)
    around = np.zeros(size, np.clongdouble)
    around[:n] = cos - 1j * sin
    around[size - n + 1 :] = around[n - 1 : 0 : -1]
    spectrum = np.fft.fft(around) / size
    zero = b.constant(0, TensorType((), re.dtype))
    none, fill = [0] * (last + 1), [0] * last + [size - n]
    re, im = (b.pad(p, zero, none, fill) for p in _times(b, (re, im), cos, sin))
    re, im = _last(b, *_times(b, _last(b, re, im, False), spectrum.real, spectrum.imag), True)
    re, im = (b.slice_dim(p, last, 0, n) for p in (re, im))
    return _times(b, (re, im), cos, sin)


def _times(b: Builder, x: Pair, re: np.ndarray, im: np.ndarray) -> Pair:
    """Multiply the last dimensions by a table."""
    shape = x[0].shape
    table = [b.broadcast(_table(b, t, x[0]), shape, tuple(range(len(shape) - t.ndim, len(shape)))) for t in (re, im)]
    return multiply(b, x, (table[0], table[1]))


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
