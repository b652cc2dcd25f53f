"""Which axes index each value of a vector region, op by op.

    y = reduce add(x[r, c]) over 1        ->  x: (r)(c)   y: (r)
    z = reshape(x[32, 6] -> [2, 16, 6])   ->  r = (r0: 2, r1: 16);  z: (r0)(r1)(c)

Values from outside are read through any affine map, so a slice, a reverse or a dynamic slice of one starts new axes.
The same rules serve fusion, which tries them, and code generation, which relies on them.
"""

from __future__ import annotations

from ..graph.graph import Op, Value
from ..graph.ops import (
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
from .vector_axes import Axes, Dims

ELEMENTWISE = (Unary, Binary, Compare, Select, Convert, ReducePrecision)
POINTWISE = (
    *ELEMENTWISE,
    BitcastConvert,
    BroadcastInDim,
    Constant,
    Iota,
    Reshape,
    Transpose,
)  # an element from one of each
VIEWS = (Slice, Reverse, DynamicSlice)  # of values in memory (or views of them) only
_NONE: frozenset[int] = frozenset()


class RegionDims:
    """What is known of a region's index spaces."""

    def __init__(self, axes: Axes):
        self.axes = axes
        self.dims: dict[Value, Dims] = {}  # values made in the region
        self.uses: dict[Value, list[Dims]] = {}  # values from outside: elementwise uses, then each view
        self.use_of: dict[Op, Dims] = {}  # per view op of a value from outside the use it makes
        self.rigid: set[Value] = set()  # values from outside that are read through a view as well
        self.views: dict[Value, Value] = {}  # values made in the region that only show an outside one
        self.removed: dict[Value, frozenset[int]] = {}  # axes reduced on the way to a value
        self.serial: set[int] = set()  # axes reduced and then brought back: one block needs them all

    def of(self, value: Value) -> Dims:
        """Return the dimensions of an operand; the elementwise uses of a value from outside share theirs."""
        if value in self.dims:
            return self.dims[value]
        uses = self.uses.setdefault(value, [])
        if not uses:
            uses.append(self.axes.fresh_dims(value.shape))
        return uses[0]

    def _of_view(self, op: Op) -> Dims:
        """Return the dimensions of the operand of a view; a value from outside gets axes for this use alone."""
        x = op.operands[0]
        if x in self.dims:
            return self.dims[x]
        dims = self.use_of[op] = self.axes.fresh_dims(x.shape)
        self.of(x)
        self.uses[x].append(dims)
        return dims

    def share_uses(self) -> None:
        """Identify the uses of each value from outside where nothing speaks against it: one load serves them."""
        for uses in self.uses.values():
            for other in uses[1:]:
                mark = self.axes.mark()
                if not self.axes.unify(uses[0], other):
                    self.axes.rollback(mark)

    def add(self, op: Op) -> bool:
        """Infer the dimensions of an op's result; False if its axes cannot be reconciled (roll back then)."""
        dims = self._infer(op)
        if dims is None or not self.axes.together(dims):
            return False
        result = op.results[0]
        self.dims[result] = dims
        removed = _NONE.union(*(self.removed.get(v, ()) for v in op.operands))
        if isinstance(op, (Reduce, ArgReduce)):
            gone = (op.dimension,) if isinstance(op, ArgReduce) else op.dimensions
            removed |= {a for d in gone for a in self.of(op.operands[0])[d]}
        elif isinstance(op, BroadcastInDim) and removed and op.results[0].type.size > op.operands[0].type.size:
            self.serial |= removed
            removed = _NONE
        if removed:
            self.removed[result] = removed
        return True

    def _infer(self, op: Op) -> Dims | None:
        if isinstance(op, ELEMENTWISE) or (
            isinstance(op, BitcastConvert) and op.operands[0].shape == op.results[0].shape
        ):
            first = self.of(op.operands[0])
            for other in op.operands[1:]:
                if not self.axes.unify(first, self.of(other)):
                    return None
            return first
        if isinstance(op, (Constant, Iota)):
            return self.axes.fresh_dims(op.results[0].shape)
        if not op.operands:  # the device's number
            return None
        x = op.operands[0]
        if isinstance(op, VIEWS):
            return self._view(op)
        if isinstance(op, GatherSlices):
            return self._gather(op)
        dims = self._of_view(op) if isinstance(op, (Reshape, Transpose, BroadcastInDim)) else self.of(x)
        if isinstance(op, (Reshape, Transpose, BroadcastInDim)) and (x in self.views or x not in self.dims):
            self.views[op.results[0]] = self.views.get(x, x)
        if isinstance(op, Reshape):
            return self.axes.regroup(dims, op.results[0].shape)
        if isinstance(op, Transpose):
            return tuple(dims[p] for p in op.permutation)
        if isinstance(op, BroadcastInDim):
            shape = op.results[0].shape
            source = dict(zip(op.dimensions, range(len(dims)), strict=True))
            return tuple(
                dims[source[d]] if d in source and x.shape[source[d]] == n else self.axes.fresh(n)
                for d, n in enumerate(shape)
            )
        if isinstance(op, Reduce):
            return tuple(d for i, d in enumerate(dims) if i not in op.dimensions)
        if isinstance(op, ArgReduce):
            return tuple(d for i, d in enumerate(dims) if i != op.dimension)
        return None

    def _gather(self, op: GatherSlices) -> Dims | None:
        """The starts' axis, and fresh ones for the window of a value in memory."""
        x, *starts = op.operands
        if x in self.dims and x not in self.views:
            return None
        first = self.of(starts[0])
        if not all(self.axes.unify(first, self.of(other)) for other in starts[1:]):
            return None
        self.rigid.add(self.views.get(x, x))
        return (*first, *self.axes.fresh_dims(op.slice_sizes))

    def _view(self, op: Op) -> Dims | None:
        x, result = op.operands[0], op.results[0]
        starts = [v for v in op.operands[1:] if not isinstance(v.producer, Constant)]
        if (x in self.dims and x not in self.views) or any(v in self.dims for v in starts):
            return None
        base = self.views.get(x, x)
        self.rigid.update((base, *starts))
        self.views[result] = base
        return self.axes.fresh_dims(result.shape)
