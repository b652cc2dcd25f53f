"""Windowed reductions as elementwise combinations of strided slices of the padded input.

    %1 = reduce_window(%x) kind=max window=(1,2) stride=(1,2)
    ->
    %a = slice(%x)[:, 0::2]   %b = slice(%x)[:, 1::2]   %1 = max(%a, %b)

Simple kinds are separable, so dimensions are handled one after the other. Long windows combine by doubling: s1 = x,
s2[i] = s1[i] s1[i+1], s4[i] = s2[i] s2[i+2], ..., and the window's length in binary says which of them cover it; so do
those of a general reducer if they are long in one dimension only. Windows of a simple kind that reach back to the start
(cumulative sums) are scans, in `scan.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod

from ..errors import UnsupportedOp
from ..graph.builder import Builder
from ..graph.graph import Op, TensorType, Value
from ..graph.identities import identity_element
from ..graph.module import Module
from ..graph.ops import RUNNING_KINDS, ReduceWindow
from ..graph.rewrite import rewrite
from ..graph.vectorize import apply_elementwise
from ..isa.dtypes import DType
from ..isa.machine import CLASSES
from .scan import scan

_SHORT = 8  # windows up to this length combine slice by slice
_MOST_SLICES = 4096

Combine = Callable[[list[Value], list[Value]], list[Value]]
"""What a reducer makes of two lists of n tensors of one shape."""


def decompose_reduce_window(module: Module, target: object) -> None:
    """Replace every ReduceWindow, in place."""
    rewrite(module.main, _decompose)


def _decompose(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, ReduceWindow):
        return None
    n = len(op.results)
    if op.kind == "general":
        return _general(op, b, op.operands[:n], op.operands[n:])
    x, dtype = op.operands[0], op.operands[0].dtype
    if op.kind in ("add", "mul") and dtype.is_float and dtype.bytes < 4:
        x = b.convert(x, DType.f32)  # round once, not at every step
    neutral = b.constant(identity_element(op.kind, x.dtype), TensorType((), x.dtype))
    for d in range(x.type.rank):
        x = _along(op, b, x, neutral, d)
    return [b.convert(x, dtype)]


def _along(op: ReduceWindow, b: Builder, x: Value, neutral: Value, d: int) -> Value:
    """Combine along one dimension."""
    window, stride, gap = op.window[d], op.stride[d], op.window_dilation[d]
    runs = op.kind in RUNNING_KINDS and x.dtype in CLASSES["number"]
    if runs and window == x.shape[d] > _SHORT and stride == gap == op.base_dilation[d] == 1:
        if (op.low[d], op.high[d]) == (window - 1, 0):
            return scan(b, op.kind, x, d)
        if (op.low[d], op.high[d]) == (0, window - 1):
            return scan(b, op.kind, x, d, backwards=True)
    x = b.pad(x, neutral, *(_only(x, d, amount) for amount in (op.low[d], op.high[d], op.base_dilation[d] - 1)))
    (x,) = _slide(op, b, [x], d, lambda left, right: [b.binary(op.kind, left[0], right[0])])
    return x


def _slide(op: ReduceWindow, b: Builder, xs: list[Value], d: int, combine: Combine) -> list[Value]:
    """Combine padded inputs along one dimension."""
    window, stride, gap, size = op.window[d], op.stride[d], op.window_dilation[d], xs[0].shape[d]
    span = size - (window - 1) * gap
    count = 0 if span <= 0 else (span - 1) // stride + 1
    if count == 0:
        return [b.slice_dim(x, d, 0, 0) for x in xs]

    def at(sources: list[Value], offset: int, step: int, length: int) -> list[Value]:
        return [b.slice_dim(x, d, offset, offset + (length - 1) * step + 1, step) for x in sources]

    if window <= _SHORT:
        return _tree(combine, [at(xs, k * gap, stride, count) for k in range(window)])
    dense = (count - 1) * stride + 1  # window positions before striding
    doubled, length, covered, total = xs, 1, 0, None
    while True:
        if window & length:
            part = at(doubled, covered * gap, 1, dense)
            total = part if total is None else combine(total, part)
            covered += length
        if covered == window:
            break
        left = doubled[0].shape[d] - length * gap
        doubled = combine(at(doubled, 0, 1, left), at(doubled, length * gap, 1, left))
        length *= 2
    assert total is not None
    return at(total, 0, stride, count)


def _only(x: Value, d: int, amount: int) -> tuple[int, ...]:
    return tuple(amount if i == d else 0 for i in range(x.type.rank))


def _tree(combine: Combine, parts: list[list[Value]]) -> list[Value]:
    while len(parts) > 1:
        pairs = [combine(*parts[i : i + 2]) for i in range(0, len(parts) - 1, 2)]
        parts = pairs + parts[len(parts) & ~1 :]
    return parts[0]


def _general(op: ReduceWindow, b: Builder, xs: list[Value], inits: list[Value]) -> list[Value]:
    """Combine by the body: along one dimension, or cell after cell of the window, all windows at once."""
    body, shape = op.body, op.results[0].shape
    assert body is not None

    def combine(left: list[Value], right: list[Value]) -> list[Value]:
        return apply_elementwise(b, body, [*left, *right], left[0].shape)

    interior = [d - 1 for d in op.base_dilation]
    padded = [b.pad(x, init, op.low, op.high, interior) for x, init in zip(xs, inits)]
    state = [b.broadcast(init, shape) for init in inits]
    if 0 in shape:
        return state
    cells = prod(op.window)
    if cells == max(op.window) > _SHORT:
        for d in range(len(shape)):
            padded = _slide(op, b, padded, d, combine)
        return combine(state, padded)
    if cells > _MOST_SLICES:
        raise UnsupportedOp(
            f"a general reducer over a window of {cells} elements in several dimensions; expected at most "
            f"{_MOST_SLICES}, or add, mul, max or min, or lax.associative_scan"
        )
    for cell in product(*(range(w) for w in op.window)):
        start = [k * gap for k, gap in zip(cell, op.window_dilation)]
        limit = [s + (n - 1) * t + 1 for s, n, t in zip(start, shape, op.stride)]
        state = combine(state, [b.slice(x, start, limit, op.stride) for x in padded])
    return state
