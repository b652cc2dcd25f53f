"""The static attributes of a call of a foreign function (`ffi_call`): a dictionary by name, which may hold others.

number       a scalar or an array of one element type, as its bytes
text         a string; bytes that are no UTF-8 are surrogates
dictionary   pairs (name, attribute), ascending by the bytes of the name, none twice
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .dtypes import DType

ATTRIBUTE_KINDS = ("scalar", "array", "text", "dictionary")


@dataclass(frozen=True)
class Numbers:
    """A scalar or a flat array; `data` are its elements, little-endian, one byte each for types of fewer bits."""

    dtype: DType
    data: bytes
    scalar: bool


Attribute: TypeAlias = "Numbers | str | Attributes"
Attributes: TypeAlias = "tuple[tuple[str, Attribute], ...]"


def kind_of(attribute: Attribute) -> str:
    """Return which of ATTRIBUTE_KINDS it is."""
    if isinstance(attribute, Numbers):
        return "scalar" if attribute.scalar else "array"
    return "text" if isinstance(attribute, str) else "dictionary"


def text_bytes(text: str) -> bytes:
    """Return the bytes of a name or a string."""
    return text.encode(errors="surrogateescape")


def text_of(data: bytes) -> str:
    """Return the name or string of these bytes."""
    return data.decode(errors="surrogateescape")


def in_order(attributes: dict[str, Attribute]) -> Attributes:
    """Return a dictionary of attributes in the order of their names' bytes."""
    return tuple(sorted(attributes.items(), key=lambda item: text_bytes(item[0])))
