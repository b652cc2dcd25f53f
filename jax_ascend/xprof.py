"""What ran while jax.profiler traced, as planes of an XSpace (tensorflow.profiler), which XProf and TensorBoard show.

A device is a plane with lines of steps, programs and kernels, at simulated times. XProf makes its tables of operations (overview, op
profile, HLO stats, roofline) from planes named "/device:TPU:n" alone, so that ours have that name, and the target's as their
type. Field numbers are those of xplane.proto's public definition.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from .bottleneck import peak_operations
from .profiling import Profile, Recorded, placed, simulate, start_recording, stop_recording
from .program_clock import Event, Lanes, Run
from .protobuf import message, number, real, text

_MOST = 500_000  # kernels that are drawn of a device
_MOST_IN_A_ROW = 1_000  # launches of one event; more are drawn as one
_CALL = 14  # ContextType of calls through PJRT's C interface
_READ, _WRITE = 1, 2  # OpMetrics.MemoryAccessed.OperationType
_HBM = 1  # MemorySpace of a device of which XProf knows nothing else
_KINDS = {
    "aic": "cube kernel",
    "aiv": "vector kernel",
    "mix": "mixed kernel",
    "aicpu": "AICPU kernel",
    "sdma": "copy",
    "links": "collective",
    "host": "host call",
}

Stat = str | int | float | bytes

_begun = 0
_found = Profile()


def start() -> bytes:
    """Begin to record; raises InvalidInputError if something is being recorded."""
    global _begun, _found
    _begun, _found = start_recording(), Profile()
    return b""


def stop() -> bytes:
    """Wait for what was accepted, and end the recording."""
    stop_recording(_found, _begun)
    return b""


def collect() -> bytes:
    """Simulate what was recorded, and return it as an XSpace; nothing if nothing ran."""
    global _found
    found, _found = _found, Profile()
    simulate(found.runs, Lanes(0, 0, 0))
    return xspace(found, _begun + time.time_ns() - time.monotonic_ns())


def xspace(found: Profile, begun: int) -> bytes:
    """Return a profile as an XSpace, a plane for each device that simulated runs are of.

    begun: when the profile began, in nanoseconds of the epoch.
    """
    devices = sorted({r.device for r in found.runs if r.simulation})
    planes = [_device_plane([r for r in found.runs if r.device == d], d, begun) for d in devices]
    return b"".join(message(1, p) for p in planes)


_Slice = tuple[int, float, float, Mapping[str, Stat]]  # what it is; start and length in seconds


class _Plane:
    """A plane in the making: what events and statistics are called stands in it once."""

    def __init__(self, number_: int, name: str, stats: Mapping[str, Stat]):
        self._names: dict[str, int] = {}  # of statistics
        self._kinds: list[bytes] = []  # of events
        self._content = [number(1, number_), text(2, name), *(self.stat(6, k, v) for k, v in stats.items())]

    def stat(self, field: int, name: str, value: Stat) -> bytes:
        """Return a statistic as a field of what it is about."""
        key = number(1, self._names.setdefault(name, len(self._names) + 1))
        match value:
            case str():
                return message(field, key + text(5, value))
            case bytes():
                return message(field, key + message(6, value))
            case int():
                return message(field, key + number(4, value))
            case _:
                return message(field, key + real(2, value))

    def kind(self, name: str, stats: Mapping[str, Stat]) -> int:
        """Add what events may be; returns its number."""
        own = len(self._kinds) + 1
        stats_ = b"".join(self.stat(5, k, v) for k, v in stats.items())
        self._kinds.append(number(1, own) + text(2, name) + text(4, name) + stats_)
        return own

    def line(self, order: int, name: str, begun: int, events: Iterable[_Slice]) -> None:
        """Add a line of events."""
        parts = [number(1, order), text(2, name), number(3, begun)]
        for kind, start, length, stats in events:
            place = number(1, kind) + number(2, round(start * 1e12)) + number(3, round(length * 1e12))
            parts.append(message(4, place + b"".join(self.stat(4, k, v) for k, v in stats.items())))
        self._content.append(message(3, b"".join(parts)))

    def encode(self) -> bytes:
        """Return the plane."""
        kinds = (message(4, number(1, n) + message(2, k)) for n, k in enumerate(self._kinds, 1))
        names = (message(5, number(1, n) + message(2, number(1, n) + text(2, k))) for k, n in self._names.items())
        return b"".join([*self._content, *kinds, *names])


def _device_plane(runs: list[Recorded], device: int, begun: int) -> bytes:
    simulated = list(placed(runs))
    target = simulated[0][0].program.target
    peaks = {
        "peak_teraflops_per_second": peak_operations(target)["cube f16"] / 1e12,
        "peak_hbm_bw_gigabytes_per_second": target.hbm_bandwidth / 1e9,
        "device_type_string": target.name,
    }
    plane = _Plane(device + 1, f"/device:TPU:{device}", peaks)
    programs: dict[int, tuple[int, int]] = {}  # by identity: number, and what its runs are
    kernels: dict[tuple[int, Run], int] = {}
    modules: list[_Slice] = []
    ops: list[_Slice] = []
    bounds: dict[int, tuple[float, float]] = {}  # of steps
    for (run, start), step in zip(simulated, _steps(simulated), strict=True):
        assert run.simulation is not None, "those that are placed are simulated"
        group, end = {"group_id": step}, start + run.simulation.seconds
        first, last = bounds.get(step, (start, end))
        bounds[step] = min(first, start), max(last, end)
        if id(run.program) not in programs:
            number_ = len(programs) + 1
            programs[id(run.program)] = number_, plane.kind(f"{run.name}({number_})", {})
        program, kind = programs[id(run.program)]
        call = {"_c": run.traced_call, "_ct": _CALL} if run.traced_call >= 0 else {}
        modules.append((kind, start, end - start, group | call))
        for e in run.simulation.events:
            if e.core == "control" or len(ops) >= _MOST:
                continue
            place: Run = (e.site, e.core, e.name, e.number if e.kind == "launch" else -1)
            key = id(run.program), place
            if key not in kernels:
                kernels[key] = plane.kind(e.name, _about(run, place, program) | {"symbol_id": len(kernels) + 1})
            ops += [(kernels[key], start + after, length, group) for after, length in _launches(e)]
    steps = [(plane.kind(str(s), {}), a, b - a, {"group_id": s}) for s, (a, b) in bounds.items()]
    for order, (name, events) in enumerate((("Steps", steps), ("XLA Modules", modules), ("XLA Ops", ops)), 1):
        plane.line(order, name, begun, events)
    return plane.encode()


def _launches(e: Event) -> list[tuple[float, float]]:
    """Return start and length of each launch of an event, in seconds from the start of the program."""
    if e.times > _MOST_IN_A_ROW:
        return [(e.start + e.dispatch, e.end - e.start - e.dispatch)]
    each = e.dispatch + e.seconds
    return [(e.start + n * each + e.dispatch, e.seconds) for n in range(e.times)]


def _steps(runs: list[tuple[Recorded, float]]) -> list[int]:
    """Return the step of each run: a run of the program that takes most of the time begins one."""
    seconds: dict[int, float] = {}
    for run, _ in runs:
        length = run.simulation.seconds if run.simulation else 0.0
        seconds[id(run.program)] = seconds.get(id(run.program), 0.0) + length
    main = max(seconds, key=seconds.__getitem__)
    found: list[int] = []
    step, seen = 0, False
    for run, _ in runs:
        if id(run.program) == main:
            step, seen = step + seen, True
        found.append(step)
    return found


def _about(run: Recorded, place: Run, program: int) -> dict[str, Stat]:
    """Return what XProf shows of an operation: its kind, work, bytes, JAX line and scope."""
    assert run.simulation is not None, "only simulated runs have places"
    (function, command), core, name, _ = place
    total = run.simulation.sites[place]
    each = max(total.launches, 1)
    debug = run.program.sources()
    places = debug.commands[function][command] if debug.commands and function >= 0 else ()
    operations = total["cube_operations"] + total["vector_operations"] + total["operations"]
    moved = total["gm_read"] + total["gm_written"] or total["bytes"]
    at_hbm = ((_READ, total["hbm_read"]), (_WRITE, total["hbm_written"]))
    accessed = (number(1, kind) + number(2, _HBM) + number(3, round(n / each)) for kind, n in at_hbm if n)
    scope = "/".join(part for part in (run.name, places[0].scope if places else "", name) if part)
    found: dict[str, Stat] = {
        "hlo_category": _KINDS.get(core, core),
        "flops": round(operations / each),
        "model_flops": round(operations / each),
        "bytes_accessed": round(moved / each),
        "memory_access_breakdown": b"".join(message(1, a) for a in accessed),
        "tf_op": f"{scope}:{name}",
        "program_id": program,
    }
    lines = list(dict.fromkeys(p.line for p in places if p.line))
    return found | ({"source": lines[0], "source_stack": "\n".join(lines)} if lines else {})
