"""Sum a softmax's gradient over the columns of the result instead of the keys, so that no row of scores is needed for it.

    o = w v          w = e / z              o = w v
    d = g vT                         ->     d = g vT
    r = sum_k d e / z^2                     r = sum_c g o / z

Both are sum_k,c g[m, c] e[m, k] v[k, c] / z[m]^2. What is proven: under the sum stands d times w times what is the same along the
row, up to rounding; d and o read the same v. Then a kernel that makes the scores a block at a time knows r before it begins
(FlashAttention: Dao et al., 2022).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite

from ..codegen.cube.dot import LAYOUT_OPS, Strided, views_of, whole
from ..codegen.vector.nodes import Expressions, Node, NotVectorizable
from ..fusion.vector_axes import Dims
from ..fusion.vector_dims import POINTWISE
from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.ops import Binary, Constant, Convert, Dot, Reduce, Reshape, Select, Transpose, Unary
from ..graph.rewrite import rewrite
from ..isa.dtypes import DType

_MOST_OPS = 64  # that make what is summed

Label = tuple[str, int]  # an axis of the scores, or a stride of v's columns


def sum_over_results(module: Module, target: object) -> None:
    """Rewrite such sums of the module's graphs, in place."""
    rewrite(module.main, _Rule())


class _Rule:
    """Remembers the products met so far by what they read."""

    def __init__(self) -> None:
        self.position: dict[Op, int] = {}
        self.readers: dict[Value, list[Dot]] = {}
        self.users: dict[Value, list[Op]] = {}

    def __call__(self, op: Op, b: Builder) -> list[Value] | None:
        self.position[op] = len(self.position)
        for v in dict.fromkeys(op.operands):
            self.users.setdefault(v, []).append(op)
        if isinstance(op, Dot):
            for v in op.operands:
                self.readers.setdefault(_base(v), []).append(op)
        if not isinstance(op, Reduce) or op.kind != "add" or not op.result.dtype.is_float:
            return None
        (x,) = op.operands
        under = expression_ops([x])
        if under is None:
            return None
        for d in dict.fromkeys(v.producer for o in under for v in o.operands):
            if not isinstance(d, Dot) or d.result.type.size != x.type.size or d not in self.position:
                continue
            for side, v in enumerate(d.operands):
                for o in self.readers[_base(v)]:
                    if o is not d and (new := self._rewritten(op, d, side, o, b)) is not None:
                        return [new]
        return None

    def _rewritten(self, total: Reduce, d: Dot, side: int, o: Dot, b: Builder) -> Value | None:
        """Return the sum over the columns of `o`, where `d` reads v as operand `side`; None if it is not proven the same."""
        at = _base(o.operands[0]) is not _base(d.operands[side])
        weights = o.operands[not at]
        (x,) = total.operands
        ops = expression_ops([x, weights])
        if ops is None or weights.type.size != x.type.size:
            return None
        ops.sort(key=lambda op: self.position.get(op, -1))
        try:
            e = Expressions(ops)
        except NotVectorizable:
            return None
        if x not in e.space.dims:
            return None
        atoms = e.axes.atoms
        dims_x, dims_d = e.dims(x), tuple(map(atoms, e.space.of(d.result)))
        dims_w = tuple(map(atoms, e.space.of(weights)))
        keys = frozenset(a for i in total.dimensions for a in dims_x[i])
        factor = _quotient(e.node(x), e.node(weights), d.result, keys)
        if factor is None:
            return None
        one, other = _Operands(d, side, dims_d), _Operands(o, at, None, dims_w)
        extent = e.axes.extent
        if one.of_v(extent) is None or one.of_v(extent) != other.of_v(extent):
            return None
        if frozenset(a for dim in one.keys for a in dim) != keys:
            return None
        gradient, g_labels = d.operands[1 - side], one.of_other()
        wanted = [("axis", a) for i, dim in enumerate(dims_x) if i not in total.dimensions for a in dim]
        columns = [x for x in g_labels if x[0] == "column"]
        size = {("axis", a): extent[a] for dim in dims_x for a in dim} | one.columns
        result, o_labels = self._stored(o.result, other.of_result(), size)
        if sorted(g_labels) != sorted(o_labels) or sorted(wanted + columns) != sorted(g_labels):
            return None
        wide = gradient.dtype if gradient.dtype is DType.f64 else DType.f32

        def spread(value: Value, labels: list[Label], into: list[Label]) -> Value:
            value = b.reshape(b.convert(value, wide), tuple(size[x] for x in labels))
            return b.transpose(value, [labels.index(x) for x in into])

        order = [*wanted, *columns]
        product = b.binary("mul", spread(gradient, g_labels, order), spread(result, o_labels, order))
        r = b.reduce("add", product, range(len(wanted), len(order)))
        for node, power in factor.powers.items():
            row = _row(node, e, wanted)
            if row is None:
                return None
            value, labels, dims = row
            value = b.reshape(b.convert(value, wide), tuple(size[x] for x in labels))
            value = b.broadcast(value, r.shape, dims)
            for _ in range(abs(power)):
                r = b.binary("mul" if power > 0 else "div", r, value)
        if factor.scale != 1:
            r = b.binary("mul", r, b.like(r, factor.scale))
        return b.convert(b.reshape(r, total.result.shape), total.result.dtype)

    def _stored(self, result: Value, labels: list[Label], size: dict[Label, int]) -> tuple[Value, list[Label]]:
        """Return a product's result as the program goes on with it, which is what will be in memory, and its labels."""
        while len(users := self.users.get(result, ())) == 1:
            (op,) = users
            if isinstance(op, Transpose):
                rest, dims = list(labels), list[list[Label]]()
                for n in result.shape:
                    dims.append([])
                    while n > 1 and rest and n % size[rest[0]] == 0:
                        n //= size[rest[0]]
                        dims[-1].append(rest.pop(0))
                    if n > 1:
                        return result, labels
                labels = [x for p in op.permutation for x in dims[p]]
            elif not isinstance(op, Reshape) and not (isinstance(op, Convert) and op.results[0].dtype.is_float):
                break
            result = op.results[0]
        return result, labels


