"""Rules of `simplify` for ops that move elements. Each returns the value to use instead, or None."""

from __future__ import annotations

import numpy as np

from ..graph import ops
from ..graph.builder import Builder, splat_element
from ..graph.graph import Op, TensorType, Value


def _splat(op: Op, b: Builder) -> Value | None:
    element = splat_element(op.operands[0])
    return None if element is None else b.constant(element, op.results[0].type)


def simplify_reshape(op: ops.Reshape, b: Builder) -> Value | None:
    """Reshapes to the same shape, of reshapes, of splats, of broadcast scalars, of literals."""
    (x,), shape = op.operands, op.result.shape
    if x.shape == shape:
        return x
    inner = x.producer
    if isinstance(inner, ops.Reshape):
        return b.reshape(inner.operands[0], shape)
    if isinstance(inner, ops.BroadcastInDim):
        return _reshape_broadcast(inner, shape, b)
    if isinstance(inner, ops.Constant):
        if inner.splat is not None:
            return b.constant(inner.splat, op.result.type)
        return b.emit(ops.Constant([], inner.value.reshape(shape)), op.result.type)
    return None


def _reshape_broadcast(inner: ops.BroadcastInDim, shape: tuple[int, ...], b: Builder) -> Value | None:
    """Reshape of a broadcast: of a scalar, or one that only adds or drops dimensions of size 1."""
    source = inner.operands[0]
    if source.type.size == 1:
        return b.broadcast(b.reshape(source, ()), shape)
    if without_ones(inner.result.shape) != without_ones(shape):
        return None
    kept = iter(d for d, n in enumerate(shape) if n != 1)
    place = {d: next(kept) for d, n in enumerate(inner.result.shape) if n != 1}
    wide = [d for d, n in zip(inner.dimensions, source.shape) if n != 1]
    if not all(d in place for d in wide):
        return None
    return b.broadcast(b.reshape(source, without_ones(source.shape)), shape, tuple(place[d] for d in wide))


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape without its dimensions of size 1."""
    return tuple(n for n in shape if n != 1)


def simplify_broadcast(op: ops.BroadcastInDim, b: Builder) -> Value | None:
    """Broadcasts that change nothing, of broadcasts, of splats, of iotas, of reshapes that only add dimensions of size 1."""
    (x,), shape = op.operands, op.result.shape
    if x.shape == shape:
        return x
    if (constant := _splat(op, b)) is not None:
        return constant
    if x.type.size == op.result.type.size:
        return b.reshape(x, shape)
    inner = x.producer
    if isinstance(inner, ops.Iota) and x.shape[inner.dimension] == shape[op.dimensions[inner.dimension]]:
        return b.iota(shape, op.dimensions[inner.dimension], x.dtype)  # so that each use has axes of its own
    if isinstance(inner, ops.BroadcastInDim):
        source = inner.operands[0]
        dimensions = tuple(op.dimensions[d] for d in inner.dimensions)
        if all(n == 1 or n == shape[d] for n, d in zip(source.shape, dimensions)):
            return b.broadcast(source, shape, dimensions)
    if 1 in x.shape:
        kept = [(d, n) for d, n in zip(op.dimensions, x.shape) if n != 1]
        return b.broadcast(b.reshape(x, tuple(n for _, n in kept)), shape, tuple(d for d, _ in kept))
    return None


def simplify_transpose(op: ops.Transpose, b: Builder) -> Value | None:
    """Transposes of transposes, of splats; those that only move dimensions of size 1 are reshapes."""
    (x,) = op.operands
    if (constant := _splat(op, b)) is not None:
        return constant
    moved = [p for p in op.permutation if x.shape[p] != 1]
    if moved == sorted(moved):
        return b.reshape(x, op.result.shape)
    inner = x.producer
    if isinstance(inner, ops.Transpose):
        return b.transpose(inner.operands[0], [inner.permutation[p] for p in op.permutation])
    if isinstance(inner, ops.BroadcastInDim):
        place = [op.permutation.index(d) for d in inner.dimensions]
        return b.broadcast(inner.operands[0], op.result.shape, tuple(place))
    return None


def simplify_reverse(op: ops.Reverse, b: Builder) -> Value | None:
    """Reverses of splats, of reverses, of dimensions of size 1 or broadcast ones."""
    (x,) = op.operands
    if (constant := _splat(op, b)) is not None:
        return constant
    inner, dimensions = x.producer, {d for d in op.dimensions if x.shape[d] > 1}
    if isinstance(inner, ops.BroadcastInDim):
        varies = {d for d, n in zip(inner.dimensions, inner.operands[0].shape) if n > 1}
        dimensions &= varies
    elif isinstance(inner, ops.Reverse):
        x, dimensions = inner.operands[0], dimensions ^ set(inner.dimensions)
    if dimensions == set(op.dimensions):
        return None
    return b.emit(ops.Reverse([x], tuple(sorted(dimensions))), x.type) if dimensions else x


def simplify_slice(op: ops.Slice, b: Builder) -> Value | None:
    """Slices of everything, of slices, splats, iotas, broadcasts and concatenations."""
    (x,) = op.operands
    if x.shape == op.result.shape:
        return x
    if (constant := _splat(op, b)) is not None:
        return constant
    inner = x.producer
    if isinstance(inner, ops.TopK):
        return _slice_top_k(op, inner, b)
    if isinstance(inner, ops.Slice):
        start = [s0 + s * t0 for s0, t0, s in zip(inner.start, inner.stride, op.start)]
        stride = [t0 * t for t0, t in zip(inner.stride, op.stride)]
        limit = [s + (n - 1) * t + 1 if n else s for s, t, n in zip(start, stride, op.result.shape)]
        return b.slice(inner.operands[0], start, limit, stride)
    if isinstance(inner, ops.BroadcastInDim):
        source = inner.operands[0]
        start, limit, stride = [0] * source.type.rank, list(source.shape), [1] * source.type.rank
        for i, d in enumerate(inner.dimensions):
            if source.shape[i] != 1 or x.shape[d] == 1:
                start[i], limit[i], stride[i] = op.start[d], op.limit[d], op.stride[d]
        return b.broadcast(b.slice(source, start, limit, stride), op.result.shape, inner.dimensions)
    if isinstance(inner, ops.Concatenate) and op.result.type.size:
        return _slice_concatenate(op, inner, b)
    if isinstance(inner, ops.Iota) and x.dtype.is_integer:
        return _slice_iota(op, inner, b)
    return None


def _slice_iota(op: ops.Slice, inner: ops.Iota, b: Builder) -> Value:
    """Numbers from one on, by steps."""
    start, stride = op.start[inner.dimension], op.stride[inner.dimension]
    y = b.iota(op.result.shape, inner.dimension, op.result.dtype)
    if stride != 1:
        y = b.binary("mul", y, b.like(y, stride))
    return b.binary("add", y, b.like(y, start)) if start else y


def _slice_top_k(op: ops.Slice, inner: ops.TopK, b: Builder) -> Value | None:
    """The first of the k largest are fewer of them."""
    if any(op.start) or any(t != 1 for t in op.stride) or op.limit[:-1] != op.operands[0].shape[:-1]:
        return None
    fewer = ops.TopK(inner.operands, op.limit[-1], inner.largest)
    types = [TensorType((*r.shape[:-1], op.limit[-1]), r.dtype) for r in inner.results]
    return b.emit_op(fewer, types)[inner.results.index(op.operands[0])]


def _slice_concatenate(op: ops.Slice, inner: ops.Concatenate, b: Builder) -> Value | None:
    d, begin = inner.dimension, 0
    for part in inner.operands:
        end = begin + part.shape[d]
        if begin <= op.start[d] and op.limit[d] <= end:
            start, limit = list(op.start), list(op.limit)
            start[d], limit[d] = start[d] - begin, limit[d] - begin
            return b.slice(part, start, limit, op.stride)
        begin = end
    return None


def simplify_pad(op: ops.Pad, b: Builder) -> Value | None:
    """Padding by nothing, of splats by the same element, of empty tensors; cuts only are slices."""
    x, element = op.operands
    spread = [it if n > 1 else 0 for it, n in zip(op.interior, x.shape)]
    if not any(op.low) and not any(op.high) and not any(spread):
        return x
    a, p = splat_element(x), splat_element(element)
    if a is not None and p is not None and a.tobytes() == p.tobytes():
        return b.constant(a, op.result.type)
    if x.type.size == 0:
        return b.broadcast(element, op.result.shape)
    if not any(spread) and all(lo <= 0 for lo in op.low) and all(hi <= 0 for hi in op.high):
        limit = [n + hi for n, hi in zip(x.shape, op.high)]
        return b.slice(x, [-lo for lo in op.low], limit)
    return None


def simplify_concatenate(op: ops.Concatenate, b: Builder) -> Value | None:
    """Empty parts, single parts, equal splats."""
    parts = [x for x in op.operands if x.shape[op.dimension]]
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return op.operands[0]
    elements = {e.tobytes() if (e := splat_element(x)) is not None else None for x in parts}
    if len(elements) == 1 and None not in elements:
        return b.constant(splat_element(parts[0]), op.result.type)
    return b.concatenate(parts, op.dimension) if len(parts) < len(op.operands) else None


def simplify_reduce(op: ops.Reduce, b: Builder) -> Value | None:
    """Reductions over dimensions of size 1."""
    (x,) = op.operands
    if all(x.shape[d] == 1 for d in op.dimensions):
        return b.reshape(x, op.result.shape)
    return None


def simplify_dynamic_slice(op: ops.DynamicSlice, b: Builder) -> Value | None:
    """Slices at constant starts, of everything, of splats."""
    x, *starts = op.operands
    if x.shape == op.sizes:
        return x
    if (constant := _splat(op, b)) is not None:
        return constant
    known = [splat_element(s) for s in starts]
    if any(k is None and n != m for k, n, m in zip(known, x.shape, op.sizes)):
        return None
    at = [0 if n == m or k is None else min(max(int(k), 0), n - m) for k, n, m in zip(known, x.shape, op.sizes)]
    return b.slice(x, at, [a + m for a, m in zip(at, op.sizes)])


def simplify_dynamic_update_slice(op: ops.DynamicUpdateSlice, b: Builder) -> Value | None:
    """Updates of everything or of nothing."""
    x, update = op.operands[:2]
    if update.shape == x.shape:
        return update
    return x if np.prod(update.shape) == 0 else None
