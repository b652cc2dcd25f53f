"""Binary form of instructions: a stream of little-endian 64-bit words.

An instruction is a head word (opcode, and in the upper half its length in words), then its operands in declared order:

    tile      tile index, affine slot
    affine    number of terms, constant, then (register, coefficient) per term
    view      argument, rank, split, affine offset, affine extent per dimension, stride per dimension
    imm       0 and an integer, or 1 and the bits of a double
    enum      index of the name          register  its number          ints  count, then the numbers
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from array import array
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from ..errors import DecodeError
from .attributes import ATTRIBUTE_KINDS
from .dtypes import DType
from .machine import KERNEL_CORES, LIMITS, CoreType, Layout, Loc, Pipe
from .model import Affine, Operand, Spec, TileRef, View, instruction_set
from .stream import AICPU, COMMANDS

FORMAT_VERSION = 3  # of a program's bytes (program/program_bytes.py)

Words: TypeAlias = "list[int] | array[int]"
Item = TypeVar("Item")


@cache
def opcodes() -> dict[str, int]:
    """Opcode by name."""
    return {name: code for code, name in enumerate(instruction_set())}


@cache
def specs() -> tuple[Spec, ...]:
    """Instruction by opcode."""
    return tuple(instruction_set().values())


@cache
def isa_hash() -> int:
    """63-bit hash of all that is declared: a program of another build is refused."""
    machine = [
        (type.__name__, [{k: v for k, v in vars(m).items() if k == "_name_" or k[0] != "_"} for m in type])
        for type in (CoreType, Pipe, Layout, Loc)
    ]
    declared = (FORMAT_VERSION, machine, KERNEL_CORES, LIMITS, list(DType), specs(), COMMANDS, AICPU, ATTRIBUTE_KINDS)
    text = repr(_stable(declared))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def _stable(value: Any) -> Any:
    """Return what prints equally in every process: sets ordered, declarations as lists of their fields."""
    if isinstance(value, (frozenset, set)):
        return sorted(repr(_stable(v)) for v in cast("Set[object]", value))
    if isinstance(value, dict):
        return [(str(k), _stable(v)) for k, v in cast("Mapping[object, object]", value).items()]
    if isinstance(value, DType):
        return value.name, value.code, value.bytes, value.kind
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, (list, tuple)):
        return [_stable(v) for v in cast("Sequence[object]", value)]
    if dataclasses.is_dataclass(value):
        return [(f.name, _stable(getattr(value, f.name))) for f in dataclasses.fields(value)]
    return value


def encode_affine(words: Words, value: Affine | int) -> None:
    """Append an affine operand."""
    if isinstance(value, Affine):
        words.append(len(value.terms))
        words.append(value.const)
        for term in value.terms:
            words.extend(term)
    else:
        words.append(0)
        words.append(int(value))


def _encode_operand(words: Words, operand: Operand, value: Any) -> None:
    kind = operand.kind
    if kind == "tile":
        words.append(value.tile)
        encode_affine(words, value.slot)
    elif kind == "affine":
        encode_affine(words, value)
    elif kind == "view":
        words.extend((value.argument, len(value.shape), value.split))
        encode_affine(words, value.offset)
        for extent in value.shape:
            encode_affine(words, extent)
        words += value.strides
    elif kind == "imm":
        words.extend(_encode_number(value))
    elif kind == "enum":
        words.append(operand.values.index(value))
    elif kind == "register":
        words.append(value)
    else:
        words.append(len(value))
        words.extend(map(int, value))


def _encode_number(value: float | np.integer | np.floating | np.bool_ | np.ndarray) -> tuple[int, int]:
    """Integers of any kind as integers (u64 wraps), all else, NumPy's small floats included, as doubles."""
    scalar = value[()] if isinstance(value, np.ndarray) else value
    if isinstance(scalar, (int, np.integer, np.bool_)):
        integer = int(scalar)
        return 0, integer - (1 << 64) if integer >= 1 << 63 else integer
    return 1, struct.unpack("<q", struct.pack("<d", float(scalar)))[0]


