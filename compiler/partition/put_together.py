"""Combine what devices got for parts of a reduction: all_reduce, or reduce_scatter where the result is wanted cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..graph import ops
from ..graph.graph import Op, TensorType, Value
from ..graph.sharding import Axes, Sharding
from ..isa.dtypes import DType
from .reshard import Piece

if TYPE_CHECKING:
    from .partitioner import Partitioner


def put_together(p: Partitioner, op: Op, parts: Mapping[int, tuple[str, Axes]]) -> None:
    """Replace the results of an op by their combinations along the axes of each factor in `parts`, by its kind."""
    by_kind: dict[str, Axes] = {}
    for kind, axes in parts.values():
        by_kind[kind] = (*by_kind.get(kind, ()), *axes)
    for kind, axes in by_kind.items():
        for result in op.results:
            piece = p.piece(result)
            value, sharding = _scattered(p, piece, kind, axes, p.wish(result))
            left = tuple(a for a in axes if a not in sharding.axes)
            if left:
                value = _combined(p, value, kind, left)
            p.pieces[result] = Piece(value, sharding, result.type, p.b)


def _scattered(p: Partitioner, x: Piece, kind: str, axes: Axes, wish: Sharding | None) -> tuple[Value, Sharding]:
    """Reduce along those axes that the wish cuts further dimensions with."""
    value, dims = x.value, list(x.sharding.dims)
    if wish is None:
        return value, x.sharding
    for d, (have, want) in enumerate(zip(x.sharding.dims, wish.dims)):
        if want[: len(have)] != have:
            continue
        extra = want[len(have) :]
        extra = extra[: next((i for i, a in enumerate(extra) if a not in axes), len(extra))]
        if not extra or x.whole.shape[d] % p.mesh.extent(have + extra):
            continue
        shape = list(value.shape)
        shape[d] //= p.mesh.extent(extra)
        bits, kind_of, back = _as_bits(p, value, kind)
        type = TensorType(tuple(shape), bits.dtype)
        scattered = p.b.emit(ops.ReduceScatter([bits], p.mesh.groups(extra), d, kind_of), type)
        value = p.b.bitcast(scattered, back)
        dims[d] = have + extra
    return value, Sharding(p.mesh, tuple(dims))


def _combined(p: Partitioner, x: Value, kind: str, axes: Axes) -> Value:
    bits, kind_of, back = _as_bits(p, x, kind)
    return p.b.bitcast(p.b.emit(ops.AllReduce([bits], p.mesh.groups(axes), kind_of), bits.type), back)


def _as_bits(p: Partitioner, x: Value, kind: str) -> tuple[Value, str, DType]:
    """Return a value of which all devices but one have zeros as integers, to be combined by `or`: -0 and NaN stay."""
    if kind != "bits":
        return x, kind, x.dtype
    if x.dtype.kind in "biu":
        return x, "or", x.dtype
    return p.b.bitcast(x, DType[f"u{x.dtype.bytes * 8}"]), "or", x.dtype
