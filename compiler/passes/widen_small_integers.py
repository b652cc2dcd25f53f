"""Arithmetic on 2- and 4-bit integers is done in 8 bits and cut off again: no instruction computes in them.

8- and 4-bit floats, which other ops convert to f32 and back, are selected among as integers: that keeps every NaN.

    %2: i4 = add(%0, %1)           ->    %2 = convert(add(convert(%0 to i8), convert(%1 to i8)) to i4)
    %1: i4 = shr_logical(%0, 1)    ->    the same through u4 and u8: the bits that come in are zeros
    %2: f8 = select(%p, %0, %1)    ->    %2 = bitcast_convert(select(%p, %0 as u8, %1 as u8))

Cutting off wraps, as the types do. What only moves elements is left alone.
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import Op, TensorType, Value
from ..graph.module import Module
from ..graph.ops import ArgReduce, Binary, Compare, Dot, Iota, Reduce, Select, Sort, TopK, Unary
from ..graph.rewrite import rewrite
from ..isa.dtypes import DType
from .expand_bitcasts import of_unsigned_bits, unsigned_bits

_WIDE = {DType.i2: DType.i8, DType.i4: DType.i8, DType.u2: DType.u8, DType.u4: DType.u8}
_UNSIGNED = {DType.i2: DType.u2, DType.i4: DType.u4}
_BITS = {DType.i2: 2, DType.u2: 2, DType.i4: 4, DType.u4: 4}
_COMPUTES = (ArgReduce, Binary, Compare, Dot, Iota, Reduce, Select, Sort, TopK, Unary)


def widen_small_integers(module: Module, target: object) -> None:
    """Replace every computing op that has a 2- or 4-bit operand or result, and selects of narrow floats, in place."""
    rewrite(module.main, _widen)


def _widen(op: Op, b: Builder) -> list[Value] | None:
    if isinstance(op, Select) and op.result.dtype.is_float and op.result.dtype.bytes == 1:
        chosen = b.select(op.operands[0], *(unsigned_bits(b, x) for x in op.operands[1:]))
        return [of_unsigned_bits(b, chosen, op.result.dtype)]
    types = [v.dtype for v in (*op.operands, *op.results)]
    if not isinstance(op, _COMPUTES) or not any(t in _WIDE for t in types):
        return None
    kind = getattr(op, "kind", "")
    bitwise = kind in ("shr_logical", "popcnt", "clz")
    operands = [_wide(v, bitwise, b) for v in op.operands]
    wide = op.clone(operands)
    outs = [_wide_type(r.type, bitwise) for r in op.results]
    results = b.emit_op(wide, outs)
    if kind == "clz":
        zeros = 8 - _BITS[op.operands[0].dtype]  # in front of the bits there are
        results = [b.binary("sub", results[0], b.like(results[0], zeros))]
    return [
        b.convert(r, old.dtype) if r.dtype is not old.dtype else r for r, old in zip(results, op.results, strict=True)
    ]


def _wide_type(type: TensorType, bitwise: bool) -> TensorType:
    dtype = _UNSIGNED.get(type.dtype, type.dtype) if bitwise else type.dtype
    return TensorType(type.shape, _WIDE.get(dtype, dtype))


def _wide(x: Value, bitwise: bool, b: Builder) -> Value:
    if bitwise and x.dtype in _UNSIGNED:
        x = b.convert(x, _UNSIGNED[x.dtype])
    return b.convert(x, _WIDE[x.dtype]) if x.dtype in _WIDE else x
