"""A Program's bytes, written and read.

The header, then `words` little-endian 64-bit words, then the constants (64-byte aligned within the file):

    0   8 bytes   "ASCENDPG"
    8   u32       format version          12  u32  CRC-32 of everything from byte 16 on
    16  u64       ISA hash                24  u64  number of words
    32  u64       file offset of the constants     40  u64  bytes of constants
    48  the words, as encode_program writes them

The words are, in this order:

    name, target                        strings; the target as target_text.py prints it, every field
    parameters                          a list of: dtype, rank, shape..., memory kind, donated (0 or 1), sharding
    results                             a list of: dtype, rank, shape..., memory kind, parameter it takes over (or -1), sharding
    replicas, partitions                integers
    (a sharding is a string: the bytes of an OpSharding of xla_data.proto, or none)
    flops, transcendentals, bytes accessed      bits of doubles
    StableHLO                           string: the module as MLIR bytecode
    kernels                             a list of: name, length in words, the kernel (kernel.py)
    functions                           a list of: name, frame bytes, slots (kind, offset, bytes), commands
    debug section                       string: where the commands come from (debug.py); may be empty

A string is its length in bytes and then its bytes in whole words; a list is its length and then its items. A command
is a head word (code, and its length in words in the upper half), then its fields as isa/stream.py declares them.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from typing import Any

from ..errors import DecodeError
from ..graph.graph import TensorType
from ..interpreter import recursion_allowed
from ..isa.attributes import ATTRIBUTE_KINDS, Attribute, Attributes, Numbers, kind_of, text_bytes, text_of
from ..isa.encoding import FORMAT_VERSION, Reader, isa_hash
from ..isa.stream import AICPU, AICPU_BY_NAME, COMMANDS, SLOT_KINDS
from ..target_text import parse_target, print_target
from ..targets import MemoryKind, TargetError
from .kernel import Kernel
from .program import Command, Costs, Function, Program, Slot

MAGIC = b"ASCENDPG"
_HEADER = struct.Struct("<8sIIQQQQ")
_COMMANDS = {spec.name: code for code, spec in enumerate(COMMANDS)}
_AICPU = {spec.name: code for code, spec in enumerate(AICPU)}


@recursion_allowed()
def encode_program(program: Program) -> bytes:
    """Return the program's bytes."""
    words = array("q")  # a module's constants are in it, of which there may be many
    _header(words, program)
    words.append(len(program.kernels))
    for kernel in program.kernels:
        _string(words, kernel.name)
        body = kernel.encode()
        words.append(len(body))
        words.extend(body)
    words.append(len(program.functions))
    for function in program.functions:
        _string(words, function.name)
        words.extend((function.frame_bytes, len(function.slots)))
        for slot in function.slots:
            words.extend((SLOT_KINDS.index(slot.kind), slot.offset, slot.bytes))
        _commands(words, function.commands)
    _blob(words, program.debug)
    packed = _little_endian(words).tobytes()
    start = -(-(_HEADER.size + len(packed)) // 64) * 64
    sizes = struct.pack("<QQQQ", isa_hash(), len(words), start, len(program.constants))
    head = b"".join((sizes, packed, bytes(start - _HEADER.size - len(packed))))
    checksum = zlib.crc32(program.constants, zlib.crc32(head))
    return b"".join((MAGIC, struct.pack("<II", FORMAT_VERSION, checksum), head, program.constants))


@recursion_allowed()
def decode_program(data: bytes) -> Program:
    """Return the program that `data` encodes; DecodeError says where and why it is none."""
    try:
        return _decode_program(data)
    except RecursionError:
        raise DecodeError("[program] commands are nested too deeply to be read") from None


def _decode_program(data: bytes) -> Program:
    if len(data) < _HEADER.size:
        raise DecodeError(f"[program] the header is cut short; expected {_HEADER.size} bytes, got {len(data)}")
    magic, version, checksum, isa, count, start, size = _HEADER.unpack_from(data)
    for what, expected, got in (
        ("magic", MAGIC, magic),
        ("format version", FORMAT_VERSION, version),
        ("checksum", zlib.crc32(data[16:]), checksum),
        ("hash of the instruction set", isa_hash(), isa),
        ("length", start + size, len(data)),
    ):
        if expected != got:
            raise DecodeError(f"[program] wrong {what}; expected {expected!r}, got {got!r}. Compile it again.")
    if _HEADER.size + 8 * count > start:
        raise DecodeError(f"[program] {count} words do not fit before the constants at byte {start}")
    words = array("q")
    words.frombytes(data[_HEADER.size : _HEADER.size + 8 * count])
    reader = Reader(_little_endian(words))
    program = _read_header(reader)
    program.constants = data[start:]
    for _ in range(reader.count()):
        kernel_name = _read_text(reader)
        end = reader.word() + reader.position
        program.kernels.append(Kernel.decode(kernel_name, reader))
        reader.expect_position(end, f"kernel {kernel_name}")
    for _ in range(reader.count()):
        function = Function(_read_text(reader), frame_bytes=reader.word())
        for _ in range(reader.count()):
            function.slots.append(Slot(reader.one_of(SLOT_KINDS), *reader.several(2)))
        function.commands = _read_commands(reader)
        program.functions.append(function)
    program.debug = _read_blob(reader)
    reader.expect_position(len(reader.words), "the program")
    return program


def _header(words: array[int], program: Program) -> None:
    _string(words, program.name)
    _string(words, print_target(program.target))
    words.append(len(program.parameters))
    for number, (t, memory) in enumerate(zip(program.parameters, program.parameter_memory, strict=True)):
        words.extend((t.dtype.code, t.rank, *t.shape, memory, number in program.donated))
        _blob(words, program.parameter_sharding[number])
    words.append(len(program.results))
    results = zip(program.results, program.result_memory, program.result_alias, program.result_sharding, strict=True)
    for t, memory, alias, sharding in results:
        words.extend((t.dtype.code, t.rank, *t.shape, memory, alias))
        _blob(words, sharding)
    costs = program.costs
    words.extend((program.replicas, program.partitions))
    words.extend(struct.unpack("<3q", struct.pack("<3d", costs.flops, costs.transcendentals, costs.bytes_accessed)))
    _blob(words, program.stablehlo)


def _read_header(reader: Reader) -> Program:
    name, text = _read_text(reader), _read_text(reader)
    try:
        target = parse_target(text, "program")
    except TargetError as error:
        raise DecodeError(str(error)) from None
    program = Program(name, target, [], [], [])
    donated: list[int] = []
    for number in range(reader.count()):
        program.parameters.append(_read_type(reader))
        program.parameter_memory.append(reader.one_of(tuple(MemoryKind)))
        donated += [number] if reader.one_of((False, True)) else []
        program.parameter_sharding.append(_read_blob(reader))
    program.donated = frozenset(donated)
    for _ in range(reader.count()):
        program.results.append(_read_type(reader))
        program.result_memory.append(reader.one_of(tuple(MemoryKind)))
        program.result_alias.append(reader.word())
        program.result_sharding.append(_read_blob(reader))
    program.replicas, program.partitions = reader.several(2)
    program.costs = Costs(*struct.unpack("<3d", struct.pack("<3q", *reader.several(3))))
    program.stablehlo = _read_blob(reader)
    return program


def _read_type(reader: Reader) -> TensorType:
    dtype = reader.dtype()
    return TensorType(reader.several(reader.word()), dtype)


def _read_text(reader: Reader) -> str:
    try:
        return _read_blob(reader).decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"[word {reader.position}] a string is no UTF-8: {error}") from None


