"""Ops that create tensors or move elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...graph import ops
from ...graph.builder import splat_element
from ...graph.graph import Op, Value
from ..plan import Dims, Factors, Part, Plan


def constant(op: ops.Constant) -> Plan:
    """A splat may be of any size; other literals are whole on every device, and cut when needed."""
    f = Factors()
    if op.splat is None:
        return Plan(f.sizes, [], [((),) * op.result.type.rank])
    return Plan(f.sizes, [], [f.each(op.result.shape)], local=_splat)


def _splat(part: Part) -> Sequence[Value]:
    return [part.b.constant(splat_element(part.op.results[0]), part.types[0])]


def iota(op: ops.Iota) -> Plan:
    """Count from where the device's part begins."""
    f = Factors()
    dims = f.each(op.result.shape)

    def local(part: Part) -> Sequence[Value]:
        b, (type,) = part.b, part.types
        here = b.emit(ops.Iota([], op.dimension), type)
        if not dims[op.dimension] or part.extent(dims[op.dimension][0]) == 1:
            return [here]
        start = b.convert(part.start(dims[op.dimension][0]), type.dtype)
        return [b.binary("add", here, b.broadcast(start, type.shape))]

    return Plan(f.sizes, [], [dims], local=local)


def broadcast(op: ops.BroadcastInDim) -> Plan:
    """Dimensions of the operand are those of the result, but those that are repeated."""
    f = Factors()
    (x,), (y,) = op.operands, op.results
    out = f.each(y.shape)
    return Plan(f.sizes, [tuple(out[d] if n == y.shape[d] else () for d, n in zip(op.dimensions, x.shape))], [out])


def reshape(op: ops.Reshape) -> Plan:
    """Take both shapes apart into factors they have in common; where there are none, dimensions stay whole."""
    f = Factors()
    (x,), (y,) = op.operands, op.results
    before, after = _common_factors(f, x.shape, y.shape)
    parts = frozenset(
        k
        for dims, value in ((before, x), (after, y))
        for factors, n in zip(dims, value.shape)
        for k in factors
        if f.sizes[k] != n
    )
    return Plan(f.sizes, [before], [after], even=parts)


def _common_factors(f: Factors, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[Dims, Dims]:
    left: list[list[int]] = [[] for _ in a]
    right: list[list[int]] = [[] for _ in b]
    i, j = 0, 0
    rest: list[int] = [1, 1]  # what is left of the dimensions at i and j
    if 0 in a:
        return ((),) * len(a), ((),) * len(b)
    while True:
        while i < len(a) and rest[0] == 1:
            rest[0], i = a[i], i + 1
        while j < len(b) and rest[1] == 1:
            rest[1], j = b[j], j + 1
        if rest[0] == 1 or rest[1] == 1:
            break
        small = min(rest)
        if max(rest) % small:  # neither divides the other: whole until the products are equal again
            products = list(rest)
            while products[0] != products[1]:
                if products[0] < products[1]:
                    products[0], i = products[0] * a[i], i + 1
                else:
                    products[1], j = products[1] * b[j], j + 1
            rest[:] = 1, 1
            continue
        factor = f.new(small)
        left[i - 1].append(factor)
        right[j - 1].append(factor)
        rest[:] = rest[0] // small, rest[1] // small
    return tuple(map(tuple, left)), tuple(map(tuple, right))


def transpose(op: ops.Transpose) -> Plan:
    """The same factors in another order."""
    f = Factors()
    dims = f.each(op.operands[0].shape)
    return Plan(f.sizes, [dims], [tuple(dims[p] for p in op.permutation)])


def slice_(op: ops.Slice) -> Plan:
    """Dimensions that are taken entirely may be cut."""
    f = Factors()
    (x,), (y,) = op.operands, op.results
    dims = f.each(x.shape, [d for d, n in enumerate(x.shape) if y.shape[d] != n])

    def local(part: Part) -> Sequence[Value]:
        shape = part.types[0].shape
        limit = tuple(shape[d] if dims[d] else n for d, n in enumerate(op.limit))
        return part.emit(replace_op(op, part.operands, limit=limit))

    return Plan(f.sizes, [dims], [dims], local=local)


def pad(op: ops.Pad) -> Plan:
    """Dimensions that get no padding may be cut."""
    f = Factors()
    amounts = zip(op.low, op.high, op.interior)
    dims = f.each(op.operands[0].shape, [d for d, a in enumerate(amounts) if any(a)])
    return Plan(f.sizes, [dims, ()], [dims])


def concatenate(op: ops.Concatenate) -> Plan:
    """All dimensions but the one along which operands follow each other."""
    f = Factors()
    dims = f.each(op.result.shape, [op.dimension])
    return Plan(f.sizes, [dims] * len(op.operands), [dims])


def reverse(op: ops.Reverse) -> Plan:
    """All dimensions but those that are reversed."""
    f = Factors()
    dims = f.each(op.result.shape, op.dimensions)
    return Plan(f.sizes, [dims], [dims])


def replace_op(op: Op, operands: Sequence[Value], **attributes: Any) -> Op:
    """Return a copy of an op on other operands, with some attributes changed."""
    copy = op.clone(operands)
    for name, value in attributes.items():
        setattr(copy, name, value)
    return copy


PLANS: dict[type[Op], Callable[..., Plan]] = {
    ops.BroadcastInDim: broadcast,
    ops.Concatenate: concatenate,
    ops.Constant: constant,
    ops.Iota: iota,
    ops.Pad: pad,
    ops.Reshape: reshape,
    ops.Reverse: reverse,
    ops.Slice: slice_,
    ops.Transpose: transpose,
}
