"""Append ops to a list: the vocabulary importers and passes write new ops in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..isa.dtypes import DType
from . import ops
from .graph import Op, TensorType, Value
from .location import UNKNOWN, Location


def splat(element: object, type: TensorType) -> np.ndarray:
    """Return an array of this type whose elements are all `element`, stored once (strides 0); an empty one for no elements.

    NumPy has no array of shape [2**40, 0, 2**40], as tensors may have.
    """
    if type.size == 0:
        return np.empty(0, type.dtype.numpy)
    return np.broadcast_to(np.asarray(element, type.dtype.numpy), type.shape)


def splat_element(x: Value) -> np.generic | None:
    """Return the element of a splat constant, or None for other values."""
    return x.producer.splat if isinstance(x.producer, ops.Constant) else None


def is_splat(x: Value) -> bool:
    """Whether a value is a constant whose elements are all equal."""
    return splat_element(x) is not None


class Builder:
    """Appends to `ops`; every op gets the source line `loc`."""

    def __init__(self, target: list[Op], loc: Location = UNKNOWN) -> None:
        self.ops = target
        self.loc = loc

    def emit(self, op: Op, *types: TensorType) -> Value:
        """Append an op with results of these types; return its first result."""
        self.ops.append(op.with_results(types, self.loc))
        return op.results[0]

    def emit_op(self, op: Op, types: Sequence[TensorType]) -> list[Value]:
        """Append an op with any number of results; return them."""
        self.ops.append(op.with_results(types, self.loc))
        return op.results

    def constant(self, element: object, type: TensorType) -> Value:
        """Return a splat constant of this type."""
        return self.emit(ops.Constant([], splat(element, type)), type)

    def like(self, x: Value, element: object) -> Value:
        """Return a splat constant of x's type."""
        return self.constant(element, x.type)

    def iota(self, shape: tuple[int, ...], dimension: int, dtype: DType = DType.i32) -> Value:
        """Return 0, 1, 2, ... along a dimension."""
        return self.emit(ops.Iota([], dimension), TensorType(shape, dtype))

    def unary(self, kind: str, x: Value) -> Value:
        """Return kind(x)."""
        return self.emit(ops.Unary([x], kind), x.type)

    def binary(self, kind: str, a: Value, b: Value) -> Value:
        """Return a kind b."""
        return self.emit(ops.Binary([a, b], kind), a.type)

    def compare(self, direction: str, a: Value, b: Value) -> Value:
        """Return a direction b."""
        return self.emit(ops.Compare([a, b], direction), TensorType(a.shape, DType.i1))

    def select(self, pred: Value, a: Value, b: Value) -> Value:
        """Return pred ? a : b."""
        return self.emit(ops.Select([pred, a, b]), a.type)

    def convert(self, x: Value, dtype: DType) -> Value:
        """Return x converted to an element type."""
        return x if x.dtype is dtype else self.emit(ops.Convert([x]), TensorType(x.shape, dtype))

    def bitcast(self, x: Value, dtype: DType) -> Value:
        """Return x's bytes as another element type of the same width."""
        return x if x.dtype is dtype else self.emit(ops.BitcastConvert([x]), TensorType(x.shape, dtype))

    def broadcast(self, x: Value, shape: tuple[int, ...], dimensions: tuple[int, ...] = ()) -> Value:
        """Return x broadcast so that its dimension d is `dimensions[d]` of `shape`; splats stay constants."""
        type = TensorType(shape, x.dtype)
        if x.type == type and dimensions == tuple(range(len(shape))):
            return x
        element = splat_element(x)
        if element is not None:
            return self.constant(element, type)
        if list(dimensions) != sorted(dimensions):
            order = tuple(sorted(range(len(dimensions)), key=dimensions.__getitem__))
            x = self.transpose(x, order)
            dimensions = tuple(sorted(dimensions))
        return self.emit(ops.BroadcastInDim([x], tuple(dimensions)), type)

    def reshape(self, x: Value, shape: tuple[int, ...]) -> Value:
        """Return x in another shape; a reshape of a reshape is one."""
        if isinstance(x.producer, ops.Reshape):
            x = x.producer.operands[0]
        return x if x.shape == shape else self.emit(ops.Reshape([x]), TensorType(shape, x.dtype))

    def transpose(self, x: Value, permutation: Sequence[int]) -> Value:
        """Return x with its dimensions in this order."""
        permutation = tuple(permutation)
        if permutation == tuple(range(x.type.rank)):
            return x
        return self.emit(ops.Transpose([x], permutation), TensorType(tuple(x.shape[p] for p in permutation), x.dtype))

    def slice(self, x: Value, start: Sequence[int], limit: Sequence[int], stride: Sequence[int] | None = None) -> Value:
        """Return a strided slice of x."""
        start, limit = tuple(start), tuple(limit)
        stride = tuple(stride) if stride is not None else (1,) * x.type.rank
        shape = tuple(-(-(l - s) // t) for s, l, t in zip(start, limit, stride))
        if shape == x.shape:
            return x
        return self.emit(ops.Slice([x], start, limit, stride), TensorType(shape, x.dtype))

    def slice_dim(self, x: Value, dimension: int, start: int, limit: int, stride: int = 1) -> Value:
        """Return a slice of x along one dimension."""
        starts, limits, strides = [0] * x.type.rank, list(x.shape), [1] * x.type.rank
        starts[dimension], limits[dimension], strides[dimension] = start, limit, stride
        return self.slice(x, starts, limits, strides)

    def pad(
        self, x: Value, element: Value, low: Sequence[int], high: Sequence[int], interior: Sequence[int] | None = None
    ) -> Value:
        """Return x padded by a scalar."""
        low, high = tuple(low), tuple(high)
        interior = tuple(interior) if interior is not None else (0,) * x.type.rank
        shape = tuple(
            lo + hi + n + max(n - 1, 0) * it for lo, hi, it, n in zip(low, high, interior, x.shape, strict=True)
        )
        if not any(low) and not any(high) and shape == x.shape:
            return x
        return self.emit(ops.Pad([x, element], low, high, interior), TensorType(shape, x.dtype))

    def concatenate(self, parts: Sequence[Value], dimension: int) -> Value:
        """Return the parts one after the other along a dimension."""
        if len(parts) == 1:
            return parts[0]
        shape = list(parts[0].shape)
        shape[dimension] = sum(p.shape[dimension] for p in parts)
        return self.emit(ops.Concatenate(list(parts), dimension), TensorType(tuple(shape), parts[0].dtype))

    def reduce(self, kind: str, x: Value, dimensions: Sequence[int]) -> Value:
        """Return x combined along dimensions."""
        kept = tuple(n for d, n in enumerate(x.shape) if d not in dimensions)
        return self.emit(ops.Reduce([x], kind, tuple(sorted(dimensions))), TensorType(kept, x.dtype))