def _base(value: Value) -> Value:
    while isinstance(value.producer, LAYOUT_OPS):
        value = value.producer.operands[0]
    return value


def expression_ops(roots: Iterable[Value], most: int = _MOST_OPS) -> list[Op] | None:
    """Return the elementwise ops and views behind values, in no order; None if they are more than `most`."""
    found: dict[Op, None] = {}
    stack = list(roots)
    while stack:
        op = stack.pop().producer
        if (
            op is None
            or op in found
            or not isinstance(op, POINTWISE)
            or (isinstance(op, Constant) and op.splat is None)
        ):
            continue
        found[op] = None
        stack += op.operands
        if len(found) > most:
            return None
    return list(found)


@dataclass
class _Factors:
    """scale * product of powers of nodes, where all `kept` conditions hold, 0 elsewhere; up to rounding."""

    scale: float = 1.0
    powers: Counter[Node] = field(default_factory=Counter[Node])
    kept: set[tuple[Node, int]] = field(default_factory=set[tuple[Node, int]])

    def take(self, node: Node, power: int) -> None:
        """Multiply by a node."""
        op = node.op
        if node.kind == "const" and isfinite(node.value) and node.value != 0:
            self.scale *= float(node.value) ** power
        elif node.kind == "cvt" and node.dtype.is_float and node.operands[0].dtype.is_float:
            self.take(node.operands[0], power)
        elif isinstance(op, Binary) and op.kind in ("mul", "div"):
            self.take(node.operands[0], power)
            self.take(node.operands[1], power if op.kind == "mul" else -power)
        elif isinstance(op, Unary) and op.kind == "neg":
            self.scale = -self.scale
            self.take(node.operands[0], power)
        elif isinstance(op, Select) and power == 1 and (side := _not_zero(node)):
            self.kept.add((node.operands[0], side))
            self.take(node.operands[side], 1)
        else:
            self.powers[node] += power


def _not_zero(select: Node) -> int:
    """Return which operand a select takes where it is not 0; 0 if neither is 0."""
    zero = [x.kind == "const" and x.value == 0 for x in select.operands]
    return 1 if zero[2] and not zero[1] else 2 if zero[1] and not zero[2] else 0


def _quotient(x: Node, weights: Node, d: Value, keys: frozenset[int]) -> _Factors | None:
    """Return x / (d * weights), if that is the same along the keys."""
    above, below = _Factors(), _Factors()
    above.take(x, 1)
    below.take(weights, 1)
    if above.kept != below.kept or not keys <= weights.axes:
        return None
    above.scale /= below.scale
    above.powers.subtract(below.powers)
    made = [n for n in above.powers if n.access is not None and n.access.value is d]
    if len(made) != 1 or above.powers.pop(made[0]) != 1:
        return None
    above.powers = Counter({n: p for n, p in above.powers.items() if p})
    return None if any(n.axes & keys for n in above.powers) else above


