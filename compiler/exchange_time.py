"""What an exchange between devices takes on silicon, by HCCL's choice of algorithm.

A server's devices have a link to each other, or to a switch: all of them at once give `exchange_bandwidth` to a device. Small
exchanges are kernels of the vector cores, which start at once; large ones are tasks of the links, which take long to start. What spans
servers goes over the network from each device to its counterparts first, or last, so that the network sees every byte once.
docs/device.md has the sources; tests/cycles/test_exchange_time.py compares with published times.
"""

from __future__ import annotations

from .targets import Target

_ONE_SHOT = 16 * 2**10  # bytes up to which every device reads all operands of a reduction: HCCL's own choice


def exchange_seconds(exchange: str, bytes: float, devices: int, target: Target) -> float:
    """Return the seconds from when the last device comes until all have their results.

    Args:
        exchange: its name in isa/stream.py.
        bytes: of one device's operands.
        devices: in a group.
        target: whose links they are.
    """
    if devices < 2:
        return 0.0
    e = _Exchange(devices, target)
    match exchange:
        case "all_gather":
            return e.start(bytes) + e.gather(bytes)
        case "reduce_scatter":
            return e.start(bytes / devices) + e.scatter(bytes)
        case "all_reduce" if bytes <= _ONE_SHOT and devices <= target.server_devices:
            return target.exchange_small_start + e.small(bytes * (devices - 1))
        case "all_reduce":
            part = bytes / devices
            return 2 * e.start(part) + e.scatter(bytes) + e.gather(part)
        case "collective_broadcast":
            part = bytes / devices
            return 2 * e.start(part) + 2 * e.gather(part)
        case "collective_permute":
            return e.start(bytes) + e.to_one(bytes)
        case _:
            part = bytes / devices
            return e.start(part) + e.to_each(part)


class _Exchange:
    """Times of a group's moves, without their start. Devices fill servers one after the other."""

    def __init__(self, devices: int, target: Target) -> None:
        self.target, self.devices = target, devices
        self.inside = min(devices, target.server_devices)
        self.servers = -(-devices // self.inside)
        self._is_small = False

    def start(self, part: float) -> float:
        """Return the time before the first byte of parts of this size; it decides how the bytes go."""
        t = self.target
        self._is_small = self.servers == 1 and part <= t.exchange_small_bytes * self.devices
        return t.exchange_small_start if self._is_small else t.exchange_start

    def small(self, received: float) -> float:
        """Return the time of bytes that vector cores read from others' memories."""
        return received / self.target.exchange_small_bandwidth

    def gather(self, part: float) -> float:
        """Return the time until each has the parts of all."""
        received = (self.inside - 1) * part * self.servers
        if self._is_small:
            return self.small(received)
        return received / self.target.exchange_bandwidth + self._network(part, self.servers - 1)

    def scatter(self, whole: float) -> float:
        """Return the time until each has its part of the sum."""
        received = (self.inside - 1) * whole / self.inside
        if self._is_small:
            return self.small(received)
        return received / self.target.exchange_reduction + self._network(whole / self.devices, self.servers - 1)

    def to_one(self, bytes: float) -> float:
        """Return the time until each has what one other sends; with several servers some send to another one."""
        if self.servers > 1:
            return self._network(bytes, 1)
        return bytes / self.target.peer_bandwidth

    def to_each(self, part: float) -> float:
        """Return the time until each has a part from every other."""
        received = (self.inside - 1) * part
        if self._is_small:
            return self.small(received)
        return received / self.target.exchange_bandwidth + self._network(part, self.devices - self.inside)

    def _network(self, bytes: float, times: int) -> float:
        t = self.target
        return times * (t.network_latency + bytes / t.network_bandwidth)
