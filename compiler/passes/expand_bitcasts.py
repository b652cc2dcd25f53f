"""Reinterpretations that change the element width, as shifts: each element becomes, or is made of, narrower ones.

    %1: u64[n] = bitcast_convert(%0: u32[n,2])    ->    %1 = %0[:,0] | %0[:,1] << 32
    %1: u32[n,2] = bitcast_convert(%0: u64[n])    ->    %1 = concatenate(%0, %0 >> 32), truncated to u32

Element 0 is the least significant part.
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.ops import BitcastConvert
from ..graph.rewrite import rewrite
from ..isa.dtypes import DType

_UNSIGNED = {1: DType.u8, 2: DType.u16, 4: DType.u32, 8: DType.u64}


def expand_bitcasts(module: Module, target: object) -> None:
    """Replace every BitcastConvert between widths, in place."""
    rewrite(module.main, _expand)


def _expand(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, BitcastConvert):
        return None
    (x,), to = op.operands, op.result.dtype
    if x.dtype.bytes == to.bytes or x.dtype.kind == "c" or to.kind == "c":
        return None
    narrow, wide = sorted((_UNSIGNED[x.dtype.bytes], _UNSIGNED[to.bytes]), key=lambda d: d.bytes)
    bits, ratio = narrow.bytes * 8, wide.bytes // narrow.bytes
    source = b.bitcast(x, _UNSIGNED[x.dtype.bytes])
    if to.bytes < x.dtype.bytes:
        parts: list[Value] = []
        for k in range(ratio):
            part = b.binary("shr_logical", source, b.like(source, k * bits)) if k else source
            parts.append(b.reshape(b.convert(part, narrow), (*x.shape, 1)))
        return [b.bitcast(b.concatenate(parts, x.type.rank), to)]
    total: Value | None = None
    last = x.type.rank - 1
    for k in range(ratio):
        part = b.convert(b.reshape(b.slice_dim(source, last, k, k + 1), op.result.shape), wide)
        part = b.binary("shl", part, b.like(part, k * bits)) if k else part
        total = part if total is None else b.binary("or", total, part)
    assert total is not None
    return [b.bitcast(total, to)]
