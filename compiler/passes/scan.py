"""Cumulative combinations along a dimension, in elementwise ops.

Up to 64 elements take two steps: each element with the 7 before it, then each of those with the 7 that lie 8, 16, ...
before it. A longer dimension is cut into blocks of 64 that are scanned together; the scan of the blocks' totals is then
combined with each block.
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import TensorType, Value
from ..graph.identities import identity_element

_RADIX = 8
_BLOCK = _RADIX * _RADIX


def scan(b: Builder, kind: str, x: Value, d: int, backwards: bool = False) -> Value:
    """Return y of x's type with y[i] = x[0] kind ... kind x[i] along dimension d, or from the end backwards."""
    n = x.shape[d]
    neutral = b.constant(identity_element(kind, x.dtype), TensorType((), x.dtype))
    if n <= _BLOCK:
        return _windows(b, kind, x, neutral, d, backwards)
    block, blocks = _BLOCK, -(-n // _BLOCK)
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


def _windows(b: Builder, kind: str, x: Value, neutral: Value, d: int, backwards: bool) -> Value:
    """Scan at most _RADIX squared elements: combine windows of _RADIX neighbours, then those at distance _RADIX."""
    n = x.shape[d]
    steps = [(min(n, _RADIX), 1)]
    if n > _RADIX:
        steps.append((-(-n // _RADIX), _RADIX))
    reach = sum((count - 1) * distance for count, distance in steps)
    amount = [reach if i == d else 0 for i in range(x.type.rank)]
    none = [0] * x.type.rank
    x = b.pad(x, neutral, none if backwards else amount, amount if backwards else none)
    for count, distance in steps:
        length = x.shape[d] - (count - 1) * distance
        parts = [b.slice_dim(x, d, k * distance, k * distance + length) for k in range(count)]
        while len(parts) > 1:
            pairs = [b.binary(kind, *parts[i : i + 2]) for i in range(0, len(parts) - 1, 2)]
            parts = pairs + parts[len(parts) & ~1 :]
        x = parts[0]
    return x
