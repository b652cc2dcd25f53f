"""Reinterpretations that change the element width, as shifts: each element becomes, or is made of, narrower ones.

    %1: u64[n] = bitcast_convert(%0: u32[n,2])    ->    %1 = %0[:,0] | %0[:,1] << 32
    %1: u32[n,2] = bitcast_convert(%0: u64[n])    ->    %1 = concatenate(%0, %0 >> 32), truncated to u32
    %1: i4[n,2] = bitcast_convert(%0: i8[n])      ->    %1 = concatenate(%0, %0 >> 4) & 15, as i4

Element 0 is the least significant part. Elements narrower than a byte lie in the low bits of one.
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.ops import BitcastConvert
from ..graph.rewrite import rewrite
from ..isa.dtypes import DType

_UNSIGNED = {1: DType.u8, 2: DType.u8, 4: DType.u8, 8: DType.u8, 16: DType.u16, 32: DType.u32, 64: DType.u64}
_STORED = {2: DType.u2, 4: DType.u4}


def expand_bitcasts(module: Module, target: object) -> None:
    """Replace every BitcastConvert between widths, in place."""
    rewrite(module.main, _expand)


def _expand(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, BitcastConvert):
        return None
    (x,), to = op.operands, op.result.dtype
    if x.dtype.bits == to.bits or x.dtype.kind == "c" or to.kind == "c":
        return None
    if op.result.type.size == 0:
        return [b.constant(0, op.result.type)]
    bits, widest = sorted((x.dtype.bits, to.bits))
    ratio, wide = widest // bits, _UNSIGNED[widest]
    source = unsigned_bits(b, x)
    if to.bits < x.dtype.bits:
        parts: list[Value] = []
        for k in range(ratio):
            part = b.binary("shr_logical", source, b.like(source, k * bits)) if k else source
            part = b.convert(part, _UNSIGNED[bits])
            if bits < 8:
                part = b.binary("and", part, b.like(part, (1 << bits) - 1))
            parts.append(b.reshape(part, (*x.shape, 1)))
        return [of_unsigned_bits(b, b.concatenate(parts, x.type.rank), to)]
    total: Value | None = None
    last = x.type.rank - 1
    for k in range(ratio):
        part = b.convert(b.reshape(b.slice_dim(source, last, k, k + 1), op.result.shape), wide)
        part = b.binary("shl", part, b.like(part, k * bits)) if k else part
        total = part if total is None else b.binary("or", total, part)
    assert total is not None
    return [of_unsigned_bits(b, total, to)]


def unsigned_bits(b: Builder, x: Value) -> Value:
    """Return the bits of x in the low bits of an unsigned integer."""
    if x.dtype.bits >= 8:
        return b.bitcast(x, _UNSIGNED[x.dtype.bits])
    if x.dtype.kind != "b":
        x = b.bitcast(x, _STORED[x.dtype.bits])
    return b.convert(x, DType.u8)


def of_unsigned_bits(b: Builder, x: Value, to: DType) -> Value:
    """Return bits in the low bits of an unsigned integer, all others zero, as a type."""
    if to.kind == "b":
        return b.compare("NE", x, b.like(x, 0))
    if to.bits < 8:
        x = b.convert(x, _STORED[to.bits])
    return b.bitcast(x, to)
