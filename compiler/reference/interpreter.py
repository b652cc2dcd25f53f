"""Runs a kernel as it reads: blocks one after the other, `subblocks` as a loop of two, flags as nothing."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np

from ..isa.model import Affine, TileRef, View
from ..isa.text_operands import print_instruction
from ..program.kernel import Instruction, Kernel
from ..program.structure import find_spans
from ..targets import Target
from .machine import Machine, ReferenceFault
from .meanings import MEANINGS


def run_kernel(kernel: Kernel, arguments: list[np.ndarray], target: Target | None = None) -> None:
    """Run every block of a kernel on GM arguments, in place.

    `arguments` are C-contiguous arrays of any type and shape with at least the declared bytes. Tiles have addresses.
    """
    raw = [a.reshape(-1).view(np.uint8) for a in arguments]
    for index, (declared, data) in enumerate(zip(kernel.arguments, raw, strict=True)):
        if data.size < declared.size * declared.dtype.bytes:
            raise ReferenceFault(
                f"[kernel {kernel.name}] argument {index} is too small; expected {declared.size} {declared.dtype}, "
                f"got {data.size} bytes"
            )
    with np.errstate(all="ignore"):
        for block in itertools.product(*map(range, kernel.grid)):
            for _ in steps(Machine(kernel, raw, target or Target(), block)):
                pass


def steps(machine: Machine) -> Iterator[int]:
    """Run a block, yielding the position of each instruction before it is carried out; an `end` is none."""
    ends = {span.start: span.end for span in find_spans(machine.kernel.body)[0]}
    yield from _run(machine, ends, 0, len(machine.kernel.body))


def _run(machine: Machine, ends: dict[int, int], position: int, stop: int) -> Generator[int, None, bool]:
    """Run a span; returns whether an `until` has ended it."""
    body = machine.kernel.body
    while position < stop:
        instruction = body[position]
        if instruction.spec.name != "end":
            yield position
        if instruction.spec.name == "until":
            if machine.value(instruction.operand("value")) > 0:
                return True
            position += 1
            continue
        if not instruction.spec.opens:
            if instruction.spec.name != "end":
                _step(machine, position, instruction)
            position += 1
            continue
        end = ends[position]
        if instruction.spec.name == "when":
            if machine.value(instruction.operand("value")) > 0:
                yield from _run(machine, ends, position + 1, end)
        elif instruction.spec.name == "loop":
            start, bound, step = (machine.value(instruction.operand(n)) for n in ("start", "stop", "step"))
            for value in range(start, bound, step):
                machine.registers[instruction.operand("dst")] = value
                if (yield from _run(machine, ends, position + 1, end)):
                    break
        else:
            for machine.subblock in (0, 1):
                machine.registers[instruction.operand("dst")] = machine.subblock
                yield from _run(machine, ends, position + 1, end)
            machine.subblock = 0
        position = end + 1
    return False


def _step(machine: Machine, position: int, instruction: Instruction) -> None:
    try:
        operands = {o.name: _resolve(machine, v) for o, v in instruction.operands()}
        MEANINGS[instruction.spec.name](machine, **operands)
    except ReferenceFault as fault:
        text = print_instruction(instruction.spec, instruction.values)
        raise ReferenceFault(f"[kernel {machine.kernel.name}, instruction {position}: {text}] {fault}") from None


def _resolve(machine: Machine, value: Any) -> Any:
    if isinstance(value, TileRef):
        return machine.tile(value)
    if isinstance(value, View):
        return machine.view(value)
    return machine.value(value) if isinstance(value, Affine) else value
