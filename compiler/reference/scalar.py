"""Meanings of the scalar instructions; control flow is the interpreter's, and flags mean nothing to values."""

from __future__ import annotations

from typing import Any

from .machine import Machine, ViewElements
from .meanings import meaning, require


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
    machine.registers[dst] = min(int(src.elements()[src.offsets()[0, 0]]), 2**63 - 1)


def _nothing(machine: Machine, **operands: Any) -> None:
    """Order in time only."""


for _name in ("set_flag", "wait_flag", "pipe_barrier", "set_cross_flag", "wait_cross_flag"):
    meaning(_name)(_nothing)
