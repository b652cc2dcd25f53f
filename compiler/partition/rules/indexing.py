"""Ops whose addresses are data.

What is taken or written entirely along a dimension lets that be cut, and so do dimensions of the indices. A dimension that
is indexed, one element at a time, may be cut too: a device looks up what it has, and gives zeros for the rest; it writes what
falls into its part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...graph import ops
from ...graph.builder import Builder
from ...graph.graph import Op, TensorType, Value
from ...graph.identities import neutral_element
from ...isa.dtypes import DType
from ..plan import Factors, Part, Plan
from .shape import replace_op

_LARGEST = (1 << 31) - 1


def can_look_up(dtype: DType) -> bool:
    """Whether zeros and one element can be put together bit by bit."""
    return dtype.kind != "c" and (dtype.kind == "b" or dtype.bits % 8 == 0)


@dataclass(frozen=True)
class _Indices:
    """The indices of a gather or scatter: `column[d]` of a vector along `vector` is the place along operand dimension d."""

    vector: int
    column: dict[int, int]
    batch: list[int]  # the other dimensions


def _indices(indices: Value, vector: int, mapped: Sequence[int]) -> _Indices:
    others = [d for d in range(indices.type.rank) if d != vector]
    return _Indices(vector, {d: i for i, d in enumerate(mapped)}, others)


def gather(op: ops.Gather) -> Plan:
    """Dimensions of the indices, those taken entirely, and those looked up."""
    f = Factors()
    (x, indices), y = op.operands, op.result
    index = _indices(indices, op.index_vector_dim, op.start_index_map)
    place: list[tuple[int, ...]] = [()] * indices.type.rank
    source: list[tuple[int, ...]] = [()] * x.type.rank
    out: list[tuple[int, ...]] = [()] * y.type.rank
    outer = [d for d in range(y.type.rank) if d not in op.offset_dims]
    for d, o in zip(index.batch, outer, strict=True):
        place[d] = out[o] = (f.new(y.shape[o]),)
    for d, at in zip(op.operand_batching_dims, op.start_indices_batching_dims, strict=True):
        source[d] = place[at]
    kept = [d for d in range(x.type.rank) if d not in (*op.collapsed_slice_dims, *op.operand_batching_dims)]
    for d, o in zip(kept, op.offset_dims, strict=True):
        if op.slice_sizes[d] == x.shape[d]:
            source[d] = out[o] = (f.new(x.shape[d]),)
    looked_up: dict[int, int] = {}
    if can_look_up(x.dtype) and y.type.bytes <= 2 * x.type.bytes:  # else it is cheaper to bring x together
        for d in index.column:
            if op.slice_sizes[d] == 1 < x.shape[d]:
                looked_up[d] = f.new(x.shape[d])
                source[d] = (looked_up[d],)

    def local(part: Part) -> Sequence[Value]:
        b, (table, at), (type,) = part.b, part.operands, part.types
        sizes = tuple(table.shape[d] if n == x.shape[d] else n for d, n in enumerate(op.slice_sizes))
        starts = {d: part.start(k) for d, k in looked_up.items() if part.extent(k) > 1}
        inside: Value | None = None
        if starts:
            limits = {d: (0, x.shape[d] - 1) for d in starts}
            at, columns = _moved(b, at, index, starts, limits)
            for d, column in columns.items():
                test = _within(b, column, table.shape[d])
                inside = test if inside is None else b.binary("and", inside, test)
        y = b.emit(replace_op(op, [table, at], slice_sizes=sizes), type)
        if inside is None:
            return [y]
        mask = b.broadcast(b.reshape(inside, tuple(type.shape[o] for o in outer)), type.shape, tuple(outer))
        return [b.select(mask, y, b.like(y, 0))]

    reductions = dict.fromkeys(looked_up.values(), "bits")
    return Plan(f.sizes, [tuple(source), tuple(place)], [tuple(out)], reductions, local=local)


def scatter(op: ops.Scatter) -> Plan:
    """Dimensions written entirely, those written one element at a time, and updates, whose parts are combined."""
    f = Factors()
    x, indices, updates = op.operands
    index = _indices(indices, op.index_vector_dim, op.scatter_dims_to_operand_dims)
    place: list[tuple[int, ...]] = [()] * indices.type.rank
    target: list[tuple[int, ...]] = [()] * x.type.rank
    new: list[tuple[int, ...]] = [()] * updates.type.rank
    outer = [d for d in range(updates.type.rank) if d not in op.update_window_dims]
    reductions: dict[int, str] = {}
    for d, o in zip(index.batch, outer, strict=True):
        if d in op.scatter_indices_batching_dims:
            place[d] = new[o] = (f.new(updates.shape[o]),)
        elif op.kind in ("add", "mul", "min", "max", "and", "or"):
            place[d] = new[o] = (f.new(updates.shape[o]),)
            reductions[place[d][0]] = op.kind
    for d, at in zip(op.input_batching_dims, op.scatter_indices_batching_dims, strict=True):
        target[d] = place[at]
    window = iter(op.update_window_dims)
    written: dict[int, int] = {}
    for d, n in enumerate(x.shape):
        if d in op.input_batching_dims:
            continue
        o = None if d in op.inserted_window_dims else next(window)
        size = 1 if o is None else updates.shape[o]
        if o is not None and size == n:
            target[d] = new[o] = (f.new(n),)
        elif size == 1 and d in index.column:
            written[d] = f.new(n)
            target[d] = (written[d],)

    def local(part: Part) -> Sequence[Value]:
        b, (start, at, parts), (type,) = part.b, part.operands, part.types
        starts = {d: part.start(k) for d, k in written.items() if part.extent(k) > 1}
        if starts:
            at, _ = _moved(b, at, index, starts, {d: (-1, x.shape[d]) for d in starts})
        axes = tuple(a for k in reductions for a in part.axes[k])
        if axes:
            first = b.compare("EQ", part.part_number(part.mesh, axes, 1), b.constant(0, TensorType((), DType.i32)))
            start = b.select(b.broadcast(first, type.shape), start, b.like(start, neutral_element(op.kind, type.dtype)))
        return part.emit(replace_op(part.op, [start, at, parts]))

    dims = [tuple(target), tuple(place), tuple(new)]
    return Plan(f.sizes, dims, [tuple(target)], reductions, local=local)


def _moved(
    b: Builder, indices: Value, index: _Indices, starts: dict[int, Value], limits: dict[int, tuple[int, int]]
) -> tuple[Value, dict[int, Value]]:
    """Return indices as i32, counted from `starts` along some dimensions, where they are clamped to `limits` before.

    Also the columns of those dimensions.
    """
    rank = indices.type.rank
    vectors = indices if index.vector < rank else b.reshape(indices, (*indices.shape, 1))
    found: list[Value] = []
    columns: dict[int, Value] = {}
    for d, i in index.column.items():
        column = b.slice_dim(vectors, index.vector, i, i + 1)
        low, high = limits.get(d, (-_LARGEST - 1, _LARGEST))
        column = as_i32(b, column, low, high)
        if d in starts:
            column = columns[d] = b.binary("sub", column, b.broadcast(starts[d], column.shape))
        found.append(column)
    return b.reshape(b.concatenate(found, index.vector), indices.shape), columns


def as_i32(b: Builder, x: Value, low: int, high: int) -> Value:
    """Return integers clamped to a range of i32, as i32."""
    if x.dtype.bytes < 4:
        x = b.convert(x, DType.i32)
    if x.dtype.kind == "i" and (x.dtype is not DType.i32 or low > -_LARGEST - 1):
        x = b.binary("max", x, b.like(x, low))
    if x.dtype is not DType.i32 or high < _LARGEST:
        x = b.binary("min", x, b.like(x, high))
    return b.convert(x, DType.i32)


def _within(b: Builder, x: Value, size: int) -> Value:
    """Return where 0 <= x < size."""
    return b.binary("and", b.compare("GE", x, b.like(x, 0)), b.compare("LT", x, b.like(x, size)))


def dynamic_slice(op: ops.DynamicSlice) -> Plan:
    """Dimensions taken entirely, and those of which one element is taken, which one device has."""
    f = Factors()
    x = op.operands[0]
    source: list[tuple[int, ...]] = [()] * x.type.rank
    out: list[tuple[int, ...]] = [()] * x.type.rank
    looked_up: dict[int, int] = {}
    for d, (n, size) in enumerate(zip(x.shape, op.sizes)):
        if size == n and n != 1:
            source[d] = out[d] = (f.new(n),)
        elif size == 1 < n and can_look_up(x.dtype):
            looked_up[d] = f.new(n)
            source[d] = (looked_up[d],)

    def local(part: Part) -> Sequence[Value]:
        b, (part_of, *starts), (type,) = part.b, part.operands, part.types
        inside: Value | None = None
        for d, k in looked_up.items():
            if part.extent(k) > 1:
                starts[d] = b.binary("sub", as_i32(b, starts[d], 0, x.shape[d] - 1), part.start(k))
                test = _within(b, starts[d], part_of.shape[d])
                inside = test if inside is None else b.binary("and", inside, test)
        y = b.emit(replace_op(op, [part_of, *starts], sizes=type.shape), type)
        return [y if inside is None else b.select(b.broadcast(inside, type.shape), y, b.like(y, 0))]

    reductions = dict.fromkeys(looked_up.values(), "bits")
    none = [()] * (len(op.operands) - 1)
    return Plan(f.sizes, [tuple(source), *none], [tuple(out)], reductions, local=local)


def dynamic_update_slice(op: ops.DynamicUpdateSlice) -> Plan:
    """Dimensions written entirely, and those of which one element is written, by the device that has it."""
    f = Factors()
    x, update = op.operands[:2]
    target: list[tuple[int, ...]] = [()] * x.type.rank
    new: list[tuple[int, ...]] = [()] * x.type.rank
    written: dict[int, int] = {}
    for d, (n, size) in enumerate(zip(x.shape, update.shape)):
        if size == n and n != 1:
            target[d] = new[d] = (f.new(n),)
        elif size == 1 < n:
            written[d] = f.new(n)
            target[d] = (written[d],)

    def local(part: Part) -> Sequence[Value]:
        b, (old, piece, *starts), (type,) = part.b, part.operands, part.types
        inside: Value | None = None
        for d, k in written.items():
            if part.extent(k) > 1:
                starts[d] = b.binary("sub", as_i32(b, starts[d], 0, x.shape[d] - 1), part.start(k))
                test = _within(b, starts[d], old.shape[d])
                inside = test if inside is None else b.binary("and", inside, test)
        if inside is not None:
            stays = b.emit(ops.DynamicSlice([old, *starts], piece.shape), piece.type)
            piece = b.select(b.broadcast(inside, piece.shape), piece, stays)
        return [b.emit(replace_op(op, [old, piece, *starts]), type)]

    none = [()] * (len(op.operands) - 2)
    return Plan(f.sizes, [tuple(target), tuple(new), *none], [tuple(target)], local=local)


def gather_slices(op: ops.GatherSlices) -> Plan:
    """The starts, and dimensions taken entirely."""
    f = Factors()
    x, *starts = op.operands
    batch = f.each(op.result.shape[:1])
    source = f.each(x.shape, [d for d, n in enumerate(op.slice_sizes) if n != x.shape[d]])

    def local(part: Part) -> Sequence[Value]:
        return part.emit(replace_op(op, part.operands, slice_sizes=part.types[0].shape[1:]))

    return Plan(f.sizes, [source, *[batch] * len(starts)], [batch + source], local=local)


def scatter_slices(op: ops.ScatterSlices) -> Plan:
    """Dimensions written entirely."""
    f = Factors()
    x, _, updates = op.operands
    target = f.each(x.shape, [d for d, n in enumerate(updates.shape[1:]) if n != x.shape[d]])
    return Plan(f.sizes, [target, ((), ()), ((), *target)], [target])


def take_along(op: ops.TakeAlong) -> Plan:
    """The rows."""
    f = Factors()
    (rows,) = f.each(op.result.shape[:1])
    return Plan(f.sizes, [(rows, ()), (rows, ())], [(rows, ())])


PLANS: dict[type[Op], Callable[..., Plan]] = {
    ops.DynamicSlice: dynamic_slice,
    ops.DynamicUpdateSlice: dynamic_update_slice,
    ops.Gather: gather,
    ops.GatherSlices: gather_slices,
    ops.Scatter: scatter,
    ops.ScatterSlices: scatter_slices,
    ops.TakeAlong: take_along,
}
