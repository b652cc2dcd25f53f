"""Exchanges in the form that the devices have: whole parts, one after the other, combined by what they can combine.

all_gather dimension=1 of f32[4,3] over 2      ->   all_gather dimension=0 of [1,4,3], transposed to [4,2,3], as [4,6]
all_reduce kind=general or of c64, but add     ->   all_gather, and the body on member after member
reduce_scatter kind=general                    ->   all_to_all, and the same
all_reduce of i4, f8e4m3                       ->   all_reduce of i8, f32

So what is moved is contiguous, as HCCL has it; the transposes become strides of what reads the result.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.builder import Builder
from ..graph.graph import Graph, Op, TensorType, Value
from ..graph.module import Module
from ..graph.ops.collectives import Groups
from ..graph.rewrite import rewrite
from ..graph.vectorize import apply_elementwise
from ..isa.dtypes import DType

_COMBINED = {
    *(DType.i1, DType.i8, DType.i16, DType.i32, DType.i64, DType.u8, DType.u16, DType.u32, DType.u64),
    *(DType.f16, DType.bf16, DType.f32, DType.f64),
}


def legalize_collectives(module: Module, target: object) -> None:
    """Rewrite every collective, in place. Raises UnsupportedOpsError for reducers that are not elementwise."""
    rewrite(module.main, _legalize)


def _legalize(op: Op, b: Builder) -> Sequence[Value] | None:
    match op:
        case ops.AllReduce():
            return _all_reduce(op, b)
        case ops.ReduceScatter():
            return [_reduce_scatter(op, x, b) for x in op.operands]
        case ops.AllGather():
            return None if _is_leading(op) else [_all_gather(x, op.groups, op.dimension, b) for x in op.operands]
        case ops.AllToAll():
            return None if _is_leading(op) else [_all_to_all(op, x, b) for x in op.operands]
        case ops.RaggedAllToAll():
            return _ragged(op, b)
        case _:
            return None


def _is_leading(op: ops.AllGather | ops.AllToAll) -> bool:
    """Whether what is exchanged are parts of the first dimension, as it is after this pass."""
    dimensions = (op.dimension,) if isinstance(op, ops.AllGather) else (op.split, op.concat)
    return not any(dimensions) and all(v.type.rank for v in op.operands)


def _all_gather(x: Value, groups: Groups, dimension: int, b: Builder) -> Value:
    """Return the members' x put together along a dimension."""
    together = _stacked(x, groups, b)
    order = [d + 1 for d in range(x.type.rank)]
    order.insert(dimension, 0)
    shape = tuple(n * len(groups[0]) if d == dimension else n for d, n in enumerate(x.shape))
    return b.reshape(b.transpose(together, order), shape)


def _stacked(x: Value, groups: Groups, b: Builder) -> Value:
    """Return the members' x along a new first dimension."""
    one = b.reshape(x, (1, *x.shape))
    return b.emit(ops.AllGather([one], groups, 0), TensorType((len(groups[0]), *x.shape), x.dtype))


def _split(x: Value, dimension: int, count: int, b: Builder) -> Value:
    """Return equal parts along a dimension, side by side along a new first one."""
    shape = (*x.shape[:dimension], count, x.shape[dimension] // count, *x.shape[dimension + 1 :])
    order = [d for d in range(len(shape)) if d != dimension]
    return b.transpose(b.reshape(x, shape), [dimension, *order])


def _exchanged(parts: Value, groups: Groups, b: Builder) -> Value:
    """Return part i of every member for member i, along the first dimension as the parts are."""
    return b.emit(ops.AllToAll([parts], groups, 0, 0), parts.type)


def _all_to_all(op: ops.AllToAll, x: Value, b: Builder) -> Value:
    count = op.group_size
    parts = _exchanged(_split(x, op.split, count, b), op.groups, b)
    order = [d + 1 for d in range(x.type.rank)]
    order.insert(op.concat, 0)
    shape = list(x.shape)
    shape[op.split] //= count
    shape[op.concat] *= count
    return b.reshape(b.transpose(parts, order), tuple(shape))


def _is_combined(kind: str, dtype: DType) -> bool:
    """Whether devices combine this type so, or a wider one in its place."""
    return kind != "general" and (dtype.kind != "c" or kind == "add")


def _wide(dtype: DType) -> DType:
    """Return the type in which elements are combined."""
    if dtype in _COMBINED or dtype.kind == "c":
        return dtype
    return DType.f32 if dtype.is_float else DType.i8 if dtype.kind == "i" else DType.u8


def _all_reduce(op: ops.AllReduce, b: Builder) -> Sequence[Value] | None:
    types = [v.dtype for v in op.operands]
    if all(_is_combined(op.kind, t) and _wide(t) is t for t in types):
        return None
    results: list[Value] = []
    for x in op.operands:
        if _is_combined(op.kind, x.dtype):
            wide = b.convert(x, _wide(x.dtype))
            results.append(b.convert(b.emit(ops.AllReduce([wide], op.groups, op.kind), wide.type), x.dtype))
            continue
        if len({len(g) for g in op.groups}) > 1:
            raise UnsupportedOp("groups of several sizes with a reducer that is no sum, product, extreme or bitwise")
        results.append(_folded(_stacked(x, op.groups, b), op.kind, op.body, b))
    return results


def _reduce_scatter(op: ops.ReduceScatter, x: Value, b: Builder) -> Value:
    parts = _split(x, op.dimension, op.group_size, b)
    if not _is_combined(op.kind, x.dtype):
        return _folded(_exchanged(parts, op.groups, b), op.kind, op.body, b)
    wide = b.convert(parts, _wide(x.dtype))
    one = TensorType((1, *wide.shape[1:]), wide.dtype)
    result = b.emit(ops.ReduceScatter([wide], op.groups, 0, op.kind), one)
    return b.convert(b.reshape(result, wide.shape[1:]), x.dtype)


def _folded(members: Value, kind: str, body: Graph | None, b: Builder) -> Value:
    """Return what is along the first dimension combined in its order."""
    shape = members.shape[1:]
    total: Value | None = None
    for i in range(members.shape[0]):
        x = b.reshape(b.slice_dim(members, 0, i, i + 1), shape)
        if total is None:
            total = x
        elif body is None:
            total = b.binary(kind, total, x)
        else:
            (total,) = apply_elementwise(b, body, [total, x], shape)
    assert total is not None, "a group has members"
    return total


def _ragged(op: ops.RaggedAllToAll, b: Builder) -> Sequence[Value] | None:
    numbers = op.operands[2:]
    if numbers[0].dtype in (DType.i32, DType.i64):
        return None
    wide = [b.convert(v, DType.i64) for v in numbers]
    return b.emit_op(ops.RaggedAllToAll([*op.operands[:2], *wide], op.groups), [op.result.type])
