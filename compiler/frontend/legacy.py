"""Importers of ops that StableHLO keeps for old programs: einsum, index selection, stateless-looking random numbers."""

from __future__ import annotations

from collections.abc import Sequence

from jaxlib.mlir import ir

from ..errors import UnsupportedOp
from ..graph import ops
from ..graph.graph import TensorType, Value
from ..isa.dtypes import DType
from .linalg import precision
from .scope import Importer, Scope


def einsum(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the einsum of two tensors: labels of one alone are summed, then the shared ones contract."""
    left, right, labels = _subscripts(scope.attribute(op, "einsum_config").value, scope.operands(op))
    x, y = scope.operands(op)
    x, left = _one_of_each(scope, x, left, right + labels)
    y, right = _one_of_each(scope, y, right, left + labels)
    batch = [c for c in left if c in right and c in labels]
    summed = [c for c in left if c in right and c not in labels]
    order = batch + [c for c in left if c not in right] + [c for c in right if c not in left]
    sizes = dict(zip(left + right, x.shape + y.shape))
    dot = ops.Dot(
        [x, y],
        tuple(left.index(c) for c in batch),
        tuple(right.index(c) for c in batch),
        tuple(left.index(c) for c in summed),
        tuple(right.index(c) for c in summed),
        precision(op),
    )
    product = scope.emit(dot, TensorType(tuple(sizes[c] for c in order), scope.result_type(op).dtype))
    return [scope.transpose(product, [order.index(c) for c in labels])]


def unary_einsum(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import the einsum of one tensor: diagonals, sums, a transpose."""
    (x,) = scope.operands(op)
    labels, result = _subscripts(scope.attribute(op, "einsum_config").value, [x])
    x, labels = _one_of_each(scope, x, labels, result)
    return [scope.transpose(x, [labels.index(c) for c in result])]


def _subscripts(config: str, operands: Sequence[Value]) -> list[list[str]]:
    """Return the labels of each operand and of the result; an ellipsis stands for labels of its own."""
    inputs, _, output = config.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise UnsupportedOp(f"einsum_config {config!r} has {len(terms)} inputs, expected {len(operands)}")
    hidden = 0
    for term, x in zip(terms, operands):
        if "..." in term:
            hidden = max(hidden, x.type.rank - len(term.replace("...", "")))

    def labels(term: str, count: int) -> list[str]:
        before, dots, after = term.partition("...")
        return [*before, *([f"...{i}" for i in range(hidden - count, hidden)] if dots else []), *after]

    found = [labels(t, x.type.rank - len(t.replace("...", ""))) for t, x in zip(terms, operands)]
    for names, x in zip(found, operands):
        if len(names) != x.type.rank:
            raise UnsupportedOp(f"einsum_config {config!r} does not fit {x.type}")
    return [*found, labels(output, hidden)]


def _one_of_each(scope: Scope, x: Value, labels: list[str], needed: list[str]) -> tuple[Value, list[str]]:
    """Take the diagonal of labels that occur twice and sum over labels nobody else has."""
    while len(set(labels)) < len(labels):
        label = next(c for c in labels if labels.count(c) > 1)
        i = labels.index(label)
        j = labels.index(label, i + 1)
        same = scope.compare("EQ", scope.iota(x.shape, i), scope.iota(x.shape, j))
        kept = scope.select(same, x, scope.like(x, 0))
        x, labels = scope.reduce("add", kept, (j,)), labels[:j] + labels[j + 1 :]
    alone = tuple(d for d, c in enumerate(labels) if c not in needed)
    if alone:
        x, labels = scope.reduce("add", x, alone), [c for c in labels if c in needed]
    return x, labels


def torch_index_select(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import result[batch, before, index, after] = operand[batch, before, indices[batch, index], after]."""
    x, indices = scope.operands(op)
    d, batch = scope.integer(op, "dim"), scope.integer(op, "batch_dims")
    d, batch = d % max(x.type.rank, 1), batch % max(indices.type.rank, 1) if batch < 0 else batch
    shape = scope.result_type(op).shape
    before, count = d - batch, indices.type.rank - batch
    # The result of the gather below: batch and index dimensions where the op has them, the rest are offsets.
    index_dims = {*range(batch), *range(batch + before, batch + before + count)}
    offsets = tuple(k for k in range(len(shape)) if k not in index_dims)
    sizes = tuple(1 if k == d or k < batch else n for k, n in enumerate(x.shape))
    batches = tuple(range(batch))
    gather = ops.Gather([x, indices], offsets, (d,), batches, batches, (d,), indices.type.rank, sizes)
    return [scope.emit(gather, scope.result_type(op))]


def rng(scope: Scope, op: ir.OpView) -> Sequence[Value]:
    """Import random numbers without a state: Philox, keyed by a number that is new in each run."""
    low, high, *_ = scope.operands(op)
    type, distribution = scope.result_type(op), scope.keyword(op, "rng_distribution")
    if distribution == "NORMAL":
        if not type.dtype.is_float:
            raise UnsupportedOp("normal numbers of a type that is not floating-point")
        # Box and Muller: sqrt(-2 ln u) cos(2 pi v), u in (0, 1].
        wide = DType.f64 if type.dtype is DType.f64 else DType.f32
        u, v = (_unit(scope, TensorType(type.shape, wide)) for _ in range(2))
        size = scope.unary("log", scope.binary("sub", scope.like(u, 1), u))
        radius = scope.unary("sqrt", scope.binary("mul", size, scope.like(size, -2)))
        wave = scope.unary("cos", scope.binary("mul", v, scope.like(v, 2 * 3.141592653589793)))
        normal = scope.convert(scope.binary("mul", radius, wave), type.dtype)
        return [_moved(scope, normal, low, high)]
    if type.dtype.kind == "b":
        return [
            scope.compare(
                "LT",
                _unit(scope, TensorType(type.shape, DType.f32)),
                scope.constant(0.5, TensorType(type.shape, DType.f32)),
            )
        ]
    if type.dtype.is_integer:
        unsigned = DType.u64 if type.dtype.bytes == 8 else DType.u32
        bits = _bits(scope, TensorType(type.shape, unsigned))
        span = scope.convert(scope.convert(scope.binary("sub", high, low), DType[f"u{type.dtype.bytes * 8}"]), unsigned)
        offset = scope.convert(scope.binary("rem", bits, scope.broadcast(span, type.shape)), type.dtype)
        return [scope.binary("add", offset, scope.broadcast(low, type.shape))]
    wide = DType.f64 if type.dtype is DType.f64 else DType.f32
    unit = scope.convert(_unit(scope, TensorType(type.shape, wide)), type.dtype)
    return [_moved(scope, unit, low, scope.binary("sub", high, low))]


def _moved(scope: Scope, x: Value, offset: Value, scale: Value) -> Value:
    """Offset + scale * x, the scalars broadcast."""
    offset, scale = (scope.broadcast(v, x.shape) for v in (offset, scale))
    return scope.binary("add", offset, scope.binary("mul", x, scale))


def _bits(scope: Scope, type: TensorType) -> Value:
    state = TensorType((2,), DType.u64)
    (key,) = scope.emit_op(ops.HostCall([], ops.Draw(), True), [state])
    return scope.emit_op(ops.RngBitGenerator([key], "PHILOX"), [state, type])[1]


def _unit(scope: Scope, type: TensorType) -> Value:
    """Uniform numbers in [0, 1): the mantissa's bits, scaled."""
    bits, digits = (DType.u64, 53) if type.dtype is DType.f64 else (DType.u32, 24)
    raw = _bits(scope, TensorType(type.shape, bits))
    whole = scope.binary("shr_logical", raw, scope.like(raw, bits.bytes * 8 - digits))
    signed = scope.bitcast(whole, DType.i64 if bits is DType.u64 else DType.i32)
    real = scope.convert(signed, type.dtype)
    return scope.binary("mul", real, scope.like(real, 2.0**-digits))


IMPORTERS: dict[str, Importer] = {
    "stablehlo.einsum": einsum,
    "stablehlo.rng": rng,
    "stablehlo.torch_index_select": torch_index_select,
    "stablehlo.unary_einsum": unary_einsum,
}
