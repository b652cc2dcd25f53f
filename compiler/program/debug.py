"""Where the commands of a program come from, and what its arrays are called, as the bytes that a Program carries; it runs without them as well.

The bytes are little-endian 64-bit words:

    strings         a list of: length in bytes, the bytes in whole words
    locations       a list of: name (a string's number), frames, a list of (file, a string's number; line)
    parameters      a list of their names, strings' numbers; empty if not known
    results         likewise
    functions       a list, as the program's: a list of the function's commands, those of loops and branches after the command
                    that holds them: a list of the numbers of locations

plugin/isa/debug.cc verifies them when a program is loaded.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import DecodeError
from ..graph.location import Location
from ..isa.encoding import Reader
from .program import Command, Function


@dataclass
class Debug:
    """What a debug section says; empty lists for what it does not."""

    parameters: list[str] = field(default_factory=lambda: [])  # their names
    results: list[str] = field(default_factory=lambda: [])
    commands: list[list[tuple[Location, ...]]] = field(default_factory=lambda: [])  # of each function


def commands_in_order(commands: Iterable[Command]) -> Iterator[Command]:
    """Yield commands, those of loops and branches after the command that holds them."""
    for c in commands:
        yield c
        for inner in c.lists():
            yield from commands_in_order(inner)


def encode_debug(
    functions: Sequence[Function],
    sources: Mapping[int, Sequence[Location]],
    parameters: Sequence[str] = (),
    results: Sequence[str] = (),
) -> bytes:
    """Return the bytes for a program's functions; `sources` are by the identity of a command."""
    strings: dict[str, int] = {}
    locations: dict[Location, int] = {}
    tail = array("q")
    for names in (parameters, results):
        tail.append(len(names))
        tail.extend(strings.setdefault(name, len(strings)) for name in names)
    tail.append(len(functions))
    for function in functions:
        commands = list(commands_in_order(function.commands))
        tail.append(len(commands))
        for c in commands:
            known = sources.get(id(c), ())
            tail.append(len(known))
            tail.extend(locations.setdefault(place, len(locations)) for place in known)
    middle = array("q", [len(locations)])
    for place in locations:
        middle.extend((strings.setdefault(place.name, len(strings)), len(place.frames)))
        for file, line in place.frames:
            middle.extend((strings.setdefault(file, len(strings)), line))
    words = array("q", [len(strings)])
    for text in strings:
        data = text.encode(errors="backslashreplace")
        words.append(len(data))
        words.frombytes(_swapped(data + bytes(-len(data) % 8)))
    return _little_endian(words + middle + tail)


def decode_debug(data: bytes) -> Debug:
    """Return what a debug section says; nothing for no bytes. DecodeError says what is wrong with it."""
    if not data:
        return Debug()
    if len(data) % 8:
        raise DecodeError(f"[debug] {len(data)} bytes are no whole words; expected a multiple of 8")
    words = array("q")
    words.frombytes(_swapped(data))
    reader = Reader(words)
    strings = tuple(_text(reader) for _ in range(reader.count()))
    locations: list[Location] = []
    for _ in range(reader.count()):
        name = reader.one_of(strings)
        frames = tuple((reader.one_of(strings), reader.word()) for _ in range(reader.count()))
        locations.append(Location(frames, name))
    known = tuple(locations)
    parameters, results = ([reader.one_of(strings) for _ in range(reader.count())] for _ in range(2))
    commands = [
        [tuple(reader.one_of(known) for _ in range(reader.count())) for _ in range(reader.count())]
        for _ in range(reader.count())
    ]
    reader.expect_position(len(words), "the debug section")
    return Debug(parameters, results, commands)


def _text(reader: Reader) -> str:
    size = reader.word()
    words = reader.slice(-(-size // 8))
    assert isinstance(words, array)
    return _little_endian(words)[:size].decode(errors="backslashreplace")


def _little_endian(words: array[int]) -> bytes:
    return _swapped(words.tobytes())


def _swapped(data: bytes) -> bytes:
    """Return words of this machine as little-endian ones, and the other way round."""
    if sys.byteorder == "little":
        return data
    words = array("q")
    words.frombytes(data)
    words.byteswap()
    return words.tobytes()
