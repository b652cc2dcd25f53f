"""The importer of sort: comparators become ordered keys.

A comparator that compares f(a) with f(b), lexicographically over any number of such pairs, is a sort by the
keys f(x). JAX's own f, which makes zeros equal and NaNs equal and last, is what the keys of Sort mean; any
other f is computed for whole tensors and sorted along. Other comparators are a GeneralSort.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxlib.mlir import ir

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import Graph, Op, TensorType, Value
from ..graph.vectorize import apply_elementwise
from ..isa.dtypes import DType
from .constants import python_value
from .patterns import Expression, expression, lexicographic_keys
from .scope import Scope

_SIGNED = {2: DType.i16, 4: DType.i32, 8: DType.i64}


def sort(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import a sort of one or more tensors."""
    operands, types = scope.operands(op), scope.result_types(op)
    dimension, stable = scope.integer(op, "dimension", -1), bool(scope.integer(op, "is_stable"))
    dimension %= max(operands[0].type.rank, 1)
    body = scope.region(op.regions[0], "comparator")
    largest = _numbers_of(operands, dimension, body)
    if largest is not None:
        return scope.emit_op(ops.TopK(operands[:1], operands[0].shape[-1], largest), types)
    found = _keys(scope, body, operands)
    if found is None:
        return scope.emit_op(ops.GeneralSort(operands, body, dimension), types)
    extra, keys = found
    op_types = [*types, *(v.type for v in extra)]
    return scope.emit_op(ops.Sort([*operands, *extra], dimension, stable, keys), op_types)[: len(operands)]


def approximate_top_k(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import JAX's ApproxTopK (operand, its indices, two initial values) as an exact top_k: recall 1 meets any target."""
    attributes: Any = op.attributes
    x, indices, *_ = scope.operands(op)
    types = scope.result_types(op)
    config: Any = python_value(
        attributes["mhlo.backend_config" if "mhlo.backend_config" in attributes else "backend_config"]
    )
    dimension = int(config["reduction_dim"])
    comparator = scope.module.callee(attributes["called_computations"][0].value)
    compare = comparator.results[0].producer
    if not (isinstance(compare, ops.Compare) and compare.operands == comparator.arguments[:2]):
        raise UnsupportedOp("a comparator that does not compare two elements")
    if not (isinstance(indices.producer, ops.Iota) and indices.producer.dimension == dimension):
        raise UnsupportedOp("a payload that is not the index along the reduced dimension")
    k, last = types[0].shape[dimension], x.type.rank - 1
    to_last = [*(d for d in range(x.type.rank) if d != dimension), dimension]
    moved = scope.transpose(x, to_last)
    shape = (*moved.shape[:last], k)
    top = ops.TopK([moved], k, largest=compare.direction in ("GT", "GE"))
    results = scope.emit_op(top, [TensorType(shape, t.dtype) for t in types])
    back = [to_last.index(d) for d in range(x.type.rank)]
    return [scope.transpose(r, back) for r in results]


def _numbers_of(operands: list[Value], dimension: int, body: Graph) -> bool | None:
    """Return whether a sort finds the numbers of the elements of rows in descending order, as TopK means it; else None.

    jaxlib makes chlo.top_k such a sort and two slices.
    """
    pairs = lexicographic_keys(body)
    if len(operands) != 2 or pairs is None or len(pairs) != 1 or dimension != operands[0].type.rank - 1:
        return None
    (left, right, total), number = pairs[0], operands[1]
    arguments = body.arguments[:2]
    if not (isinstance(number.producer, ops.Iota) and number.producer.dimension == dimension):
        return None
    if number.dtype is not DType.i32 or left not in arguments or right not in arguments or left is right:
        return None
    return left is arguments[1] if total or not left.dtype.is_float else None


def _keys(scope: Scope, body: Graph, operands: list[Value]) -> tuple[list[Value], tuple[tuple[int, bool], ...]] | None:
    """Return the computed key tensors and (operand number, descending) pairs, or None."""
    pairs = lexicographic_keys(body)
    if pairs is None:
        return None
    extra: list[Value] = []
    keys: list[tuple[int, bool]] = []
    for left, right, total in pairs:
        arguments = _arguments(body, left)
        if len(arguments) != 1 or expression(body, right) != _swap(expression(body, left)):
            return None
        (number,) = arguments
        tensor, descending = number // 2, bool(number % 2)
        if left is body.arguments[number] and not (total and left.dtype.is_float):
            keys.append((tensor, descending))
            continue
        if total and _is_canonical(expression(body, left), number, left.dtype):
            keys.append((tensor, descending))
            continue
        try:
            key = _compute(scope, body, left, number, operands[tensor])
        except UnsupportedOp:
            return None
        if total and key.dtype.is_float:
            ordered = _total_order(scope, key)
            if ordered is None:
                return None
            key = ordered
        keys.append((len(operands) + len(extra), descending))
        extra.append(key)
    return extra, tuple(keys)


def _arguments(body: Graph, value: Value) -> set[int]:
    if value.producer is None:
        return {value.index} if value in body.arguments else {-1}
    if any(value.producer.regions()):  # which may use any of them
        return {-1}
    return set[int]().union(*(_arguments(body, v) for v in value.producer.operands))


def _swap(form: Expression) -> Expression:
    """Exchange argument 2n and 2n+1 in an expression."""
    match form:
        case ("arg", int(number)):
            return ("arg", number ^ 1)
        case _:
            return tuple(_swap(part) if isinstance(part, tuple) else part for part in form)


def _is_canonical(form: Expression, number: int, dtype: DType) -> bool:
    """Whether an expression is select(x != x, NaN, select(x == 0, 0, x))."""
    x = ("arg", number)
    match form:
        case ("select", ("NE", a, b), ("const", *_), ("select", ("EQ", c, d), ("const", *_), e)):
            return dtype.is_float and a == b == e == x and x in (c, d)
        case _:
            return False


def _compute(scope: Scope, body: Graph, key: Value, number: int, operand: Value) -> Value:
    """Emit the key f(x) for a whole operand."""
    needed: set[Value] = {key}
    chain: list[Op] = []
    for inner in reversed(body.ops):
        if any(r in needed for r in inner.results):
            chain.append(inner)
            needed.update(inner.operands)
    part = Graph("key", [body.arguments[number]], chain[::-1], [key])
    return apply_elementwise(scope, part, [operand], operand.shape)[0]


def _total_order(scope: Scope, key: Value) -> Value | None:
    """Return signed integers ordered as the floats are in total order: magnitude bits of negatives flipped."""
    dtype = _SIGNED.get(key.dtype.bytes)
    if dtype is None:
        return None
    bits = scope.emit(ops.BitcastConvert([key]), TensorType(key.shape, dtype))
    width = dtype.bytes * 8
    sign = scope.binary("shr_arithmetic", bits, scope.constant(width - 1, bits.type))
    mask = scope.binary("and", sign, scope.constant((1 << (width - 1)) - 1, bits.type))
    return scope.binary("xor", bits, mask)
