"""A vector region as expressions over axes: what is loaded, computed, reduced and stored, by which strides.

    y = relu(transpose(x) + b)   ->   store y[64a + b](op max(op add(load x[a + 32b], load b[b]), const 0))

Elementwise ops become nodes of a compute type (halves compute in f32, kept between fused ops); views of values in
memory disappear into the strides of loads; a node knows the axes it varies along, which decides the shape of its tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...fusion.vector_axes import Axes, Dims
from ...fusion.vector_dims import RegionDims
from ...graph.graph import Op, Value, row_major
from ...graph.ops import (
    ArgReduce,
    Binary,
    BitcastConvert,
    BroadcastInDim,
    Compare,
    Constant,
    Convert,
    DynamicSlice,
    GatherSlices,
    Iota,
    Reduce,
    ReducePrecision,
    Reshape,
    Reverse,
    Select,
    Slice,
    Transpose,
    Unary,
)
from ...isa.dtypes import DType

_SHIFT, _AND, _XOR = Binary([], "shr_arithmetic"), Binary([], "and"), Binary([], "xor")
_MAX, _MIN, _MUL, _ADD = Binary([], "max"), Binary([], "min"), Binary([], "mul"), Binary([], "add")
_SMALL_INTEGERS = frozenset(d for d in DType if d.is_integer and d.bytes == 1)
_HALVES = frozenset((DType.f16, DType.bf16))
_SMALL_FLOATS = frozenset(d for d in DType if d.is_float and d not in (DType.f32, DType.f64))


class NotVectorizable(Exception):
    """A region whose axes or ops do not make one kernel; the caller splits it."""


@dataclass(frozen=True)
class DynamicStart:
    """An offset that is data: clamp(value, 0, limit) * stride elements."""

    value: Value
    limit: int
    stride: int


@dataclass(eq=False)
class Access:
    """How a value in memory is indexed: offset + sum over axes of stride * index."""

    value: Value
    strides: dict[int, int]
    offset: int = 0
    dynamic: tuple[DynamicStart, ...] = ()
    by_block: tuple[
        tuple[int, int], ...
    ] = ()  # (axis divided over blocks, elements from one block's part to the next's)


@dataclass(eq=False)
class Node:
    """One expression. `kind` is load, gather (of the offset in elements, from the access's), const, iota, op, cvt, bits, reduce or arg."""

    kind: str
    dtype: DType  # of its tile
    operands: tuple[Node, ...] = ()
    axes: frozenset[int] = frozenset()
    op: Op | None = None
    access: Access | None = None  # load, gather
    coefficients: dict[int, int] = field(default_factory=lambda: {})  # iota
    value: Any = None  # const: a Python number
    reduced: frozenset[int] = frozenset()  # reduce, arg: the axes that disappear


@dataclass(eq=False)
class Store:
    """A node written to a value of the region."""

    access: Access
    node: Node


def reachable(roots: Iterable[Node]) -> list[Node]:
    """Return all nodes under the roots, operands first."""
    order: dict[Node, None] = {}
    stack = [(r, False) for r in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if node in order:
            continue
        if ready:
            order[node] = None
        else:
            stack.append((node, True))
            stack.extend((o, False) for o in reversed(node.operands) if o not in order)
    return list(order)


def is_affine(coefficients: dict[int, int], axes: Sequence[tuple[int, int]]) -> bool:
    """Whether an iota grows by one step along a group of axes, (axis, extent) from outer to inner, counted as one."""
    step = 0
    for axis, extent in reversed(axes):
        own = coefficients.get(axis, 0)
        if (axis, extent) != axes[-1] and extent > 1 and own != step:
            return False
        step = own * extent
    return True


def compute_type(dtype: DType) -> DType:
    """Return the type in which arithmetic on `dtype` is done."""
    return DType.f32 if dtype in _SMALL_FLOATS else dtype


class Expressions:
    """Builds the nodes of a region's ops, which must be in order of definition; pairs of values may be `alike` in axes."""

    def __init__(self, ops: list[Op], alike: Iterable[tuple[Value, Value]] = ()):
        self.space = RegionDims(Axes())
        for op in ops:
            if not self.space.add(op):
                raise NotVectorizable(f"[vector] {op.name} does not share the axes of the region")
        for a, b in alike:
            if not self.space.axes.unify(self.space.of(a), self.space.of(b)):
                raise NotVectorizable("[vector] values that must be indexed alike are not")
        self.space.share_uses()
        self.axes = self.space.axes
        self.merged: dict[int, int] = {}  # extents after merging axes, outer to inner
        self.merged_order: list[int] = []
        self._nodes: dict[Value, Node] = {}
        self._views: dict[Value, Access] = {}
        self._memo: dict[tuple[Any, ...], Node] = {}
        for op in ops:
            self._build(op)

    def dims(self, value: Value) -> Dims:
        """Return the dimensions of a value made in the region, as axes that no longer split."""
        return tuple(map(self.axes.atoms, self.space.dims[value]))

    def dense(self, value: Value, dims: Dims) -> Access:
        """Return the access of a whole row-major value whose dimensions are `dims`."""
        strides: dict[int, int] = {}
        for dim, stride in zip(dims, row_major(value.shape), strict=True):
            for axis in reversed(self.axes.atoms(dim)):
                strides[axis] = stride
                stride *= self.axes.extent[axis]
        return Access(value, strides)

    def store(self, value: Value, of: Value | None = None) -> Store:
        """Return the store of a value made in the region."""
        of = of or value
        return Store(self.dense(value, self.space.dims[of]), self.as_type(self.node(of), value.dtype))

    def view(self, value: Value) -> Access | None:
        """Return how a value is read from memory if it is a view of a value from outside."""
        if value in self._views or value in self.space.dims:
            return self._views.get(value)
        return self.dense(value, self.space.of(value))

    def node(self, value: Value) -> Node:
        """Return the node of an operand or result, in its storage or its compute type."""
        if value not in self._nodes:
            access = self.view(value)
            assert access is not None, "a value is used before its op is built"
            self._nodes[value] = self._load(access)
        return self._nodes[value]

    def as_type(self, node: Node, dtype: DType) -> Node:
        """Return the node converted."""
        if node.dtype is dtype:
            return node
        if node.kind == "const":
            return self._const(np.asarray(node.value).astype(dtype.numpy)[()], dtype)
        if node.kind == "cvt" and node.operands[0].dtype is dtype and compute_type(dtype) is node.dtype:
            return node.operands[0]  # widened from this very type
        if (
            node.kind == "cvt"
            and node.operands[0].dtype in _SMALL_INTEGERS
            and node.dtype in _HALVES
            and dtype is DType.f32
        ):
            return self.as_type(node.operands[0], dtype)  # halves hold these integers exactly
        return self._make("cvt", dtype, (node,), node.axes)

    # --- building ---

    def _make(
        self, kind: str, dtype: DType, operands: tuple[Node, ...], axes: frozenset[int], op: Op | None = None
    ) -> Node:
        key = (kind, dtype, operands, id(op))
        if key not in self._memo:
            self._memo[key] = Node(kind, dtype, operands, axes, op)
        return self._memo[key]

    def _const(self, value: Any, dtype: DType) -> Node:
        number = float(value) if dtype.is_float else int(value)
        key = ("const", dtype, repr(number))
        if key not in self._memo:
            self._memo[key] = Node("const", dtype, value=number)
        return self._memo[key]

    def _load(self, access: Access) -> Node:
        strides = {a: s for a, s in access.strides.items() if s}
        key = ("load", access.value, access.offset, tuple(sorted(strides.items())), access.dynamic)
        if key not in self._memo:
            access = Access(access.value, strides, access.offset, access.dynamic)
            self._memo[key] = Node("load", access.value.dtype, (), frozenset(strides), None, access)
        return self._memo[key]

    def _build(self, op: Op) -> None:
        result = op.results[0]
        if result in self.space.views:
            access = self._view_access(op)
            self._views[result] = access
            self._nodes[result] = self._load(access)
        elif isinstance(op, (Reshape, Transpose, BroadcastInDim)):
            self._nodes[result] = self.node(op.operands[0])
        else:
            self._nodes[result] = self._compute(op)

    def _compute(self, op: Op) -> Node:
        result = op.results[0]
        compute = compute_type(result.dtype)
        if isinstance(op, Constant):
            assert op.splat is not None, "a constant that is no splat is an input of its region"
            return self._const(op.splat, result.dtype)
        if isinstance(op, Iota):
            access = self.dense(result, tuple(d if i == op.dimension else () for i, d in enumerate(self.dims(result))))
            unit = row_major(result.shape)[op.dimension]
            coefficients = {a: s // unit for a, s in access.strides.items()}
            dtype = compute if result.dtype is not DType.i1 else DType.i32
            return Node("iota", dtype, axes=frozenset(coefficients), coefficients=coefficients)
        if isinstance(op, (Reduce, ArgReduce)):
            return self._reduction(op)
        if isinstance(op, GatherSlices):
            return self._gather(op)
        nodes = [self.node(v) for v in op.operands]
        axes = frozenset[int]().union(*(n.axes for n in nodes))
        if isinstance(op, Convert):
            source = op.operands[0].dtype
            if result.dtype is source:
                return nodes[0]
            return self.as_type(self.as_type(nodes[0], compute_type(source)), result.dtype)
        if isinstance(op, BitcastConvert):
            stored = self.as_type(nodes[0], op.operands[0].dtype)
            return stored if result.dtype is stored.dtype else self._make("bits", result.dtype, (stored,), axes)
        if isinstance(op, Select):
            mask, a, b = nodes
            dtype = a.dtype if a.kind != "const" else b.dtype
            if not all(n.dtype is dtype or n.kind == "const" for n in (a, b)):
                dtype = compute
            return self._make("op", dtype, (mask, self.as_type(a, dtype), self.as_type(b, dtype)), axes, op)
        if isinstance(op, (Unary, Binary, Compare, ReducePrecision)):
            if any(v.dtype.kind == "c" for v in (*op.operands, result)):
                raise NotVectorizable(f"[vector] {op.name} at {op.loc}: complex numbers have no vector instructions")
            typed = tuple(self.as_type(n, compute_type(v.dtype)) for n, v in zip(nodes, op.operands, strict=True))
            if isinstance(op, Unary) and op.kind == "is_finite":  # f32 holds what overflows a smaller type
                typed = (self.as_type(typed[0], op.operands[0].dtype),)
            if isinstance(op, Compare) and op.total_order and typed[0].dtype.is_float:
                typed = tuple(map(self._ordered_bits, typed))
            dtype = DType.i1 if result.dtype is DType.i1 else compute
            return self._make("op", dtype, typed, axes, op)
        raise NotVectorizable(f"[vector] {op.name} at {op.loc} is no vector op")

    def _ordered_bits(self, x: Node) -> Node:
        """Return integers that order as floats do in IEEE's total order: the bits, negative ones mirrored."""
        integer = DType.of_numpy(f"i{x.dtype.bytes}")
        bits = 8 * x.dtype.bytes - 1
        if x.kind == "const":
            number = int(np.asarray(x.value, x.dtype.numpy).view(integer.numpy))
            return self._const(number ^ ((number >> bits) & (2**bits - 1)), integer)
        whole = self._make("bits", integer, (x,), x.axes)
        sign = self._make("op", integer, (whole, self._const(bits, integer)), x.axes, _SHIFT)
        mirror = self._make("op", integer, (sign, self._const(2**bits - 1, integer)), x.axes, _AND)
        return self._make("op", integer, (whole, mirror), x.axes, _XOR)

    def _reduction(self, op: Reduce | ArgReduce) -> Node:
        x, result = op.operands[0], op.results[0]
        gone = (op.dimension,) if isinstance(op, ArgReduce) else op.dimensions
        dims = tuple(map(self.axes.atoms, self.space.of(x)))
        reduced = frozenset(a for d in gone for a in dims[d])
        operand = self.as_type(self.node(x), compute_type(x.dtype))
        if isinstance(op, ArgReduce):
            operand = self.as_type(operand, DType.i32) if operand.dtype is DType.i1 else operand
            found = Node("arg", DType.i32, (operand,), operand.axes - reduced, op, reduced=reduced)
            return self.as_type(found, compute_type(result.dtype))
        if not reduced:
            return operand
        return Node("reduce", operand.dtype, (operand,), operand.axes - reduced, op, reduced=reduced)

    def _gather(self, op: GatherSlices) -> Node:
        x, *starts = op.operands
        base, steps = self._steps(x)
        offset = self._const(0, DType.i32)
        for start, d in zip(starts, op.index_map, strict=True):
            limit = x.shape[d] - op.slice_sizes[d]
            if limit and steps[d]:
                at = self._clamped(self.as_type(self.node(start), DType.i32), limit)
                if steps[d] != 1:
                    at = self._make("op", DType.i32, (at, self._const(steps[d], DType.i32)), at.axes, _MUL)
                offset = (
                    self._make("op", DType.i32, (offset, at), offset.axes | at.axes, _ADD)
                    if offset.kind != "const"
                    else at
                )
        strides: dict[int, int] = {}
        for dim, step in zip(self.dims(op.results[0])[1:], steps, strict=True):
            for axis in reversed(dim):
                strides[axis] = step
                step *= self.axes.extent[axis]
        access = Access(base.value, {a: s for a, s in strides.items() if s}, base.offset, base.dynamic)
        return Node("gather", x.dtype, (offset,), offset.axes | frozenset(access.strides), op, access)

    def _clamped(self, x: Node, limit: int) -> Node:
        """Return max(0, min(x, limit)), or x itself where it counts from 0 to no more."""
        most = sum((self.axes.extent[a] - 1) * c for a, c in x.coefficients.items())
        if x.kind == "iota" and most <= limit:
            return x
        for kind, number in ((_MAX, 0), (_MIN, limit)):
            x = self._make("op", DType.i32, (x, self._const(number, DType.i32)), x.axes, kind)
        return x

    # --- views of values in memory ---

    def _view_access(self, op: Op) -> Access:
        x = op.operands[0]
        if isinstance(op, (Slice, Reverse, DynamicSlice)):
            return self._window(op)
        # The axes are the same; only the order of dimensions differs.
        return self._views[x] if x in self._views else self.dense(x, self.space.use_of[op])

    def _window(self, op: Slice | Reverse | DynamicSlice) -> Access:
        x, result = op.operands[0], op.results[0]
        base, steps = self._steps(x)
        offset, strides, dynamic = base.offset, dict[int, int](), list(base.dynamic)
        for d, (dim, step) in enumerate(zip(self.dims(result), steps, strict=True)):
            if isinstance(op, Slice):
                offset += op.start[d] * step
                step *= op.stride[d]
            elif isinstance(op, Reverse):
                if d in op.dimensions:
                    offset += (x.shape[d] - 1) * step
                    step = -step
            elif x.shape[d] > op.sizes[d] and step:
                start, limit = op.operands[1 + d], x.shape[d] - op.sizes[d]
                if isinstance(start.producer, Constant) and start.producer.splat is not None:
                    offset += min(max(int(start.producer.splat), 0), limit) * step
                else:
                    dynamic.append(DynamicStart(start, limit, step))
            for axis in reversed(dim):
                strides[axis] = step
                step *= self.axes.extent[axis]
        return Access(base.value, strides, offset, tuple(dynamic))

    def _steps(self, x: Value) -> tuple[Access, list[int]]:
        """Return how a value in memory, or a view of one, is read, and the stride of each of its dimensions."""
        if x not in self._views:
            return Access(x, {}), list(row_major(x.shape))
        base = self._views[x]
        return base, [self._uniform(base, dim) for dim in self.dims(x)]

    def _uniform(self, access: Access, dim: tuple[int, ...]) -> int:
        """Return the stride of a dimension whose axes nest; NotVectorizable if they do not."""
        if not dim:
            return 0
        stride = step = access.strides.get(dim[-1], 0)
        for axis in reversed(dim):
            if access.strides.get(axis, 0) != step:
                raise NotVectorizable("[vector] a slice of a dimension that is not evenly spaced in memory")
            step *= self.axes.extent[axis]
        return stride
