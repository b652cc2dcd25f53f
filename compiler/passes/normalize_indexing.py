"""Gather and scatter in one simple form each: B start vectors, one slice of the operand's rank per start.

    %r = gather(%x, %indices) offset_dims=.. collapsed_slice_dims=.. start_index_map=..
    ->
    %s, ... = columns of indices as i32[B]    %g = gather_slices(%x, %s, ...): [B, *slice_sizes]    %r = transpose(reshape(%g))

Batching dimensions become one more column of the starts, unless elements are taken from short rows, each from its own. Index types narrow to i32 by clamping into its range, so
that what was out of bounds stays so. A scatter with a body of its own gathers, computes and assigns: all slices at once if
no two of them meet, else one after the other in a loop.
"""

from __future__ import annotations

from math import prod

from ..errors import UnsupportedOp
from ..graph.builder import Builder
from ..graph.counting_loop import loop
from ..graph.graph import Op, TensorType, Value
from ..graph.module import Module
from ..graph.ops import DynamicSlice, Gather, GatherSlices, Scatter, ScatterSlices, TakeAlong
from ..graph.rewrite import rewrite
from ..graph.vectorize import apply_elementwise
from ..isa.dtypes import DType
from ..isa.machine import CLASSES
from ..tiling.vector_plan import FETCH, TABLE

_LARGEST = (1 << 31) - 1


def normalize_indexing(module: Module, target: object) -> None:
    """Replace every Gather and Scatter, in place."""
    rewrite(module.main, _normalize)


def _normalize(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, (Gather, Scatter)):
        return None
    indexed = op.operands[0].type
    if indexed.size > _LARGEST:
        raise UnsupportedOp(f"{indexed} has 2**31 elements or more; expected fewer, as offsets are i32")
    return [_gather(op, b) if isinstance(op, Gather) else _scatter(op, b)]


def _columns(
    b: Builder, indices: Value, vector_dim: int, batching: tuple[int, ...]
) -> tuple[list[Value], tuple[int, ...]]:
    """Return the starts along each dimension as i32[B], batching dimensions last, and the batch shape that B linearises."""
    if vector_dim == indices.type.rank:
        indices = b.reshape(indices, (*indices.shape, 1))
    batch = tuple(n for d, n in enumerate(indices.shape) if d != vector_dim)
    size = (prod(batch),)
    parts = [b.slice_dim(indices, vector_dim, k, k + 1) for k in range(indices.shape[vector_dim])]
    columns = [b.reshape(_narrow(b, part), size) for part in parts]
    columns += [b.reshape(b.iota(batch, d - (d > vector_dim)), size) for d in batching]
    # Where no dimension is indexed, everything starts at 0.
    return columns or [b.constant(0, TensorType(size, DType.i32))], batch


def _starts(b: Builder, indices: Value, vector_dim: int, batching: tuple[int, ...]) -> tuple[Value, tuple[int, ...]]:
    """Return the starts as i32[B, d + len(batching)] and the batch shape that B linearises."""
    if batching or indices.type.rank == vector_dim or not indices.shape[vector_dim]:
        columns, batch = _columns(b, indices, vector_dim, batching)
        return b.concatenate([b.reshape(c, (*c.shape, 1)) for c in columns], 1), batch
    batch_dims = [d for d in range(indices.type.rank) if d != vector_dim]
    indices = _narrow(b, b.transpose(indices, [*batch_dims, vector_dim]))
    *batch, depth = indices.shape
    return b.reshape(indices, (prod(batch), depth)), tuple(batch)


def _narrow(b: Builder, indices: Value) -> Value:
    """Return indices as i32, those that it does not have at its ends."""
    if indices.dtype in (DType.u32, DType.u64, DType.i64):
        info_dtype = indices.dtype
        indices = b.binary("min", indices, b.like(indices, _LARGEST))
        if info_dtype is DType.i64:
            indices = b.binary("max", indices, b.like(indices, -_LARGEST - 1))
    return b.convert(indices, DType.i32)


def _take_along(op: Gather, b: Builder) -> Value | None:
    """Return a gather of elements along one dimension, each from its own row of all others, if rows are short and several; else None."""
    x, indices = op.operands
    rows = op.operand_batching_dims
    if len(op.start_index_map) != 1 or len(rows) != x.type.rank - 1 or op.offset_dims or op.start_index_map[0] in rows:
        return None
    (d,), vector = op.start_index_map, op.index_vector_dim
    if vector == indices.type.rank:
        indices = b.reshape(indices, (*indices.shape, 1))
    batch = [i for i in range(indices.type.rank) if i != vector]
    free = [i for i in batch if i not in op.start_indices_batching_dims]
    count, taken = prod(x.shape[i] for i in rows), prod(indices.shape[i] for i in free)
    if count == 1 or x.dtype not in CLASSES["all"] or not 0 < x.shape[d] <= min(TABLE, FETCH * taken):
        return None
    source = b.reshape(b.transpose(x, [*rows, d]), (count, x.shape[d]))
    order = [*op.start_indices_batching_dims, *free, vector]
    where = b.reshape(b.transpose(_narrow(b, indices), order), (count, taken))
    found = b.emit(TakeAlong([source, where]), TensorType((count, taken), x.dtype))
    found = b.reshape(found, tuple(indices.shape[i] for i in order[:-1]))
    return b.transpose(found, [order.index(i) for i in batch])


