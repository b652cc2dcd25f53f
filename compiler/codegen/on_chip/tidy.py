"""What remains to do on a kernel of the scalar unit once it is written: nothing unread, no move that is not needed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...isa.model import Affine, View
from ...program.kernel import Instruction


def drop_unread(body: list[Instruction]) -> list[Instruction]:
    """Return a body without scalar instructions whose register nobody reads."""
    reads: dict[int, int] = {}
    for instruction in body:
        for r in _registers_read(instruction):
            reads[r] = reads.get(r, 0) + 1
    kept: list[Instruction] = []
    for instruction in reversed(body):
        if _is_scalar(instruction) and not reads.get(instruction.values[0]):
            for r in _registers_read(instruction):
                reads[r] -= 1
        else:
            kept.append(instruction)
    return kept[::-1]


def keep_in_registers(body: list[Instruction]) -> list[Instruction]:
    """Return a body that computes what a loop carries right into the register that carries it, where that can be.

        %r9 = scompute %r4, ...; ...; %r4 = saffine %r9    ->    %r4 = scompute %r4, ...

    Nobody may read the old value, or set the register, in between; nor read %r9 afterwards.
    """
    body = list(body)
    reads: dict[int, list[int]] = {}
    writes: dict[int, list[int]] = {}
    depth = [0]  # how many spans were opened and closed before each position
    for at, instruction in enumerate(body):
        for r in _registers_read(instruction):
            reads.setdefault(r, []).append(at)
        for operand, value in instruction.operands():
            if operand.kind == "register":
                writes.setdefault(value, []).append(at)
        depth.append(depth[-1] + (instruction.spec.opens or instruction.spec.name == "end"))
    dropped: set[int] = set()
    for at, copy in enumerate(body):
        if copy.spec.name != "saffine" or not _is_register(copy.values[1]):
            continue
        carrier, source = copy.values[0], copy.values[1].terms[0][0]
        made = writes.get(source, [at])
        within = [i for i in reads[source] if i != at]
        if (
            len(made) != 1
            or made[0] >= at
            or not _is_scalar(body[made[0]])
            or depth[at] != depth[made[0]]
            or any(not made[0] < i < at for i in within)
            or _between(reads.get(carrier, []), made[0], at)
            or _between(writes[carrier], made[0], at)
        ):
            continue
        dropped.add(at)
        body[made[0]] = Instruction(body[made[0]].spec, (carrier, *body[made[0]].values[1:]))
        for i in within:
            body[i] = Instruction(body[i].spec, tuple(_renamed(v, source, carrier) for v in body[i].values))
        writes[carrier] = sorted(made + [i for i in writes[carrier] if i != at])
        reads[carrier] = sorted(reads.get(carrier, []) + within)
    return [instruction for at, instruction in enumerate(body) if at not in dropped]


def _between(positions: list[int], first: int, last: int) -> bool:
    i = bisect_right(positions, first)
    return i < len(positions) and positions[i] < last


def _is_scalar(i: Instruction) -> bool:
    """Whether an instruction does nothing but set a register."""
    return i.spec.group == "scalar" and i.spec.operands[0].kind == "register"


def _is_register(value: Any) -> bool:
    return isinstance(value, Affine) and not value.const and len(value.terms) == 1 and value.terms[0][1] == 1


def _registers_read(i: Instruction) -> Iterator[int]:
    for value in i.values:
        if isinstance(value, Affine):
            yield from (r for r, _ in value.terms)
        elif isinstance(value, View):
            for affine in (value.offset, *value.shape):
                yield from (r for r, _ in affine.terms)


def _renamed(value: Any, old: int, new: int) -> Any:
    if isinstance(value, Affine) and any(r == old for r, _ in value.terms):
        return sum((Affine(0, ((new if r == old else r, c),)) for r, c in value.terms), Affine(value.const))
    if isinstance(value, View):
        shape = tuple(_renamed(extent, old, new) for extent in value.shape)
        return replace(value, offset=_renamed(value.offset, old, new), shape=shape)
    return value
