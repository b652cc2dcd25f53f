"""What exchanges between devices mean (EXCHANGES in isa/stream.py), in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..graph.graph import TensorType
from ..program.program import Command
from .machine import ReferenceFault

Bytes = np.ndarray

_COMBINE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


@dataclass
class Waiting:
    """A device at an exchange: the command, and the memory of its slots."""

    command: Command
    memory: list[Bytes]


class Device(Protocol):
    """What an exchange needs of a device's run."""

    number: int
    waits: Waiting | None


def exchange(devices: Sequence[Device]) -> None:
    """Do every exchange whose devices are all at it, and let them go on."""
    for device in devices:
        if device.waits is None:
            continue
        command = device.waits.command
        meeting = _meeting(command, device.number)
        members = [devices[d].waits for d in meeting]
        there = [m for m in members if m is not None and m.command is command]
        if len(there) < len(meeting):
            continue
        _do(command, meeting, [m.memory for m in there])
        for d in meeting:
            devices[d].waits = None


def _fields(command: Command) -> dict[str, Any]:
    return {field.name: value for field, value in command.fields()}


def _meeting(command: Command, number: int) -> list[int]:
    """Return who the device exchanges with, itself among them: its group, or whom pairs connect it with."""
    fields = _fields(command)
    if fields["exchange"] != "collective_permute":
        return next((list(g) for g in fields["groups"] if number in g), [number])
    found, size = {number}, 0
    while size < len(found):
        size = len(found)
        found |= {d for pair in fields["groups"] if found & set(pair) for d in pair}
    return sorted(found)


def _do(command: Command, meeting: list[int], memory: list[list[Bytes]]) -> None:
    fields = _fields(command)
    kind, count = fields["exchange"], len(fields["results"])
    if kind == "ragged_all_to_all":
        return _ragged(fields, memory)
    for k, (y, x) in enumerate(zip(fields["results"], fields["operands"], strict=True)):
        parts = [m[count + k][: x.bytes].copy() for m in memory]
        for i, number in enumerate(meeting):
            memory[i][k][: y.bytes] = _result(fields, kind, parts, i, number, meeting, x.dtype.numpy)


def _result(
    fields: dict[str, Any], kind: str, parts: list[Bytes], i: int, number: int, meeting: list[int], dtype: np.dtype
) -> Bytes:
    """Return the bytes that member i gets of the members' operands."""
    n = len(parts)
    if kind == "all_gather":
        return np.concatenate(parts)
    if kind == "all_to_all":
        return np.concatenate([p.reshape(n, -1)[i] for p in parts])
    if kind == "collective_permute":
        source = [a for a, b in fields["groups"] if b == number]
        return parts[meeting.index(source[0])] if source else np.zeros_like(parts[i])
    if kind == "collective_broadcast":
        return parts[0] if any(number in g for g in fields["groups"]) else np.zeros_like(parts[0])
    combined = _combined(fields["reduction"], [p.view(dtype) for p in parts]).view(np.uint8)
    return combined.reshape(n, -1)[i] if kind == "reduce_scatter" else combined


def _combined(reduction: str, parts: list[np.ndarray]) -> np.ndarray:
    dtype = parts[0].dtype
    wide = np.dtype(np.float32) if dtype.itemsize == 2 and dtype.kind in "fV" else dtype
    combine = _COMBINE[reduction]
    with np.errstate(all="ignore"):
        total = parts[0].astype(wide)
        for part in parts[1:]:
            total = combine(total, part.astype(wide))
        return np.ascontiguousarray(total.astype(dtype))


def _rows(data: Bytes, type: TensorType) -> np.ndarray:
    return data[: type.bytes].reshape(type.shape[0], -1)


def _ragged(fields: dict[str, Any], memory: list[list[Bytes]]) -> None:
    kept: TensorType = fields["results"][0]
    operands: list[TensorType] = fields["operands"]
    sent, numbers, *_ = operands
    rows = [_rows(m[1], sent).copy() for m in memory]
    lists = [[b[: numbers.bytes].view(numbers.dtype.numpy) for b in m[2:6]] for m in memory]
    pieces = numbers.shape[0] // len(memory)
    for source, (start, size, target, _) in enumerate(lists):
        for j in range(numbers.shape[0]):
            a, n, b = int(start[j]), int(size[j]), int(target[j])
            into = _rows(memory[j // pieces][0], kept)
            if min(a, n, b) < 0 or a + n > len(rows[source]) or b + n > len(into):
                raise ReferenceFault(f"[ragged_all_to_all] piece {j} of member {source} leaves its array")
            into[b : b + n] = rows[source][a : a + n]
