"""Comparisons in the total order of floats, as comparisons of integers that have that order.

    %2 = compare(%0: f32, %1) GT total_order    ->    %2 = compare(key(%0), key(%1)) GT
    key(x): i32 = bits(x) ^ (bits(x) >> 31 as the mask of all bits but the sign)

The bits of positive floats count up like integers, those of negative floats down.
"""

from __future__ import annotations

from ..graph.builder import Builder
from ..graph.graph import Op, Value
from ..graph.module import Module
from ..graph.ops import Compare
from ..graph.rewrite import rewrite
from ..isa.dtypes import DType

_SIGNED = {1: DType.i8, 2: DType.i16, 4: DType.i32, 8: DType.i64}


def expand_total_order(module: Module, target: object) -> None:
    """Replace every Compare of floats in total order, in place."""
    rewrite(module.main, _expand)


def _expand(op: Op, b: Builder) -> list[Value] | None:
    if not isinstance(op, Compare) or not op.total_order or not op.operands[0].dtype.is_float:
        return None
    left, right = (_key(b, x) for x in op.operands)
    return [b.compare(op.direction, left, right)]


def _key(b: Builder, x: Value) -> Value:
    bits = b.bitcast(x, _SIGNED[x.dtype.bytes])
    width = x.dtype.bytes * 8
    sign = b.binary("shr_arithmetic", bits, b.like(bits, width - 1))
    return b.binary("xor", bits, b.binary("and", sign, b.like(bits, (1 << (width - 1)) - 1)))
