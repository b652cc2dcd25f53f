"""Shardings as XLA's OpSharding, which is how PJRT tells JAX where parameters and results lie.

The message is that of openxla/xla, xla/xla_data.proto; field numbers are from there.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.sharding import Sharding

_TYPE, _TILES, _DEVICES, _REPLICATES_LAST, _LAST_TYPES, _IOTA_SHAPE, _IOTA_ORDER = 1, 3, 4, 6, 8, 9, 10
_REPLICATED, _OTHER, _UNREDUCED = 0, 3, 6


def op_sharding(sharding: Sharding) -> bytes:
    """Return a serialised OpSharding: devices of the mesh in the order of the tiles, terms and copies last."""
    mesh, cut, terms = sharding.mesh, sharding.axes, sharding.partial
    if not cut and not terms:
        return _integer(_TYPE, _REPLICATED)
    copies = tuple(a for a in range(len(mesh.sizes)) if a not in (*cut, *terms))
    order = cut + terms + copies
    tiles = [mesh.extent(axes) for axes in (*sharding.dims, *([terms] if terms else []), *([copies] if copies else []))]
    message = _integer(_TYPE, _OTHER) + _integers(_TILES, tiles)
    if mesh.devices == tuple(range(len(mesh.devices))):
        message += _integers(_IOTA_SHAPE, mesh.sizes) + _integers(_IOTA_ORDER, order)
    else:
        message += _integers(_DEVICES, (d for group in mesh.groups(order) for d in group))
    if terms:
        return message + _integers(_LAST_TYPES, [_UNREDUCED, _REPLICATED] if copies else [_UNREDUCED])
    return message + (_integer(_REPLICATES_LAST, 1) if copies else b"")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _integers(field: int, values: Iterable[int]) -> bytes:
    """Return a packed list."""
    packed = b"".join(map(_varint, values))
    return _varint(field << 3 | 2) + _varint(len(packed)) + packed
