"""Shardings as XLA's OpSharding, which is how PJRT tells JAX where parameters and results lie.

The message is that of openxla/xla, xla/xla_data.proto; field numbers are from there.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..graph.sharding import Sharding

_TYPE, _TILES, _DEVICES, _REPLICATES_LAST, _IOTA_SHAPE, _IOTA_ORDER = 1, 3, 4, 6, 9, 10
_REPLICATED, _OTHER = 0, 3


def op_sharding(sharding: Sharding) -> bytes:
    """Return a serialised OpSharding: devices of the mesh in the order of the tiles, copies last."""
    mesh, cut = sharding.mesh, sharding.axes
    if not cut:
        return _integer(_TYPE, _REPLICATED)
    copies = tuple(a for a in range(len(mesh.sizes)) if a not in cut)
    tiles = [mesh.extent(axes) for axes in sharding.dims]
    if copies:
        tiles.append(mesh.extent(copies))
    message = _integer(_TYPE, _OTHER) + _integers(_TILES, tiles)
    if mesh.devices == tuple(range(len(mesh.devices))):
        message += _integers(_IOTA_SHAPE, mesh.sizes) + _integers(_IOTA_ORDER, cut + copies)
    else:
        message += _integers(_DEVICES, (d for group in mesh.groups(cut + copies) for d in group))
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
