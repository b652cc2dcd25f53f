"""Gives every tile of a kernel its address on chip.

    tile 0: UB, 16 KiB, live 2..5          0 : tile 0, tile 2
    tile 1: UB, 16 KiB, live 3..9    ->    16 KiB : tile 1
    tile 2: UB,  8 KiB, live 6..9

Tiles of one memory may share bytes when their live ranges do not meet. Sharing makes pipes wait for each other (a load
into bytes that V still reads), so memory is shared no more than needed: first not at all, then among tiles that only V
touches, then freely. Within each, ranges are placed largest first at the lowest address free for their whole life.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass

from ..isa.machine import Loc
from ..program.kernel import Kernel
from ..targets import Target
from .live_ranges import LiveRange, live_ranges


class DoesNotFit(Exception):
    """The tiles alive at once need more than a memory has; a tiler catches it and shrinks."""

    def __init__(self, kernel: str, loc: Loc, needed: int, available: int):
        super().__init__(
            f"[kernel {kernel}] tiles do not fit {loc.memory}; expected at most {available} bytes, got {needed}. "
            f"Use smaller tiles or fewer slots."
        )
        self.loc, self.memory, self.needed, self.available = loc, loc.memory, needed, available


# UB needs 32; vector loads of the machine that emulates it are faster within its cache lines.
_CACHE_LINE = 64


Layout = list[tuple[int, int]]
"""Per tile of a kernel its address and the distance of its slots, in bytes."""


@dataclass(eq=False)
class _Piece:
    """Bytes to place: a live range, its size, and its address once known."""

    live: LiveRange
    size: int
    stride: int
    alignment: int
    address: int = -1
    vector: bool = False  # only pipe V touches it


def allocate_tiles(kernel: Kernel, target: Target, layout: Layout | None = None) -> None:
    """Set address and slot_stride of every tile whose address is -1, as `layout` says or else as pack_tiles finds.

    Raises DoesNotFit.
    """
    places = layout if layout is not None else pack_tiles(kernel, target)
    for tile, place in zip(kernel.tiles, places, strict=True):
        tile.address, tile.slot_stride = place


def pack_tiles(kernel: Kernel, target: Target) -> Layout:
    """Return where the tiles of a kernel go; tiles with an address keep it.

    Addresses are multiples of `loc.alignment`. The two tiles of a treshape get one address. Raises DoesNotFit.
    """
    layout = [(tile.address, tile.slot_stride) for tile in kernel.tiles]
    pieces: dict[Loc, list[_Piece]] = {}
    for live in live_ranges(kernel):
        loc = kernel.tiles[live.tiles[0]].loc
        pieces.setdefault(loc, []).append(_measure(kernel, live))
    for loc, members in pieces.items():
        _place(members, target.capacity(loc), loc, kernel.name)
        for piece in members:
            for index in piece.live.tiles:
                tile = kernel.tiles[index]
                layout[index] = piece.address, piece.stride if tile.slots > 1 else tile.slot_stride
    return layout


def _measure(kernel: Kernel, live: LiveRange) -> _Piece:
    """Return the size of the tiles of a live range and the distance of their slots."""
    tiles = [kernel.tiles[t] for t in live.tiles]
    loc, slots = tiles[0].loc, tiles[0].slots
    assert all(t.loc == loc for t in tiles), f"[kernel {kernel.name}] treshape joins tiles of different memories"
    assert all(t.slots == slots for t in tiles), (
        f"[kernel {kernel.name}] treshape joins tiles with different numbers of slots"
    )
    stride = max(t.slot_stride or t.bytes for t in tiles)
    alignment = max(loc.alignment, _CACHE_LINE) if loc == Loc.vec else loc.alignment
    stride = -(-stride // alignment) * alignment
    fixed = {t.address for t in tiles if t.address >= 0}
    assert len(fixed) <= 1, f"[kernel {kernel.name}] treshape joins tiles at different addresses {sorted(fixed)}"
    return _Piece(live, slots * stride, stride, alignment, fixed.pop() if fixed else -1, live.pipes <= {"V"})


def _place(pieces: list[_Piece], available: int, loc: Loc, kernel: str) -> None:
    fixed = [p for p in pieces if p.address >= 0]
    free = [p for p in pieces if p.address < 0]
    height = 0
    for may_share in (_never, _both_vector, _always):
        for order in (_by_size, _by_start):
            height = _pack(fixed, sorted(free, key=order), may_share)
            if height <= available:
                return
    raise DoesNotFit(kernel, loc, height, available)


def _pack(fixed: list[_Piece], free: list[_Piece], may_share: Callable[[_Piece, _Piece], bool]) -> int:
    """Place `free` one after the other, each as low as those before it allow; return the bytes used."""
    placed = sorted(fixed, key=_address)
    height = max((p.address + p.size for p in placed), default=0)
    for piece in free:
        size, alignment = piece.size, piece.alignment
        address = -(-height // alignment) * alignment if may_share is _never else 0
        for other in placed:
            if other.address >= address + size:
                break
            end = other.address + other.size
            if end > address and not may_share(piece, other):
                address = -(-end // alignment) * alignment
        piece.address = address
        insort(placed, piece, key=_address)
        height = max(height, address + size)
    return height


def _address(piece: _Piece) -> int:
    return piece.address


def _never(a: _Piece, b: _Piece) -> bool:
    return False


def _both_vector(a: _Piece, b: _Piece) -> bool:
    return a.vector and b.vector and not a.live.overlaps(b.live)


def _always(a: _Piece, b: _Piece) -> bool:
    return not a.live.overlaps(b.live)


def _by_size(piece: _Piece) -> tuple[int, int]:
    return (-piece.size, piece.live.first)


def _by_start(piece: _Piece) -> tuple[int, int]:
    return (piece.live.first, -piece.size)