def _read_blob(reader: Reader) -> bytes:
    size = reader.word()
    return _little_endian(array("q", reader.slice(-(-size // 8)))).tobytes()[:size]


def _read_commands(reader: Reader) -> list[Command]:
    end = reader.word() + reader.position
    commands: list[Command] = []
    while reader.position < end:
        commands.append(_read_command(reader))
    reader.expect_position(end, "a list of commands")
    return commands


def _read_command(reader: Reader) -> Command:
    start = reader.position
    head = reader.word()
    code = head & 0xFFFFFFFF
    if code >= len(COMMANDS):
        raise DecodeError(f"[word {start}] no command has code {code}; expected less than {len(COMMANDS)}")
    spec = COMMANDS[code]
    values: list[Any] = []
    for field in spec.fields:
        values.append(
            _read_parameters(reader, values[0])
            if field.kind == "parameters"
            else reader.one_of(field.values)
            if field.values
            else _read_field(reader, field.kind)
        )
    reader.expect_position(start + (head >> 32), f"command {spec.name}")
    return Command(spec, tuple(values))


def _read_field(reader: Reader, kind: str) -> Any:
    if kind in ("slot", "kernel", "function", "int"):
        return reader.word()
    if kind in ("slots", "ints"):
        return list(reader.several(reader.word()))
    if kind == "groups":
        return [list(reader.several(reader.word())) for _ in range(reader.count())]
    if kind == "text":
        return text_of(_read_blob(reader))
    if kind == "attributes":
        return _read_attributes(reader)
    if kind == "pairs":
        flat = reader.several(2 * reader.word())
        return list(zip(flat[::2], flat[1::2], strict=True))
    if kind == "aicpu":
        return reader.one_of(AICPU).name
    if kind == "types":
        return [_read_type(reader) for _ in range(reader.count())]
    if kind == "commands":
        return _read_commands(reader)
    return [_read_commands(reader) for _ in range(reader.count())]


def _read_parameters(reader: Reader, op: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for p in AICPU_BY_NAME[op].parameters:
        at, words = reader.position, reader.several(reader.word()) if p.is_list else (reader.word(),)
        try:
            items = [p.decode(word) for word in words]
        except KeyError as error:
            raise DecodeError(f"[word {at}] {p.name} of {op}; no element type has code {error.args[0]}") from None
        parameters[p.name] = items if p.is_list else items[0]
    return parameters


def _read_attributes(reader: Reader) -> Attributes:
    attributes: list[tuple[str, Attribute]] = []
    for _ in range(reader.count()):
        name, kind = text_of(_read_blob(reader)), reader.one_of(ATTRIBUTE_KINDS)
        if kind == "dictionary":
            attributes.append((name, _read_attributes(reader)))
        elif kind == "text":
            attributes.append((name, text_of(_read_blob(reader))))
        else:
            dtype = reader.dtype()
            attributes.append((name, Numbers(dtype, _read_blob(reader), kind == "scalar")))
    return tuple(attributes)


def _attributes(words: array[int], attributes: Attributes) -> None:
    words.append(len(attributes))
    for name, attribute in attributes:
        _blob(words, text_bytes(name))
        words.append(ATTRIBUTE_KINDS.index(kind_of(attribute)))
        if isinstance(attribute, Numbers):
            words.append(attribute.dtype.code)
            _blob(words, attribute.data)
        elif isinstance(attribute, str):
            _blob(words, text_bytes(attribute))
        else:
            _attributes(words, attribute)


def _string(words: array[int], text: str) -> None:
    _blob(words, text.encode())


def _blob(words: array[int], data: bytes) -> None:
    words.append(len(data))
    whole = array("q")
    whole.frombytes(data + bytes(-len(data) % 8))
    words.extend(_little_endian(whole))


def _little_endian(words: array[int]) -> array[int]:
    """Return words in the order of bytes that files have, or back."""
    if sys.byteorder == "big":
        words = array("q", words)
        words.byteswap()
    return words


def _commands(words: array[int], commands: list[Command]) -> None:
    head = len(words)
    words.append(0)
    for c in commands:
        _command(words, c)
    words[head] = len(words) - head - 1


def _command(words: array[int], c: Command) -> None:
    head = len(words)
    words.append(0)
    for field, value in c.fields():
        kind = field.kind
        if kind in ("slot", "kernel", "function", "int"):
            words.append(value)
        elif kind == "choice":
            words.append(field.values.index(value))
        elif kind in ("slots", "ints"):
            words.append(len(value))
            words.extend(value)
        elif kind == "groups":
            words.append(len(value))
            for group in value:
                words.append(len(group))
                words.extend(group)
        elif kind == "text":
            _blob(words, text_bytes(value))
        elif kind == "attributes":
            _attributes(words, value)
        elif kind == "pairs":
            words.append(len(value))
            words.extend(x for pair in value for x in pair)
        elif kind == "aicpu":
            words.append(_AICPU[value])
        elif kind == "parameters":
            for p in AICPU_BY_NAME[c.values[0]].parameters:
                items = value[p.name] if p.is_list else [value[p.name]]
                words.extend([len(items)] if p.is_list else [])
                words.extend(map(p.encode, items))
        elif kind == "types":
            words.append(len(value))
            for t in value:
                words.extend((t.dtype.code, t.rank, *t.shape))
        elif kind == "commands":
            _commands(words, value)
        else:
            words.append(len(value))
            for branch in value:
                _commands(words, branch)
    words[head] = _COMMANDS[c.spec.name] | (len(words) - head) << 32