def _row(node: Node, e: Expressions, wanted: list[Label]) -> tuple[Value, list[Label], tuple[int, ...]] | None:
    """Return a loaded node as a value, the labels of its axes, and which of the wanted ones they are; None if it is no row."""
    if node.access is None or node.access.offset or node.access.dynamic:
        return None
    value = node.access.value
    dims = tuple(map(e.axes.atoms, e.space.of(value)))
    if {a: s for a, s in e.dense(value, dims).strides.items() if s} != node.access.strides:
        return None
    labels = [("axis", a) for dim in dims for a in dim]
    if not set(labels) <= set(wanted):
        return None
    return value, labels, tuple(map(wanted.index, labels))


class _Operands:
    """The dimensions of a product that reads v, with the scores' axes: those of its result, or of its other operand."""

    def __init__(self, dot: Dot, side: int, result: Dims | None, other: Dims | None = None):
        batch = (dot.lhs_batch, dot.rhs_batch)
        over = (dot.lhs_contracting, dot.rhs_contracting)
        free = dot.free()
        self.dot, self.side = dot, side
        self.view = _view(dot.operands[side])
        v, x = side, 1 - side
        first = len(batch[0])
        if result is not None:  # columns are summed over
            own = {0: first, 1: first + len(free[0])}
            self.batch = [result[i] for i in range(first)]
            self.rows = [result[own[x] + i] for i in range(len(free[x]))]
            self.keys = [result[own[v] + i] for i in range(len(free[v]))]
            self.key_dims, self.column_dims = free[v], over[v]
        else:
            assert other is not None, "either the result's or the other operand's axes are known"
            self.batch = [other[d] for d in batch[x]]
            self.rows = [other[d] for d in free[x]]
            self.keys = [other[d] for d in over[x]]
            self.key_dims, self.column_dims = over[v], free[v]
        self.batch_v, self.batch_x, self.free_x, self.over_x = batch[v], batch[x], free[x], over[x]
        view = self.view
        self.columns: dict[Label, int] = (
            {("column", view.strides[d]): view.shape[d] for d in self.column_dims if view.shape[d] > 1} if view else {}
        )

    def of_v(self, extent: list[int]) -> tuple[int, dict[int, int], dict[Label, int]] | None:
        """Return v's offset, its strides by axis, and its columns; None if it is not read in strides."""
        if self.view is None or len(self.columns) < sum(self.view.shape[d] > 1 for d in self.column_dims):
            return None
        strides: dict[int, int] = {}
        for dim, d in zip((*self.batch, *self.keys), (*self.batch_v, *self.key_dims), strict=True):
            stride = self.view.strides[d]
            for axis in reversed(dim):
                strides[axis] = stride
                stride *= extent[axis]
        return self.view.offset, strides, self.columns

    def _column(self, i: int) -> list[Label]:
        assert self.view is not None
        d = self.column_dims[i]
        return [("column", self.view.strides[d])] if self.view.shape[d] > 1 else []

    def of_other(self) -> list[Label]:
        """Return the labels of the other operand's elements, outer to inner, where the columns are summed over."""
        operand = self.dot.operands[1 - self.side]
        labels: list[list[Label]] = [[] for _ in operand.shape]
        for dim, d in zip((*self.batch, *self.rows), (*self.batch_x, *self.free_x), strict=True):
            labels[d] = [("axis", a) for a in dim]
        for i, d in enumerate(self.over_x):
            labels[d] = self._column(i)
        return [x for dim in labels for x in dim]

    def of_result(self) -> list[Label]:
        """Return the labels of the result's elements, where the keys are summed over."""
        rows = [("axis", a) for dim in self.rows for a in dim]
        columns = [x for i in range(len(self.column_dims)) for x in self._column(i)]
        batch = [("axis", a) for dim in self.batch for a in dim]
        return [*batch, *(rows + columns if self.side else columns + rows)]


def _view(value: Value) -> Strided | None:
    chain: list[Op] = []
    x = value
    while isinstance(x.producer, LAYOUT_OPS):
        chain.append(x.producer)
        x = x.producer.operands[0]
    return views_of(chain[::-1]).get(value) if chain else whole(value)
