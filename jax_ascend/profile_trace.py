"""A profile as a trace: what the host did, run by run and command by command, and beside it the device as simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from .timeline import DeviceTracks, draw_execution
from .track_events import TrackEvents, Value

if TYPE_CHECKING:
    from .profiling import Profile, Recorded

_MOST = 200_000  # commands of the host, and launches of the device, that are drawn

Thing = TypeVar("Thing")


def profile_trace(found: Profile) -> bytes:
    """Return the trace. A simulated run begins when the host began it, or when the one before it ends."""
    trace = TrackEvents()
    for device in sorted({r.device for r in found.runs} | {t.device for t in found.transfers}):
        runs = [r for r in found.runs if r.device == device]
        _draw_host(trace, found, runs, device)
        _draw_device(trace, runs, device)
    return trace.encode()


def _draw_host(trace: TrackEvents, found: Profile, runs: list[Recorded], device: int) -> None:
    from .profiling import command_names

    host = trace.process(f"host, device {device}")
    for track, run in _lanes(trace, host, "queued", runs, lambda r: (r.accepted, r.start)):
        trace.slice(track, run.name, run.accepted * 1e9, run.start * 1e9, "queued", {})
    for track, run in _lanes(trace, host, "runs", runs, lambda r: (r.start, r.end)):
        args: dict[str, Value] = {"failed": run.failed}
        if run.simulation:
            args["simulated us"] = run.simulation.seconds * 1e6
        trace.slice(track, run.name, run.start * 1e9, run.end * 1e9, "run", args)
    left = _MOST
    for track, run in _lanes(trace, host, "commands", runs, lambda r: (r.start, r.end)):
        names, debug = command_names(run.program), run.program.sources()
        labels: dict[tuple[tuple[int, int], int], bytes] = {}
        for c in run.commands[:left]:
            key = c.site, c.decision
            if key not in labels:
                places = debug.commands[c.site[0]][c.site[1]] if debug.commands else ()
                where: dict[str, Value] = {"line": places[0].line, "scope": places[0].scope} if places else {}
                name = names[c.site] + {"loop": f" x {c.decision}", "case": f" {c.decision}"}.get(names[c.site], "")
                labels[key] = trace.labels(name, "command", where)
            if c.end >= c.start:
                trace.slice_with(track, labels[key], c.start * 1e9, c.end * 1e9)
        left = max(left - len(run.commands), 0)
    gaps = trace.track("gaps", host)
    for start, stop in found.gaps(device):
        trace.slice(gaps, "gap", start * 1e9, stop * 1e9, "gap", {"us": (stop - start) * 1e6})
    for to_device, name in ((True, "to device"), (False, "from device")):
        moved = [t for t in found.transfers if (t.device, t.to_device) == (device, to_device)]
        for track, t in _lanes(trace, host, name, moved, lambda t: (t.start, t.end)):
            trace.slice(track, f"{t.bytes} B", t.start * 1e9, t.end * 1e9, "transfer", {"bytes": t.bytes})


def _draw_device(trace: TrackEvents, runs: list[Recorded], device: int) -> None:
    from .profiling import placed

    simulated = trace.process(f"simulated device {device}")
    programs = trace.track("programs", simulated)
    tracks = DeviceTracks(trace, simulated, memory=False)
    tracks.prepare(e for r in runs if r.simulation for e in r.simulation.events)
    left = _MOST
    for run, begin in placed(runs):
        assert run.simulation is not None, "those that are placed are simulated"
        trace.slice(programs, run.name, begin * 1e9, (begin + run.simulation.seconds) * 1e9, "run", {})
        left -= len(run.simulation.events)
        if left > 0:
            draw_execution(tracks, run.program, run.simulation.events, begin)


def _lanes(
    trace: TrackEvents, parent: int, name: str, things: Iterable[Thing], times: Callable[[Thing], tuple[float, float]]
) -> Iterator[tuple[int, Thing]]:
    """Yield each thing with a track on which nothing else goes on meanwhile; there is one at least."""
    tracks, free = [trace.track(name, parent)], [0.0]
    for thing in sorted(things, key=times):
        start, end = times(thing)
        lane = next((i for i, until in enumerate(free) if until <= start), len(free))
        if lane == len(free):
            tracks.append(trace.track(f"{name} {lane + 1}", parent))
            free.append(0.0)
        free[lane] = end
        yield tracks[lane], thing
