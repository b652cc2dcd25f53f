"""The Program: what the device runs, and its bytes.

A program is a list of functions at stream level (entry first), kernels, constants, the types of parameters and results, and
free-form metadata. File layout: the header, then `words` little-endian 64-bit words, then the constants (64-byte aligned
within the file):

    0   8 bytes   "ASCENDPG"
    8   u32       format version          12  u32  CRC-32 of everything from byte 16 on
    16  u64       ISA hash                24  u64  number of words
    32  u64       file offset of the constants     40  u64  bytes of constants
    48  words:    strings and lists as Program.encode writes them

A function sees buffers through its slot table. A slot is a parameter, a result, a piece of the constants or a piece of the
function's frame (workspace); `loop` may exchange the storage of two slots, so commands never hold addresses.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from ..isa.encoding import isa_hash
from ..isa.stream import AICPU, COMMANDS, CommandSpec
from .graph import TensorType
from .kernel import Kernel

MAGIC = b"ASCENDPG"
VERSION = 1
SLOT_KINDS = ("parameter", "result", "constant", "frame")
_HEADER = struct.Struct("<8sIIQQQQ")
_COMMANDS = {spec.name: code for code, spec in enumerate(COMMANDS)}
_AICPU = {spec.name: code for code, spec in enumerate(AICPU)}


@dataclass(frozen=True, slots=True)
class Slot:
    """A buffer of a function: `offset` is a parameter or result number, or bytes into constants or frame."""

    kind: str
    offset: int
    bytes: int


@dataclass(slots=True)
class Command:
    """One stream command; fields in declared order, regions as lists of commands."""

    spec: CommandSpec
    values: tuple[Any, ...]


def command(name: str, *values: Any) -> Command:
    """Build the command called `name`."""
    spec = COMMANDS[_COMMANDS[name]]
    assert len(values) == len(spec.fields), f"{name} takes {[f for f, _ in spec.fields]}"
    return Command(spec, values)


@dataclass
class Function:
    """A list of commands over a slot table, with a frame of `frame_bytes`."""

    name: str
    slots: list[Slot] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    frame_bytes: int = 0

    def slot(self, kind: str, offset: int, size: int) -> int:
        """Add a slot; returns its index."""
        self.slots.append(Slot(kind, offset, size))
        return len(self.slots) - 1


@dataclass
class Program:
    """All of a compiled module; functions[0] is the entry, whose parameters and results are the module's."""

    name: str
    target: str
    parameters: list[TensorType]
    results: list[TensorType]
    result_alias: list[int]  # per result the parameter whose storage it takes over, or -1
    functions: list[Function] = field(default_factory=list)
    kernels: list[Kernel] = field(default_factory=list)
    constants: bytes = b""
    metadata: dict[str, str | bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the program's bytes."""
        words: list[int] = []
        _string(words, self.name)
        _string(words, self.target)
        for types in (self.parameters, self.results):
            words.append(len(types))
            for t in types:
                words += (t.dtype.code, t.rank, *t.shape)
        words += self.result_alias
        words.append(len(self.metadata))
        for key, value in self.metadata.items():
            _string(words, key)
            _string(words, value)
        words.append(len(self.kernels))
        for kernel in self.kernels:
            _string(words, kernel.name)
            body = kernel.encode()
            words.append(len(body))
            words += body
        words.append(len(self.functions))
        for function in self.functions:
            _string(words, function.name)
            words += (function.frame_bytes, len(function.slots))
            for slot in function.slots:
                words += (SLOT_KINDS.index(slot.kind), slot.offset, slot.bytes)
            _region(words, function.commands)
        packed = struct.pack(f"<{len(words)}q", *words)
        start = -(-(_HEADER.size + len(packed)) // 64) * 64
        body = packed + bytes(start - _HEADER.size - len(packed)) + self.constants
        tail = struct.pack("<QQQQ", isa_hash(), len(words), start, len(self.constants)) + body
        return MAGIC + struct.pack("<II", VERSION, zlib.crc32(tail)) + tail

    def launches(self) -> dict[str, int]:
        """Count the static launch sites by kind: cube, vector, mixed, aicpu."""
        counts = {"cube": 0, "vector": 0, "mixed": 0, "aicpu": 0}
        kinds = {"aic": "cube", "aiv": "vector", "mix": "mixed"}

        def visit(commands: list[Command]) -> None:
            for c in commands:
                if c.spec.name == "launch":
                    counts[kinds[self.kernels[c.values[0]].core]] += 1
                elif c.spec.name == "aicpu":
                    counts["aicpu"] += 1
                for (_, kind), value in zip(c.spec.fields, c.values, strict=True):
                    if kind == "region":
                        visit(value)
                    elif kind == "regions":
                        for region in value:
                            visit(region)

        for function in self.functions:
            visit(function.commands)
        return counts


def _string(words: list[int], text: str | bytes) -> None:
    data = text.encode() if isinstance(text, str) else text
    words.append(len(data))
    words += struct.unpack(f"<{-(-len(data) // 8)}q", data + bytes(-len(data) % 8))


def _region(words: list[int], commands: list[Command]) -> None:
    head = len(words)
    words.append(0)
    for c in commands:
        _command(words, c)
    words[head] = len(words) - head - 1


def _command(words: list[int], c: Command) -> None:
    head = len(words)
    words.append(0)
    for (_, kind), value in zip(c.spec.fields, c.values, strict=True):
        if kind in ("slot", "kernel", "function", "int"):
            words.append(value)
        elif kind in ("slots", "ints"):
            words.append(len(value))
            words += value
        elif kind == "pairs":
            words.append(len(value))
            words += [x for pair in value for x in pair]
        elif kind == "aicpu":
            words.append(_AICPU[value])
        elif kind == "region":
            _region(words, value)
        else:
            words.append(len(value))
            for region in value:
                _region(words, region)
    words[head] = _COMMANDS[c.spec.name] | (len(words) - head) << 32