def encode_instruction(words: Words, spec: Spec, values: tuple[Any, ...]) -> None:
    """Append one instruction."""
    head = len(words)
    words.append(0)
    for operand, value in zip(spec.operands, values, strict=True):
        _encode_operand(words, operand, value)
    words[head] = opcodes()[spec.name] | (len(words) - head) << 32


class Reader:
    """Takes words one after the other."""

    def __init__(self, words: Words, position: int = 0):
        self.words, self.position = words, position

    def word(self) -> int:
        """Take one word."""
        if self.position >= len(self.words):
            raise DecodeError(f"[word {self.position}] the program ends inside an instruction")
        self.position += 1
        return self.words[self.position - 1]

    def several(self, count: int) -> tuple[int, ...]:
        """Take `count` words."""
        if not 0 <= count <= len(self.words) - self.position:
            raise DecodeError(f"[word {self.position}] a list of {count} words does not fit the program")
        return tuple(self.word() for _ in range(count))

    def slice(self, count: int) -> Words:
        """Take `count` words as what they are held in."""
        if not 0 <= count <= len(self.words) - self.position:
            raise DecodeError(f"[word {self.position}] a list of {count} words does not fit the program")
        self.position += count
        return self.words[self.position - count : self.position]

    def count(self) -> int:
        """Take the length of a list; every item takes at least a word."""
        count = self.word()
        if not 0 <= count <= len(self.words) - self.position:
            raise DecodeError(f"[word {self.position - 1}] a list of {count} items does not fit the program")
        return count

    def expect_position(self, end: int, what: str) -> None:
        """Raise DecodeError unless `what`, just taken, ends at word `end`."""
        if self.position != end:
            raise DecodeError(f"[word {self.position}] {what} ends here; its declared length says word {end}")

    def one_of(self, items: tuple[Item, ...]) -> Item:
        """Take an index into `items`."""
        index = self.word()
        if not 0 <= index < len(items):
            raise DecodeError(f"[word {self.position - 1}] got {index}; expected an index into {items}")
        return items[index]

    def dtype(self) -> DType:
        """Take the code of an element type."""
        try:
            return DType.of_code(self.word())
        except KeyError as error:
            raise DecodeError(f"[word {self.position - 1}] no element type has code {error.args[0]}") from None

    def affine(self) -> Affine:
        """Take an affine operand."""
        count, const = self.word(), self.word()
        flat = self.several(2 * count)
        return Affine(const, tuple(zip(flat[::2], flat[1::2], strict=True)))


def _decode_operand(reader: Reader, operand: Operand) -> Any:
    kind = operand.kind
    if kind == "tile":
        return TileRef(reader.word(), reader.affine())
    if kind == "affine":
        return reader.affine()
    if kind == "view":
        argument, rank, split = reader.several(3)
        offset = reader.affine()
        shape = tuple(reader.affine() for _ in range(rank))
        return View(argument, offset, shape, reader.several(rank), split)
    if kind == "imm":
        is_float, bits = reader.several(2)
        return struct.unpack("<d", struct.pack("<q", bits))[0] if is_float else bits
    if kind == "enum":
        return reader.one_of(operand.values)
    if kind == "register":
        return reader.word()
    return reader.several(reader.word())


def decode_instruction(reader: Reader) -> tuple[Spec, tuple[Any, ...]]:
    """Take one instruction; DecodeError if the words are none."""
    start = reader.position
    head = reader.word()
    opcode, length = head & 0xFFFFFFFF, head >> 32
    if opcode >= len(specs()):
        raise DecodeError(f"[word {start}] no instruction has opcode {opcode}; expected less than {len(specs())}")
    spec = specs()[opcode]
    values = tuple(_decode_operand(reader, operand) for operand in spec.operands)
    reader.expect_position(start + length, spec.name)
    return spec, values
