"""Elementwise ops: one element at a time in registers, or by a vector instruction on a tile in UB."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, cast

from ...graph.ops import (
    Binary,
    BitcastConvert,
    Compare,
    Convert,
    ReducePrecision,
    Select,
    Unary,
)
from ...isa.dtypes import DType
from ...isa.machine import Loc
from ...isa.model import TileRef
from ..vector.nodes import NotVectorizable
from ..vector.select_instruction import BINARY, COMMUTES, EXPANDING, FLIPPED, UNARY, WITH_SCALAR
from .program import CoreProgram, immediate
from .registers import COMPUTED, Scalar
from .values import Array, Cells, Far, Held, Repeated, Splat

Elementwise = Unary | Binary | Compare | Select | Convert | BitcastConvert | ReducePrecision


def lower_elementwise(p: CoreProgram, op: Elementwise) -> Held:
    """Return the result of an elementwise op."""
    (result,) = op.results
    if any(v.dtype not in COMPUTED for v in (*op.operands, result)) or result.shape != op.operands[-1].shape:
        raise NotVectorizable(f"[on chip] {op.name} at {op.loc} of types that registers do not hold")
    held = [p.get(v) for v in op.operands]
    compute = _scalar_function(p, op)
    if compute is not None:
        if all(isinstance(h, Splat) for h in held):
            return Splat(result.shape, result.dtype, compute(*(cast(Splat, h).item for h in held)))
        if result.type.size <= p.most_cells:
            columns = zip(*(p.cells(v) for v in op.operands), strict=True)
            return Cells(result.shape, result.dtype, tuple(compute(*items) for items in columns))
    dst = p.new_array(result.shape, result.dtype)
    _on_tiles(p, op, dst, [p.in_ub(h) if isinstance(h, Far) else h for h in held])
    return dst


def _scalar_function(p: CoreProgram, op: Elementwise) -> Callable[..., Scalar] | None:
    """Return what computes one element in registers; None if the scalar unit does not."""
    unit, result, dtype = p.unit, op.results[0], op.operands[-1].dtype

    def named(name: str) -> Callable[..., Scalar]:
        return lambda *items: unit.compute(name, dtype, *items)

    def converted(x: Scalar) -> Scalar:
        return unit.convert(x, result.dtype)

    def same_bits(x: Scalar) -> Scalar:
        return unit.bits(x, result.dtype)

    match op:
        case Unary():
            return named(UNARY[op.kind][1:]) if op.kind in UNARY else None
        case Binary():
            return named(BINARY[op.kind][1:]) if op.kind in BINARY else None
        case Compare():
            if op.total_order and dtype.is_float:
                return None
            return named(op.direction.lower())
        case Select():
            return named("sel")
        case Convert():
            return converted
        case BitcastConvert():
            return same_bits
        case ReducePrecision():
            return None


def _on_tiles(p: CoreProgram, op: Elementwise, dst: Array, held: list[Held]) -> None:
    b, d = p.b, dst.tile

    def tile(i: int) -> TileRef:
        return p.in_ub(held[i]).tile

    match op:
        case Unary() if op.kind in UNARY:
            _call(p, UNARY[op.kind], d, tile(0))
        case Binary() if op.kind in BINARY:
            _binary(p, op.kind, dst, held)
        case Compare() if not (op.total_order and op.operands[0].dtype.is_float):
            mode = op.direction.lower()
            if _known(held[1]):
                b.tcmps(d, tile(0), immediate(cast(Splat, held[1]).item), mode)
            elif _known(held[0]):
                b.tcmps(d, tile(1), immediate(cast(Splat, held[0]).item), FLIPPED[op.direction])
            else:
                b.tcmp(d, tile(0), tile(1), mode)
        case Select():
            b.tsel(d, tile(0), tile(1), tile(2))
        case Convert():
            b.tcvt(d, tile(0))
        case BitcastConvert():
            alias = b.tile(Loc.vec, op.results[0].dtype, 1, op.results[0].type.size)
            b.treshape(alias, tile(0))
            b.tmov(d, alias)
        case ReducePrecision():
            b.treduceprecision(d, tile(0), (op.exponent_bits, op.mantissa_bits))
        case _:
            raise NotVectorizable(f"[on chip] {op.name} at {op.loc} has no vector instruction")


def _known(held: Held) -> bool:
    return isinstance(held, Splat) and held.item.is_constant


def _binary(p: CoreProgram, kind: str, dst: Array, held: list[Held]) -> None:
    boolean = dst.dtype is DType.i1
    if kind in WITH_SCALAR and not (boolean and kind not in ("and", "or", "xor")):
        right, left = WITH_SCALAR[kind]
        if _known(held[1]):
            _call(p, right, dst.tile, p.in_ub(held[0]).tile, immediate(cast(Splat, held[1]).item))
            return
        if _known(held[0]) and left:
            _call(p, left, dst.tile, p.in_ub(held[1]).tile, immediate(cast(Splat, held[0]).item))
            return
    if kind in COMMUTES and isinstance(held[0], Repeated) and not isinstance(held[1], Repeated):
        held = [held[1], held[0]]
    if kind in EXPANDING and isinstance(held[1], Repeated) and not boolean:
        _expanding(p, kind, dst, p.in_ub(held[0]), held[1])
        return
    _call(p, BINARY[kind], dst.tile, p.in_ub(held[0]).tile, p.in_ub(held[1]).tile)


def _expanding(p: CoreProgram, kind: str, dst: Array, full: Array, repeated: Repeated) -> None:
    n, times = prod(repeated.row.shape), repeated.times
    rows, columns = (n, times) if repeated.by_element else (times, n)
    row = p.shaped(repeated.row, n, 1) if repeated.by_element else repeated.row.tile
    source = p.shaped(full, rows, columns)
    with p.made(dst, rows, columns) as tile:
        _call(p, f"t{'row' if repeated.by_element else 'col'}expand{kind}", tile, source, row)


def _call(p: CoreProgram, name: str, *operands: Any) -> None:
    getattr(p.b, name)(*operands)
