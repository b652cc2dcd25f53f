"""Convolutions of each channel by itself, as sums over their few window positions on the vector cores.

The cube unit has nothing to contract in them: its fractals would hold one channel and zeros.

    %y[n,h,w,c] = convolution(%x[n,h,w,c], %k[3,3,1,c]) feature_groups=c
    ->
    %p = pad(%x)    %y = slice(%p) * broadcast(%k[0,0]) + slice(%p, from 0,1) * broadcast(%k[0,1]) + ...

    %k[1,c,3,3] = convolution(%x[c,n,h,w], %dy[c,n,h,w]) batch_groups=c      the gradient of the kernel
    ->
    %k[0,0] = reduce_add(slice(%p) * %dy)    %k[0,1] = reduce_add(slice(%p, from 0,1) * %dy)   ...
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from ..graph.builder import Builder
from ..graph.graph import Op, TensorType, Value
from ..graph.module import Module
from ..graph.ops import Convolution
from ..graph.rewrite import rewrite
from ..isa.dtypes import DType

_MOST = 64  # terms, each of which reads its part of the operand once more


def unroll_depthwise(module: Module, target: object) -> None:
    """Replace convolutions of floats that contract no channels, and the gradients of their kernels, in place."""
    rewrite(module.main, _unrolled)


def _unrolled(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, Convolution) or 0 in (*op.operands[0].shape, *op.operands[1].shape, *op.result.shape):
        return None
    x, k = op.operands
    if not (x.dtype.is_float and k.dtype.is_float and op.result.dtype.is_float):
        return None
    window, found = [k.shape[d] for d in op.rhs_spec[2:]], [op.result.shape[d] for d in op.out_spec[2:]]
    groups = x.shape[op.lhs_spec[1]]
    if op.batch_groups == 1 and 1 < groups == op.feature_groups and prod(window) <= _MOST:
        return [_by_window(op, b, window, found)]
    groups = x.shape[op.lhs_spec[0]]
    gradient = op.feature_groups == 1 < groups == op.batch_groups == k.shape[op.rhs_spec[0]]
    if gradient and not any(op.reversal) and prod(found) <= _MOST:
        return [_by_result(op, b, window, found)]
    return None


def _by_window(op: Convolution, b: Builder, window: Sequence[int], found: Sequence[int]) -> Value:
    """Add up the terms of the window's positions; dimensions are in the result's order."""
    x, k = op.operands
    (_, feature, *spatial), wide = op.out_spec, _wide(op)
    order = _in_order(op.lhs_spec, op.out_spec)
    padded = _padded(op, b, b.transpose(x, order), spatial)
    channels, features = padded.shape[feature], op.result.shape[feature]
    kernel = b.transpose(k, [*op.rhs_spec[2:], op.rhs_spec[1], op.rhs_spec[0]])
    kernel = b.reshape(kernel, (prod(window), features))
    total: Value | None = None
    for number, at in enumerate(_positions(op, window)):
        start = [i * d for i, d in zip(at, op.rhs_dilation, strict=True)]
        piece = b.convert(_slice(b, padded, spatial, start, op.stride, found), wide)
        if features != channels:
            piece = _repeated(b, piece, feature, features // channels)
        weight = b.reshape(b.slice_dim(kernel, 0, number, number + 1), (features,))
        term = b.binary("mul", piece, b.broadcast(b.convert(weight, wide), piece.shape, (feature,)))
        total = term if total is None else b.binary("add", total, term)
    assert total is not None, "a window has a position"
    return b.convert(total, op.result.dtype)


def _by_result(op: Convolution, b: Builder, window: Sequence[int], found: Sequence[int]) -> Value:
    """Sum each of the result's few positions over the whole window; dimensions are in the operand's order."""
    x, k = op.operands
    (group, _, *spatial), wide = op.lhs_spec, _wide(op)
    padded = _padded(op, b, x, spatial)
    # The kernel's output features are the groups, which are the operand's batch.
    other = b.transpose(k, _in_order(op.rhs_spec, op.lhs_spec))
    other = b.convert(other, wide)
    sums: list[Value] = []
    for at in product(*map(range, found)):
        start = [i * s for i, s in zip(at, op.stride, strict=True)]
        piece = b.convert(_slice(b, padded, spatial, start, op.rhs_dilation, window), wide)
        rest = [d for d in range(piece.type.rank) if d != group]
        sums.append(b.reshape(b.reduce("add", b.binary("mul", piece, other), rest), (1, x.shape[group])))
    together = b.reshape(b.concatenate(sums, 0), (*found, 1, x.shape[group]))
    roles = [*range(2, x.type.rank), 0, 1]  # of its dimensions: spatial, batch, feature
    back = [roles.index(op.out_spec.index(d)) for d in range(x.type.rank)]
    return b.convert(b.transpose(together, back), op.result.dtype)


def _wide(op: Convolution) -> DType:
    """Return the type that is summed in."""
    types = {v.dtype for v in (*op.operands, op.result)}
    return DType.f64 if DType.f64 in types else DType.f32


def _in_order(spec: Sequence[int], like: Sequence[int]) -> list[int]:
    """Return the permutation that brings dimensions named by `spec` to where `like` has those of the same role."""
    return [spec[like.index(d)] for d in range(len(spec))]


def _padded(op: Convolution, b: Builder, x: Value, spatial: Sequence[int]) -> Value:
    low, high, interior = ([0] * x.type.rank for _ in range(3))
    for i, d in enumerate(spatial):
        low[d], high[d], interior[d] = op.low[i], op.high[i], op.lhs_dilation[i] - 1
    return b.pad(x, b.constant(0, TensorType((), x.dtype)), low, high, interior)


def _positions(op: Convolution, window: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield where the elements of the kernel meet the operand, in the kernel's order."""
    for at in product(*map(range, window)):
        yield tuple(n - 1 - i if back else i for i, n, back in zip(at, window, op.reversal, strict=True))


def _slice(
    b: Builder, x: Value, dims: Sequence[int], start: Sequence[int], step: Sequence[int], count: Sequence[int]
) -> Value:
    """Return `count` elements of some dimensions, from `start` on."""
    first, limit, stride = [0] * x.type.rank, list(x.shape), [1] * x.type.rank
    for d, s, t, n in zip(dims, start, step, count, strict=True):
        first[d], limit[d], stride[d] = s, s + (n - 1) * t + 1, t
    return b.slice(x, first, limit, stride)


def _repeated(b: Builder, x: Value, dimension: int, times: int) -> Value:
    """Return x with every element of a dimension `times` times."""
    shape = (*x.shape[: dimension + 1], times, *x.shape[dimension + 1 :])
    wide = b.broadcast(x, shape, tuple(d + (d > dimension) for d in range(x.type.rank)))
    return b.reshape(wide, (*x.shape[:dimension], x.shape[dimension] * times, *x.shape[dimension + 1 :]))
