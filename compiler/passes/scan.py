"""Cumulative combinations along a dimension, in elementwise ops.

A short dimension doubles the distance at each step (Hillis and Steele, 1986): y[i] = y[i-1] y[i], then y[i-2] y[i],
then y[i-4] y[i], ... A long one is cut into about sqrt(n) blocks that are scanned together; the scan of the blocks'
totals is then combined with each block.
"""

from __future__ import annotations

from math import isqrt

from ..ir.builder import Builder
from ..ir.graph import TensorType, Value
from ..ir.identities import identity_element

_SHORT = 64


def scan(b: Builder, kind: str, x: Value, d: int, backwards: bool = False) -> Value:
    """Return y of x's type with y[i] = x[0] kind ... kind x[i] along dimension d, or from the end backwards."""
    n = x.shape[d]
    if n <= _SHORT:
        return _doubling(b, kind, x, d, backwards)
    block = 1 << (isqrt(n - 1)).bit_length()
    blocks = -(-n // block)
    neutral = b.constant(identity_element(kind, x.dtype), TensorType((), x.dtype))
    fill = [blocks * block - n if i == d else 0 for i in range(x.type.rank)]
    none = [0] * x.type.rank
    padded = b.pad(x, neutral, fill if backwards else none, none if backwards else fill)
    cut = b.reshape(padded, (*x.shape[:d], blocks, block, *x.shape[d + 1 :]))
    local = scan(b, kind, cut, d + 1, backwards)
    last = 0 if backwards else block - 1
    totals = b.reshape(b.slice_dim(local, d + 1, last, last + 1), (*x.shape[:d], blocks, *x.shape[d + 1 :]))
    before = _shift(b, scan(b, kind, totals, d, backwards), neutral, d, backwards)
    spread = b.broadcast(before, cut.shape, tuple(i for i in range(cut.type.rank) if i != d + 1))
    whole = b.reshape(b.binary(kind, spread, local), padded.shape)
    start = blocks * block - n if backwards else 0
    return b.slice_dim(whole, d, start, start + n)


def _shift(b: Builder, x: Value, neutral: Value, d: int, backwards: bool) -> Value:
    """Move x by one along d, against the scan's direction; the neutral element comes in."""
    one = [1 if i == d else 0 for i in range(x.type.rank)]
    none = [0] * x.type.rank
    if backwards:
        return b.pad(b.slice_dim(x, d, 1, x.shape[d]), neutral, none, one)
    return b.pad(b.slice_dim(x, d, 0, x.shape[d] - 1), neutral, one, none)


def _doubling(b: Builder, kind: str, x: Value, d: int, backwards: bool) -> Value:
    n, distance = x.shape[d], 1
    while distance < n:
        near, far = b.slice_dim(x, d, distance, n), b.slice_dim(x, d, 0, n - distance)
        both = b.binary(kind, far, near)
        if backwards:
            x = b.concatenate([both, b.slice_dim(x, d, n - distance, n)], d)
        else:
            x = b.concatenate([b.slice_dim(x, d, 0, distance), both], d)
        distance *= 2
    return x
