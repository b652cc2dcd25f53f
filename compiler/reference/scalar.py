"""Meanings of the scalar instructions; control flow is the interpreter's, and flags mean nothing to values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..isa.dtypes import DType
from ..isa.instructions.scalar import SCALAR_UNARY
from .arithmetic import BINARY, COMPARE, UNARY, convert
from .machine import Machine, TileElements, ViewElements
from .meanings import meaning, narrow, require, widen


@meaning("saffine")
def _affine(machine: Machine, dst: int, a: int) -> None:
    machine.registers[dst] = a


@meaning("smin")
def _minimum(machine: Machine, dst: int, a: int, b: int) -> None:
    machine.registers[dst] = min(a, b)


@meaning("smax")
def _maximum(machine: Machine, dst: int, a: int, b: int) -> None:
    machine.registers[dst] = max(a, b)


@meaning("smul")
def _multiply(machine: Machine, dst: int, a: int, b: int) -> None:
    machine.registers[dst] = a * b


@meaning("sdiv")
def _divide(machine: Machine, dst: int, a: int, b: int) -> None:
    require(b > 0, f"division by {b}; expected a positive divisor")
    machine.registers[dst] = a // b


@meaning("smod")
def _modulo(machine: Machine, dst: int, a: int, b: int) -> None:
    require(b > 0, f"division by {b}; expected a positive divisor")
    machine.registers[dst] = a % b


@meaning("sload")
def _load(machine: Machine, dst: int, src: ViewElements) -> None:
    require(src.rows * src.columns == 1, f"sload reads one element, its view has {src.rows} x {src.columns}")
    value = src.elements()[src.offsets()[0, 0]]
    machine.registers[dst] = min(int(value), 2**63 - 1) if src.dtype is DType.u64 else register(value, src.dtype)


@meaning("sstore")
def _store(machine: Machine, dst: ViewElements, a: int) -> None:
    require(dst.rows * dst.columns == 1, f"sstore writes one element, its view has {dst.rows} x {dst.columns}")
    dst.elements()[dst.offsets()[0, 0]] = element(a, dst.dtype)[0]


def element(value: int, dtype: DType) -> np.ndarray:
    """Return the element, an array of one, that a register holds."""
    bits = np.array([value & (2**64 - 1)], np.uint64).view(np.uint8)[: dtype.bytes]
    return bits.view(np.uint8) & 1 != 0 if dtype is DType.i1 else bits.view(dtype.numpy)


def register(value: np.ndarray, dtype: DType) -> int:
    """Return what a register holds of an element."""
    if dtype.is_float:
        value = np.asarray(value).reshape(1).view(f"u{dtype.bytes}")[0]
    number = int(value)
    return number - 2**64 if number >= 2**63 else number


@meaning("scompute")
def _compute(machine: Machine, dst: int, op: str, type: str, a: int, b: int, c: int) -> None:
    dtype, to = DType[type], DType[type]
    if op == "sel":
        machine.registers[dst] = b if a & 1 else c
        return
    x, y = widen(element(a, dtype)), widen(element(b, dtype))
    if op in COMPARE:
        result, to = COMPARE[op](x, y), DType.i1
    elif op == "isfinite":
        result, to = np.isfinite(x) if dtype.is_float else np.array([True]), DType.i1
    else:
        result = UNARY[f"t{op}"](dtype, x) if op in SCALAR_UNARY else BINARY[f"t{op}"](dtype, x, y)
    machine.registers[dst] = register(narrow(np.asarray(result), to)[0], to)


@meaning("sconvert")
def _convert(machine: Machine, dst: int, a: int, type: str, to: str, mode: str) -> None:
    machine.registers[dst] = register(convert(element(a, DType[type]), DType[to], mode)[0], DType[to])


@meaning("sget")
def _get(machine: Machine, dst: int, src: TileElements, index: int) -> None:
    require(0 <= index < src.tile.rows * src.tile.columns, f"element {index} of {src.tile.rows} x {src.tile.columns}")
    machine.registers[dst] = register(src.get(index), src.dtype)


@meaning("sset")
def _set(machine: Machine, dst: TileElements, index: int, a: int) -> None:
    require(0 <= index < dst.tile.rows * dst.tile.columns, f"element {index} of {dst.tile.rows} x {dst.tile.columns}")
    dst.set(index, element(a, dst.dtype))


def _nothing(machine: Machine, **operands: Any) -> None:
    """Order in time only."""


for _name in ("set_flag", "wait_flag", "pipe_barrier", "set_cross_flag", "wait_cross_flag"):
    meaning(_name)(_nothing)
