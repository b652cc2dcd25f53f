"""Importers of ops whose sizes, starts or amounts are operands: what matters is that the result's shape is known.

Operands that are constants give the op that has them as attributes. Others are read when the program runs: an element
of the result is looked up at the index they say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxlib.mlir import ir

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import TensorType, Value
from ..isa.dtypes import DType
from .indexing import gather_of
from .linalg import convolution_of
from .scope import Importer, Scope
from .shape import broadcast_in_dim, iota

_KEPT = (ops.Reshape, ops.Convert)


def known_integers(value: Value) -> tuple[int, ...] | None:
    """Return the elements of an integer tensor that is a constant, or pieces of constants put together; else None."""
    op = value.producer
    if isinstance(op, ops.Constant):
        return tuple(int(v) for v in np.asarray(op.value).reshape(-1))
    if isinstance(op, _KEPT):
        return known_integers(op.operands[0])
    if isinstance(op, ops.Concatenate):
        parts = [known_integers(v) for v in op.operands]
        return None if None in parts else tuple(n for part in parts if part is not None for n in part)
    return None


def dynamic_reshape(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a reshape to the result's shape."""
    return [scope.reshape(scope.operands(op)[0], scope.result_type(op).shape)]


def dynamic_gather(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a gather; the result's shape tells the slice sizes but those of dropped dimensions, which are 1."""
    x, indices, sizes = scope.operands(op)
    return [gather_of(scope, op, x, indices, known_integers(sizes))]


def dynamic_pad(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import padding by amounts that are operands."""
    x, element, low, _, interior = scope.operands(op)
    return [_padded(scope, x, element, low, interior, scope.result_type(op).shape)]


def real_dynamic_slice(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a slice by starts and strides that are operands; the result's shape tells the limits."""
    (x, start, _, stride), shape = scope.operands(op), scope.result_type(op).shape
    starts, strides = known_integers(start), known_integers(stride)
    if 0 in shape:
        return [scope.constant(0, scope.result_type(op))]
    if starts is not None and strides is not None:
        limits = [s + (n - 1) * t + 1 for s, n, t in zip(starts, shape, strides)]
        return [scope.slice(x, starts, limits, strides)]
    if strides is not None:
        spans = tuple((n - 1) * t + 1 for n, t in zip(shape, strides))
        first = [_element(scope, start, d) for d in range(len(shape))]
        part = scope.emit(ops.DynamicSlice([x, *first], spans), TensorType(spans, x.dtype))
        return [scope.slice(part, [0] * len(shape), spans, strides)]
    for d, size in enumerate(shape):
        step = scope.binary("mul", scope.iota((size,), 0), _spread(scope, stride, d, size))
        x = _taken(scope, x, d, scope.binary("add", step, _spread(scope, start, d, size)))
    return [x]


def dynamic_convolution(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a convolution whose padding is an operand: the input is padded to what the result's shape needs."""
    lhs, rhs, padding = scope.operands(op)
    known = known_integers(padding)
    if known is not None:
        return [scope.emit(convolution_of(scope, op, lhs, rhs, known), scope.result_type(op))]
    conv = convolution_of(scope, op, lhs, rhs, (0,) * padding.type.size)
    shape, interior = list(lhs.shape), [0] * lhs.type.rank
    low: list[Value | None] = [None] * lhs.type.rank
    flat = scope.reshape(padding, (padding.type.size,))
    for i, (d, k, out) in enumerate(zip(conv.lhs_spec[2:], conv.rhs_spec[2:], conv.out_spec[2:])):
        window = (rhs.shape[k] - 1) * conv.rhs_dilation[i] + 1
        shape[d] = (scope.result_type(op).shape[out] - 1) * conv.stride[i] + window
        interior[d], low[d] = conv.lhs_dilation[i] - 1, _element(scope, flat, 2 * i)
    zero = scope.constant(0, TensorType((1,), padding.dtype))
    amounts = scope.concatenate([zero if v is None else scope.reshape(v, (1,)) for v in low], 0)
    between = scope.emit(ops.Constant([], np.array(interior, padding.dtype.numpy)), amounts.type)
    element = scope.constant(0, TensorType((), lhs.dtype))
    conv.operands = [_padded(scope, lhs, element, amounts, between, tuple(shape)), rhs]
    conv.lhs_dilation = (1,) * len(conv.stride)
    return [scope.emit(conv, scope.result_type(op))]


def set_dimension_size(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the size that a dimension has anyway."""
    x, size = scope.operands(op)
    if known_integers(size) != (x.shape[scope.integer(op, "dimension")],):
        raise UnsupportedOp(
            "a size that is neither the dimension's nor a smaller constant: shapes here do not depend on data"
        )
    return [x]


def _padded(scope: Scope, x: Value, element: Value, low: Value, interior: Value, shape: tuple[int, ...]) -> Value:
    """Pad x to `shape`; what does not fit in there is cut off."""
    first, between = known_integers(low), known_integers(interior)
    if first is not None and between is not None:
        wide = [n + max(n - 1, 0) * t for n, t in zip(x.shape, between)]
        high = [n - lo - w for n, lo, w in zip(shape, first, wide)]
        return scope.pad(x, element, first, high, between)
    if x.type.size == 0 or 0 in shape:
        return scope.broadcast(element, shape)
    inside: Value | None = None
    for d, size in enumerate(shape):
        one = scope.constant(1, TensorType((size,), DType.i32))
        zero = scope.binary("sub", one, one)
        place = scope.binary("sub", scope.iota((size,), 0), _spread(scope, low, d, size))
        step = scope.binary("add", _spread(scope, interior, d, size), one)
        index = scope.binary("div", place, step)
        tests = [
            scope.compare("GE", place, zero),
            scope.compare("EQ", scope.binary("rem", place, step), zero),
            scope.compare("LT", index, scope.constant(x.shape[d], one.type)),
        ]
        for test in tests:
            test = scope.broadcast(test, shape, (d,))
            inside = test if inside is None else scope.binary("and", inside, test)
        x = _taken(scope, x, d, index)
    assert inside is not None, "a scalar has known amounts"
    return scope.select(inside, x, scope.broadcast(element, shape))


def _element(scope: Scope, vector: Value, number: int) -> Value:
    return scope.reshape(scope.slice_dim(vector, 0, number, number + 1), ())


def _spread(scope: Scope, vector: Value, number: int, size: int) -> Value:
    """One element of a vector, `size` times, as i32."""
    return scope.broadcast(scope.convert(_element(scope, vector, number), DType.i32), (size,))


def _taken(scope: Scope, x: Value, d: int, index: Value) -> Value:
    """The elements of x at a vector of indices along dimension d, the nearest ones for indices outside."""
    others = tuple(k for k in range(x.type.rank) if k != d)
    sizes = tuple(1 if k == d else n for k, n in enumerate(x.shape))
    taken = ops.Gather([x, index], others, (d,), (), (), (d,), 1, sizes)
    return scope.emit(taken, TensorType((*x.shape[:d], *index.shape, *x.shape[d + 1 :]), x.dtype))


IMPORTERS: dict[str, Importer] = {
    "stablehlo.dynamic_broadcast_in_dim": broadcast_in_dim,
    "stablehlo.dynamic_conv": dynamic_convolution,
    "stablehlo.dynamic_gather": dynamic_gather,
    "stablehlo.dynamic_iota": iota,
    "stablehlo.dynamic_pad": dynamic_pad,
    "stablehlo.dynamic_reshape": dynamic_reshape,
    "stablehlo.real_dynamic_slice": real_dynamic_slice,
    "stablehlo.set_dimension_size": set_dimension_size,
}
