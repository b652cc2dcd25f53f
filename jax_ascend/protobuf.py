"""Writes messages of protocol buffers, field by field: what traces are made of, without a dependency."""

from __future__ import annotations

import struct


def varint(value: int) -> bytes:
    """Return a whole number, negative ones as 64 bits of two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """Return a field of a whole number, a truth value or an enumeration."""
    return varint(field << 3) + varint(value)


def real(field: int, value: float) -> bytes:
    """Return a field of a double."""
    return varint(field << 3 | 1) + struct.pack("<d", value)


def message(field: int, content: bytes) -> bytes:
    """Return a field of a message or of bytes."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field: int, text: str) -> bytes:
    """Return a field of a string."""
    return message(field, text.encode(errors="backslashreplace"))
