"""Cumulative combinations along a dimension; a long one in parts, so that all cores have some.

x[1,1000000]  ->  parts [50,20000], each by itself; the cumulative combination of their totals, combined with each
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import TensorType, Value
from ..graph.identities import identity_element
from ..graph.ops import Cumulative

_PART = 8192  # elements of a part, at least
_MOST_PARTS = 64


def scan(b: Builder, kind: str, x: Value, d: int, backwards: bool = False) -> Value:
    """Return y of x's type with y[i] = x[0] kind ... kind x[i] along dimension d, or from the end backwards."""
    n, rows = x.shape[d], x.type.size // x.shape[d]
    parts = min(_MOST_PARTS // rows, n // _PART)
    if parts < 2:
        return b.emit(Cumulative([x], kind, d, backwards), x.type)
    neutral = b.constant(identity_element(kind, x.dtype), TensorType((), x.dtype))
    length = -(-n // parts)
    fill = [parts * length - n if i == d else 0 for i in range(x.type.rank)]
    none = [0] * x.type.rank
    padded = b.pad(x, neutral, fill if backwards else none, none if backwards else fill)
    cut = b.reshape(padded, (*x.shape[:d], parts, length, *x.shape[d + 1 :]))
    local = b.emit(Cumulative([cut], kind, d + 1, backwards), cut.type)
    last = 0 if backwards else length - 1
    totals = b.reshape(b.slice_dim(local, d + 1, last, last + 1), (*x.shape[:d], parts, *x.shape[d + 1 :]))
    before = _shift(b, b.emit(Cumulative([totals], kind, d, backwards), totals.type), neutral, d, backwards)
    spread = b.broadcast(before, cut.shape, tuple(i for i in range(cut.type.rank) if i != d + 1))
    whole = b.reshape(b.binary(kind, spread, local), padded.shape)
    start = parts * length - n if backwards else 0
    return b.slice_dim(whole, d, start, start + n)


def _shift(b: Builder, x: Value, neutral: Value, d: int, backwards: bool) -> Value:
    """Move x by one along d, against the scan's direction; the neutral element comes in."""
    one = [1 if i == d else 0 for i in range(x.type.rank)]
    none = [0] * x.type.rank
    if backwards:
        return b.pad(b.slice_dim(x, d, 1, x.shape[d]), neutral, none, one)
    return b.pad(b.slice_dim(x, d, 0, x.shape[d] - 1), neutral, one, none)
