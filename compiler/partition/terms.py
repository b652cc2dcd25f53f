"""Values of which devices hold terms: all_reduce, or reduce_scatter where the result is wanted cut, and the way back.

sum of x, [-, -] -> [-, -]        all_reduce
sum of x, [-, -] -> [x, -]        reduce_scatter
[-, -] -> sum of x, [-, -]        one device keeps what it has, the others take zeros
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph import ops
from ..graph.graph import TensorType
from ..graph.identities import neutral_element
from ..graph.sharding import Axes, Sharding
from ..isa.dtypes import DType
from .piece import PartNumber, Piece


def combined(x: Piece, axes: Axes, kind: str, wanted: Sequence[Axes] | None) -> Piece:
    """Return x, of which devices that differ along `axes` hold terms, combined by a kind of reduction.

    `bits` stands for values of which all devices but one have zeros: they are put together as integers, so that -0 and NaN
    stay what they are. Where `wanted` cuts a dimension along some of the axes, only that part is computed.
    """
    mesh, b, dtype = x.sharding.mesh, x.b, x.value.dtype
    value, dims = x.value, list(x.sharding.dims)
    if kind == "bits":
        kind = "or"
        value = value if dtype.kind in "biu" else b.bitcast(value, DType[f"u{dtype.bytes * 8}"])
    for d, (have, want) in enumerate(zip(x.sharding.dims, wanted or ())):
        more = _more(axes, have, want)
        if not more or x.whole.shape[d] % mesh.extent(have + more):
            continue
        shape = list(value.shape)
        shape[d] //= mesh.extent(more)
        scattered = ops.ReduceScatter([value], mesh.groups(more), d, kind)
        value = b.emit(scattered, TensorType(tuple(shape), value.dtype))
        dims[d] = have + more
        axes = tuple(a for a in axes if a not in more)
    if axes:
        value = b.emit(ops.AllReduce([value], mesh.groups(axes), kind), value.type)
    left = tuple(a for a in x.sharding.partial if a not in axes and not any(a in d for d in dims))
    return Piece(b.bitcast(value, dtype), Sharding(mesh, tuple(dims), left), x.whole, b)


def _more(axes: Axes, have: Axes, want: Axes) -> Axes:
    """Return which of the axes, one after the other, cut a dimension further."""
    if want[: len(have)] != have:
        return ()
    extra = want[len(have) :]
    return extra[: next((i for i, a in enumerate(extra) if a not in axes), len(extra))]


def taken_apart(x: Piece, axes: Axes, part_number: PartNumber) -> Piece:
    """Return terms of x along axes that do not cut it: the first device has x, the others zeros."""
    b, value, sharding = x.b, x.value, x.sharding
    first = b.compare("EQ", part_number(sharding.mesh, axes, 1), b.constant(0, TensorType((), DType.i32)))
    zero = b.like(value, neutral_element("add", value.dtype))
    value = b.select(b.broadcast(first, value.shape), value, zero)
    partial = tuple(sorted((*sharding.partial, *axes)))
    return Piece(value, Sharding(sharding.mesh, sharding.dims, partial), x.whole, b)


def spread(x: Piece, d: int, axes: Axes, part_number: PartNumber) -> Piece:
    """Return terms of x, cut along `axes` last in dimension d: each device has its part in place, and zeros around it."""
    b, mesh, type = x.b, x.sharding.mesh, x.value.type
    shape = tuple(n * mesh.extent(axes) if k == d else n for k, n in enumerate(type.shape))
    zero, index = b.constant(0, TensorType((), DType.i32)), part_number(mesh, axes, type.shape[d])
    zeros = b.constant(neutral_element("add", type.dtype), TensorType(shape, type.dtype))
    starts = [index if k == d else zero for k in range(type.rank)]
    value = b.emit(ops.DynamicUpdateSlice([zeros, x.value, *starts]), zeros.type)
    dims = tuple(cut[: -len(axes)] if k == d else cut for k, cut in enumerate(x.sharding.dims))
    return Piece(value, Sharding(mesh, dims, tuple(sorted((*x.sharding.partial, *axes)))), x.whole, b)
