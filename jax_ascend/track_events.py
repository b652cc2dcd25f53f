"""Writes a trace of Perfetto's TrackEvents: tracks in a tree, slices and counters on them.

Only what is used here of the protocol is written (perfetto.protos.Trace; field numbers are those of its public definition).
Times are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from .protobuf import message, number, real, text

_SEQUENCE = 1  # of packets: there is one writer
_CLEARED, _NEEDED = 1, 2  # TracePacket.SequenceFlags: interned text starts here, is used here
_CATEGORIES, _NAMES, _KEYS, _STRINGS = 1, 2, 3, 29  # what is interned: fields of InternedData
_BEGIN, _END, _INSTANT, _COUNTER = 1, 2, 3, 4  # TrackEvent.Type
_EXPLICIT = 3  # TrackDescriptor.ChildTracksOrdering: as sibling_order_rank says
_BYTES = 3  # CounterDescriptor.Unit.UNIT_SIZE_BYTES

Value = str | int | float | bool


class TrackEvents:
    """A trace in the making: `track` adds a track, `slice` and `counter` what is on it, `encode` gives the bytes."""

    def __init__(self) -> None:
        self._packets: list[tuple[int, int, int, bytes]] = []  # time, order at equal times, number, packet
        self._descriptors: list[bytes] = []
        self._tracks = 0
        self._ranks: dict[int, int] = {}
        self._interned: dict[tuple[int, str], int] = {}

    def process(self, name: str) -> int:
        """Add a process; returns the track of it."""
        descriptor = number(1, self._tracks + 1) + text(6, name)
        return self._describe(message(3, descriptor) + number(11, _EXPLICIT), 0)

    def track(self, name: str, parent: int) -> int:
        """Add a track after those that its parent has; returns it."""
        return self._describe(text(2, name) + number(11, _EXPLICIT), parent)

    def counter_track(self, name: str, parent: int, bytes: bool = False) -> int:
        """Add a track of a counter; returns it."""
        return self._describe(text(2, name) + message(8, number(3, _BYTES) if bytes else b""), parent)

    def slice(self, track: int, name: str, start: float, end: float, category: str, args: Mapping[str, Value]) -> None:
        """Add a slice; slices of a track follow each other or are nested."""
        self.slice_with(track, self.labels(name, category, args), start, end)

    def labels(self, name: str, category: str, args: Mapping[str, Value]) -> bytes:
        """Return a slice's name, category and arguments, which many slices may share."""
        head = number(3, self._intern(_CATEGORIES, category)) + number(10, self._intern(_NAMES, name))
        return head + b"".join(message(4, number(1, self._intern(_KEYS, k)) + self._value(v)) for k, v in args.items())

    def slice_with(self, track: int, labels: bytes, start: float, end: float) -> None:
        """Add a slice with these labels."""
        event = number(9, _BEGIN) + number(11, track) + labels
        first, last = round(start), max(round(end), round(start))
        place = len(self._packets)
        self._packets.append((first, 1, place, event))
        self._packets.append(
            (
                last,
                1 if last == first else 0,
                -place if last != first else place + 1,
                number(9, _END) + number(11, track),
            )
        )

    def counter(self, track: int, time: float, value: int) -> None:
        """Add a value that holds from a time on."""
        event = number(9, _COUNTER) + number(11, track) + number(30, value)
        self._packets.append((round(time), 2, len(self._packets), event))

    def encode(self) -> bytes:
        """Return the trace, its packets in order of time; the end of a slice comes before what begins at once after it."""
        texts = b"".join(message(kind, number(1, iid) + text(2, t)) for (kind, t), iid in self._interned.items())
        packets = [_packet(_CLEARED, b"", message(12, texts))]
        packets += [_packet(0, b"", message(60, d)) for d in self._descriptors]
        for time, _, _, event in sorted(self._packets, key=lambda p: p[:3]):
            packets.append(_packet(_NEEDED, number(8, time), message(11, event)))
        return b"".join(packets)

    def _intern(self, kind: int, text: str) -> int:
        return self._interned.setdefault((kind, text), len(self._interned) + 1)

    def _value(self, value: Value) -> bytes:
        if isinstance(value, bool):
            return number(2, value)
        if isinstance(value, int):
            return number(4, value)
        if isinstance(value, float):
            return real(5, value)
        return number(17, self._intern(_STRINGS, value))

    def _describe(self, descriptor: bytes, parent: int) -> int:
        self._tracks += 1
        rank = self._ranks[parent] = self._ranks.get(parent, -1) + 1
        where = number(5, parent) if parent else b""
        self._descriptors.append(number(1, self._tracks) + where + descriptor + number(12, rank))
        return self._tracks


def _packet(flags: int, time: bytes, content: bytes) -> bytes:
    state = number(13, flags) if flags else b""
    return message(1, time + number(10, _SEQUENCE) + state + content)