def _gather(op: Gather, b: Builder) -> Value:
    x, indices = op.operands
    if not x.shape:
        return b.broadcast(x, op.result.shape)
    if (taken := _take_along(op, b)) is not None:
        return taken
    columns, batch = _columns(b, indices, op.index_vector_dim, op.start_indices_batching_dims)
    index_map = (*op.start_index_map, *op.operand_batching_dims) or (0,)
    out = op.result
    slices = b.emit(
        GatherSlices([x, *columns], index_map, op.slice_sizes, op.indices_are_sorted and not op.operand_batching_dims),
        TensorType((prod(batch), *op.slice_sizes), x.dtype),
    )
    dropped = (*op.collapsed_slice_dims, *op.operand_batching_dims)
    kept = [n for d, n in enumerate(op.slice_sizes) if d not in dropped]
    slices = b.reshape(slices, (*batch, *kept))
    # Result dimension d is the next offset dimension if it is one, else the next batch dimension.
    order, next_batch, next_offset = list[int](), 0, len(batch)
    for d in range(out.type.rank):
        if d in op.offset_dims:
            order.append(next_offset)
            next_offset += 1
        else:
            order.append(next_batch)
            next_batch += 1
    return b.transpose(slices, order)


def _scatter(op: Scatter, b: Builder) -> Value:
    x, indices, update = op.operands
    starts, batch = _starts(b, indices, op.index_vector_dim, op.scatter_indices_batching_dims)
    index_map = (*op.scatter_dims_to_operand_dims, *op.input_batching_dims) or (0,)
    dropped = (*op.inserted_window_dims, *op.input_batching_dims)
    scatter_dims = [d for d in range(update.type.rank) if d not in op.update_window_dims]
    moved = b.transpose(update, [*scatter_dims, *op.update_window_dims])
    extents = iter(moved.shape[len(batch) :])
    window = [1 if d in dropped else next(extents) for d in range(x.type.rank)]
    slices = b.reshape(moved, (prod(batch), *(window or [1])))
    nowhere_indexed = not (op.scatter_dims_to_operand_dims or op.input_batching_dims)
    if nowhere_indexed and slices.shape == (1, *(x.shape or (1,))):
        whole = b.reshape(slices, x.shape)
        if op.body is not None:
            return apply_elementwise(b, op.body, [x, whole], x.shape)[0]
        return whole if op.kind == "assign" else b.binary(op.kind, x, whole)
    flat = b.reshape(x, x.shape or (1,))
    if op.body is not None:
        return b.reshape(_general(op, b, flat, starts, slices, index_map), x.shape)
    is_sorted = op.indices_are_sorted and not op.input_batching_dims
    same = ScatterSlices([flat, starts, slices], op.kind, index_map, is_sorted, op.unique_indices)
    return b.reshape(b.emit(same, flat.type), x.shape)


def _general(op: Scatter, b: Builder, x: Value, starts: Value, slices: Value, index_map: tuple[int, ...]) -> Value:
    """Return x with slices combined into it by the op's body."""
    body, count = op.body, slices.shape[0]
    assert body is not None

    def update(b: Builder, x: Value, starts: Value, slices: Value) -> Value:
        each = [b.reshape(b.slice_dim(starts, 1, k, k + 1), starts.shape[:1]) for k in range(len(index_map))]
        old = b.emit(GatherSlices([x, *each], index_map, slices.shape[1:]), slices.type)
        (new,) = apply_elementwise(b, body, [old, slices], slices.shape)
        return b.emit(ScatterSlices([x, starts, new], "assign", index_map, unique_indices=True), x.type)

    if op.unique_indices or count == 1:
        return update(b, x, starts, slices)

    def step(b: Builder, j: Value, values: list[Value]) -> list[Value]:
        return [update(b, values[0], _row(b, starts, j), _row(b, slices, j))]

    return loop(b, [x], count, step)[0]


def _row(b: Builder, x: Value, j: Value) -> Value:
    """Return x[j : j + 1]."""
    zero = b.constant(0, j.type)
    sizes = (1, *x.shape[1:])
    return b.emit(DynamicSlice([x, j, *[zero] * (x.type.rank - 1)], sizes), TensorType(sizes, x.dtype))
