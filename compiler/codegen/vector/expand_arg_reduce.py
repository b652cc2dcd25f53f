"""An argmax whose axis no tile holds whole, as two reductions that may take any number of tiles.

%i = arg_reduce(%x) argmax    ->    %m = max(%x);  %i = min(select(%x == %m or %x != %x, iota, n))

An axis of one element, which is none to the tiling, is among these.
"""

from __future__ import annotations

from ...graph.builder import Builder
from ...graph.graph import Op, TensorType
from ...graph.ops import ArgReduce
from ...isa.dtypes import DType


def expand_arg_reduce(op: ArgReduce) -> list[Op]:
    """Return ops that compute the result of an ArgReduce: the first index of the extreme, or of a NaN if there is one."""
    ops: list[Op] = []
    b = Builder(ops, op.loc)
    (x,), result, d = op.operands, op.results[0], op.dimension
    if x.dtype is DType.i1:
        x = b.convert(x, DType.i32)
    kept = tuple(e for e in range(x.type.rank) if e != d)
    extreme = b.broadcast(b.reduce(op.kind.removeprefix("arg"), x, [d]), x.shape, kept)
    found = b.compare("EQ", x, extreme)
    if x.dtype.is_float:  # then the extreme is a NaN as well, and equals nothing
        found = b.binary("or", found, b.compare("NE", x, x))
    index = b.iota(x.shape, d)
    first = b.reduce("min", b.select(found, index, b.like(index, x.shape[d])), [d])
    b.convert(first, result.dtype)
    ops[-1].results = [result]
    assert first.type == TensorType(result.shape, DType.i32)
    return ops
