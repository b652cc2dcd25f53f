"""What an exchange between devices takes on silicon, by HCCL's choice of algorithm.

A server's devices have a link to each other, or to a switch: all of them at once give `exchange_bandwidth` to a device. A group of a few
has only the links between them, `peer_bandwidth` each, so that groups that exchange data at once never share one: what a switch gives to a
device, and its way to the network, are its own, too. Small
exchanges are kernels of the vector cores, which start at once; large ones are tasks of the links, which take long to start. What spans
servers goes over the network from each device to its counterparts first, or last, so that the network sees every byte once. Devices
are numbered server by server.
docs/device.md has the sources; tests/cycles/test_exchange_time.py compares with published times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .targets import Target

_ONE_SHOT = 16 * 2**10  # bytes up to which every device reads all operands of a reduction: HCCL's own choice


@dataclass(frozen=True)
class ExchangeTime:
    """What an exchange takes, in seconds: before its first byte, between devices of a server, and over the network."""

    start: float = 0.0
    links: float = 0.0
    network: float = 0.0
    on_cores: bool = False  # vector cores make it, which compute nothing meanwhile

    @property
    def seconds(self) -> float:
        """From when the last device comes until all have their results."""
        return self.start + self.links + self.network


def exchange_time(exchange: str, bytes: float, groups: Iterable[Sequence[int]], target: Target) -> ExchangeTime:
    """Return what an exchange takes: that of the group which takes longest.

    Args:
        exchange: its name in isa/stream.py.
        bytes: of one device's operands.
        groups: the numbers of the devices that exchange data with each other; servers have target.server_devices each.
        target: whose links they are.
    """
    reaches = {_reach(group, target) for group in groups if len(group) > 1}
    return max((_time(exchange, bytes, _Exchange(*r, target)) for r in reaches), key=_seconds, default=ExchangeTime())


def _seconds(time: ExchangeTime) -> float:
    return time.seconds


def _reach(group: Sequence[int], target: Target) -> tuple[int, int]:
    """Return the most devices that a server has of a group, and how many servers have some."""
    servers = Counter(device // target.server_devices for device in group)
    return max(servers.values()), len(servers)


def _time(exchange: str, bytes: float, e: _Exchange) -> ExchangeTime:
    devices = e.devices
    part = bytes / devices
    match exchange:
        case "all_gather":
            return e.parts(bytes, 1, e.gather(bytes))
        case "reduce_scatter":
            return e.parts(part, 1, e.scatter(bytes))
        case "all_reduce" if bytes <= _ONE_SHOT and e.servers == 1:
            t = e.target
            small = bytes * (devices - 1) / e.rate(t.exchange_small_bandwidth)
            return ExchangeTime(t.exchange_small_start, small, on_cores=True)
        case "all_reduce":
            return e.parts(part, 2, e.scatter(bytes), e.gather(part))
        case "collective_broadcast":
            return e.parts(part, 2, e.gather(part), e.gather(part))
        case "collective_permute":
            return e.parts(bytes, 1, e.to_one(bytes))
        case _:
            return e.parts(part, 1, e.to_each(part))


@dataclass(frozen=True)
class _Moves:
    """Bytes that each device gets: of others' memories, at a rate, and over the network, in so many turns."""

    received: float
    rate: float
    sent: float = 0.0
    turns: int = 0


class _Exchange:
    """Moves of a group's exchanges. Servers have as many of its devices each, which have a way to the network each."""

    def __init__(self, inside: int, servers: int, target: Target) -> None:
        self.target, self.inside, self.servers = target, inside, servers
        self.devices = inside * servers

    def parts(self, part: float, starts: int, *moves: _Moves) -> ExchangeTime:
        """Return the time of moves of parts of this size, which decides how they go."""
        t = self.target
        small = self.servers == 1 and part <= t.exchange_small_bytes * self.devices
        start = starts * (t.exchange_small_start if small else t.exchange_start)
        links = sum(m.received / (self.rate(t.exchange_small_bandwidth) if small else m.rate) for m in moves)
        network = sum(m.turns * (t.network_latency + m.sent / t.network_bandwidth) for m in moves)
        return ExchangeTime(start, links, network, small)

    def rate(self, whole: float) -> float:
        """Return what a device gets of a rate that all links of a server give: at most what those to its group carry."""
        return min(whole, self.target.peer_bandwidth * max(self.inside - 1, 1))

    def gather(self, part: float) -> _Moves:
        """Return what gives each the parts of all."""
        received = (self.inside - 1) * part * self.servers
        return _Moves(received, self.rate(self.target.exchange_bandwidth), part, self.servers - 1)

    def scatter(self, whole: float) -> _Moves:
        """Return what gives each its part of the sum."""
        received = (self.inside - 1) * whole / self.inside
        return _Moves(received, self.rate(self.target.exchange_reduction), whole / self.devices, self.servers - 1)

    def to_one(self, bytes: float) -> _Moves:
        """Return what gives each what one other sends; with several servers some send to another one."""
        if self.servers > 1:
            return _Moves(0.0, 1.0, bytes, 1)
        return _Moves(bytes, self.target.peer_bandwidth)

    def to_each(self, part: float) -> _Moves:
        """Return what gives each a part from every other."""
        received = (self.inside - 1) * part
        return _Moves(received, self.rate(self.target.exchange_bandwidth), part, self.devices - self.inside)
