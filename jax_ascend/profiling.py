"""What really ran: `with jax_ascend.profile("directory"): ...` records executions, and puts simulated beside host time.

The executor writes down each command with its times, trips and branches (plugin/device/recording.h). When the context ends,
each run is replayed on the clock with the decisions that it took.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import _plugin
from .compiler.errors import InvalidInputError
from .compiler.program.debug import commands_in_order
from .compiler.program.program import Command, Program
from .estimation import rows_of
from .kernel_row import KernelRow, join_rows
from .program_clock import Event, Lanes, ProgramClock, Run, Site, Totals
from .views import short_line, si, write_csv

MOST_COMMANDS = 500_000  # that are recorded, of all runs together


@dataclass(frozen=True)
class Executed:
    """One command as it ran on the host; seconds from the start of the profile. `decision`: trips of a loop, or branch."""

    site: Site
    start: float
    end: float  # before `start` if it did not get there
    decision: int


@dataclass(frozen=True)
class Simulation:
    """A run on the clock."""

    seconds: float
    sites: dict[Run, Totals]
    events: list[Event]
    assumptions: list[str]


@dataclass
class Recorded:
    """One execution of a program; seconds from the start of the profile, on the host."""

    program: Program
    device: int
    accepted: float
    start: float
    end: float
    failed: bool
    commands: list[Executed]
    traced_call: int = -1  # what a trace of jax.profiler calls the call that launched it
    simulation: Simulation | None = None  # None: it failed, or not all of it was recorded

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name


@dataclass(frozen=True)
class Transfer:
    """A copy between the host and a device, as it was made on the host; seconds from the start of the profile."""

    to_device: bool
    device: int
    bytes: int
    start: float
    end: float


@dataclass(frozen=True)
class ProfileRow:
    """A kernel (copies and calls of the host are some, too) in all runs: simulated time in `row`, and the host's."""

    row: KernelRow
    host_seconds: float


@dataclass(repr=False)
class Profile:
    """What ran while a profile was recorded; it is empty until the context has ended."""

    directory: Path | None = None
    seconds: float = 0.0  # of the host, from begin to end
    runs: list[Recorded] = field(default_factory=lambda: [])
    transfers: list[Transfer] = field(default_factory=lambda: [])
    unrecorded: int = 0  # commands beyond the limit
    error: str = ""  # what ended it

    @property
    def devices(self) -> list[int]:
        """The devices that ran something."""
        return sorted({r.device for r in self.runs})

    @property
    def simulated(self) -> float:
        """Seconds of the device, of all runs that were simulated; of the busiest of several."""
        return max((self.simulated_on(d) for d in self.devices), default=0.0)

    def simulated_on(self, device: int) -> float:
        """Return the seconds of a device, of all runs that were simulated."""
        return sum(r.simulation.seconds for r in self.runs if r.simulation and r.device == device)

    def gaps(self, device: int = 0) -> list[tuple[float, float]]:
        """Return when the device had nothing to do between its first run and its last: start and end on the host."""
        runs = sorted((r for r in self.runs if r.device == device), key=lambda r: r.start)
        found: list[tuple[float, float]] = []
        busy = runs[0].end if runs else 0.0
        for run in runs[1:]:
            if run.start > busy:
                found.append((busy, run.start))
            busy = max(busy, run.end)
        return found

    def rows(self, device: int | None = None) -> list[ProfileRow]:
        """Return the kernels of all runs of a device, or of all devices, those of most simulated time first.

        Shares are of the time of all of these devices.
        """
        merged: dict[int, tuple[Program, dict[Run, Totals]]] = {}
        host: dict[str, float] = {}
        devices = self.devices if device is None else [device]
        for run in (r for r in self.runs if r.device in devices):
            names = command_names(run.program)
            for c in run.commands:
                if c.decision < 0 and c.end >= c.start:
                    host[names[c.site]] = host.get(names[c.site], 0.0) + c.end - c.start
            if run.simulation is not None:
                _, sites = merged.setdefault(id(run.program), (run.program, {}))
                for key, total in run.simulation.sites.items():
                    sites.setdefault(key, Totals()).join(total)
        groups: dict[str, list[KernelRow]] = {}
        seconds = sum(self.simulated_on(d) for d in devices)
        for program, sites in merged.values():
            for row in rows_of(program, program.sources(), sites, seconds)[0]:
                groups.setdefault(row.name, []).append(row)
        found = [ProfileRow(join_rows(name, rows), host.get(name, 0.0)) for name, rows in groups.items()]
        return sorted(found, key=lambda r: -r.row.seconds)

    def table(self, rows: int | None = 30) -> str:
        """Return the summary and a table of kernels as text."""
        devices = self.devices
        idle = sum(end - start for d in devices for start, end in self.gaps(d))
        to, back = ([t for t in self.transfers if t.to_device == d] for d in (True, False))
        lines = [
            f"{len(self.runs)} runs of {len({id(r.program) for r in self.runs})} programs on {len(devices)} devices in "
            f"{si(self.seconds, 's')} of the host; simulated: {si(self.simulated, 's')}"
            f"{' on the busiest' if len(devices) > 1 else ''}",
            f"the host ran programs for {si(sum(r.end - r.start for r in self.runs), 's')}, with {si(idle, 's')} of gaps between "
            f"them; {len(to)} copies of {si(sum(t.bytes for t in to), 'B')} to the device, {len(back)} of "
            f"{si(sum(t.bytes for t in back), 'B')} back",
        ]
        if len(devices) > 1:
            each = (f"{d}: {si(self.simulated_on(d), 's')}" for d in devices)
            lines.append(f"simulated on device {', '.join(each)}; below, launches and times of all devices together")
        failed = sum(r.failed for r in self.runs)
        if failed:
            lines.append(f"{failed} runs failed; they are not simulated")
        if self.unrecorded:
            lines.append(
                f"{self.unrecorded} commands ran that are beyond the limit and not recorded; their runs are not simulated"
            )
        listed = self.rows()
        width = min(max([6, *(len(r.row.name) for r in listed[:rows])]), 44)
        lines.append(
            f"{'simulated':>10} {'share':>6} {'host':>9} {'launches':>8}  {'core':5} {'kernel':{width}}  bound by, line"
        )
        for r in listed[:rows]:
            k = r.row
            lines.append(
                f"{si(k.seconds, 's'):>10} {k.share:6.1%} {si(r.host_seconds, 's'):>9} {k.launches:8d}  {k.core:5} "
                f"{k.name:{width}}  {k.bound}, {short_line(k.line)}{f'  {k.scope}' if k.scope else ''}"
            )
        if rows is not None and len(listed) > rows:
            lines.append(f"{'':>10} and {len(listed) - rows} more")
        assumed = dict.fromkeys(a for r in self.runs if r.simulation for a in r.simulation.assumptions)
        return "\n".join([*lines, *(f"assumed: {a}" for a in assumed)])

    def __repr__(self) -> str:
        return self.table()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: simulated seconds of the busiest device and of each, runs with decisions, transfers, kernels."""
        return {
            "seconds": self.seconds,
            "simulated": self.simulated,
            "devices": {str(d): self.simulated_on(d) for d in self.devices},
            "error": self.error,
            "unrecorded": self.unrecorded,
            "runs": [
                {
                    "program": r.name,
                    "device": r.device,
                    "accepted": r.accepted,
                    "start": r.start,
                    "end": r.end,
                    "failed": r.failed,
                    "simulated": r.simulation.seconds if r.simulation else None,
                    "decisions": [[*c.site, c.decision] for c in r.commands if c.decision >= 0],
                }
                for r in self.runs
            ],
            "transfers": [vars(t) for t in self.transfers],
            "kernels": [r.row.to_dict() | {"host_seconds": r.host_seconds} for r in self.rows()],
        }

    def write(self, directory: Path) -> None:
        """Write summary.txt, profile.json, kernels.csv, trace.pftrace, and report.html, or one for each of several devices."""
        from .profile_trace import profile_trace

        directory.mkdir(parents=True, exist_ok=True)
        (directory / "summary.txt").write_text(f"{self}\n", encoding="utf-8")
        (directory / "profile.json").write_text(json.dumps(self.to_dict()), encoding="utf-8")
        (directory / "trace.pftrace").write_bytes(profile_trace(self))
        write_csv(directory / "kernels.csv", [_csv_row(r) for r in self.rows()])
        for d in self.devices:
            self.report(directory / ("report.html" if len(self.devices) == 1 else f"report-{d}.html"), d)

    def report(self, path: str | Path, device: int = 0) -> None:
        """Write what ran on a device as a page, as Estimate.report: simulated runs, one after the other without gaps."""
        from .profile_report import of_profile
        from .report import write_report

        write_report(of_profile(self, device), path)


def _csv_row(r: ProfileRow) -> dict[str, Any]:
    k = r.row
    return {
        "Op Name": k.name, "Core Type": k.core, "Count": k.launches, "Total Time(us)": f"{k.seconds * 1e6:.3f}",
        "Avg Time(us)": f"{k.seconds / max(k.launches, 1) * 1e6:.3f}", "Ratio(%)": f"{100 * k.share:.3f}",
        "Host Time(us)": f"{r.host_seconds * 1e6:.3f}", "Bound By": k.bound, "Source Line": k.line, "Scope": k.scope,
    }  # fmt: skip


@contextmanager
def profile(
    directory: str | Path | None = None,
    most_commands: int = MOST_COMMANDS,
    now: Callable[[str], None] = lambda _: None,
) -> Generator[Profile]:
    """Record what the devices of this process run until the context ends, and write it to a directory.

    The context yields a Profile, which is filled when it ends: after the work that was accepted inside is done, and also if
    there was an exception, which goes on. Programs of all threads are recorded; one profile is recorded at a time. The first
    run of a program is simulated with an empty L2, the next ones as a second of two equal calls.

    Args:
        directory: where summary.txt, profile.json, kernels.csv, trace.pftrace and report.html go; None writes nothing.
        most_commands: how many commands (launches, copies, loops) are recorded at most; each takes about 300 bytes.
        now: is told what is being done once the context ends: waiting, simulating, writing.

    Raises:
        InvalidInputError: a profile is being recorded already, or the directory cannot be written.
    """
    found = Profile(Path(directory) if directory is not None else None)
    if found.directory is not None:
        _check_directory(found.directory)
    begun = start_recording(most_commands)
    try:
        try:
            yield found
        except BaseException as error:
            found.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            now("waiting for the device")
            stop_recording(found, begun)
    finally:
        now("simulating")
        simulate(found.runs, Lanes())
        if found.directory is not None:
            now(f"writing to {found.directory}")
            found.write(found.directory)


def start_recording(most_commands: int = MOST_COMMANDS) -> int:
    """Record from now on, and return the time (time.monotonic_ns).

    Raises:
        InvalidInputError: something is being recorded already.
    """
    if not _plugin.start_recording(most_commands):
        raise InvalidInputError(
            "[profile] something else is being recorded; expected one profile at a time in a process, jax_ascend.profile or "
            "jax.profiler.trace. Let the one that is on end first."
        )
    return time.monotonic_ns()


def stop_recording(found: Profile, begun: int) -> None:
    """Wait for the work that was accepted, end the recording, also where Ctrl-C ends the wait, and fill in what ran."""
    try:
        while not _plugin.drain(0.1):
            pass  # Ctrl-C is raised here
    finally:
        ended = time.monotonic_ns()
        recording = _plugin.stop_recording()
        if recording is not None:
            _fill(found, recording, begun, ended)


def _check_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / ".profile"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InvalidInputError(
            f"[profile {directory}] cannot be written: {error}; expected a directory to write to."
        ) from error


def _fill(found: Profile, recording: _plugin.Recording, begun: int, ended: int) -> None:
    programs, runs, transfers, found.unrecorded = recording
    decoded = [Program.decode(data) for data in programs]

    def seconds(t: int) -> float:
        return (t - begun) / 1e9

    found.seconds = seconds(ended)
    for program, device, accepted, start, end, failed, traced_call, commands in runs:
        executed = [
            Executed((f, n), seconds(s), seconds(e) if e else -1.0, decision) for f, n, s, e, decision in commands
        ]
        times = seconds(accepted), seconds(start), seconds(end)
        found.runs.append(Recorded(decoded[program], device, *times, failed, executed, traced_call))
    found.transfers = [Transfer(to, device, size, seconds(s), seconds(e)) for to, device, size, s, e in transfers]


def simulate(runs: Sequence[Recorded], lanes: Lanes) -> None:
    """Simulate each run: the first of a program, one more for each way through it, which stands for all that go that way.

    lanes: of which instructions the first run of a program keeps intervals.
    """
    known: dict[tuple[int, tuple[int, ...]], Simulation] = {}
    seen: set[int] = set()
    data: dict[int, bytes] = {}
    for run in runs:
        decisions = tuple(c.decision for c in run.commands if c.decision >= 0)
        complete = bool(run.commands) or not run.program.functions[0].commands
        if run.failed or not complete or any(c.end < c.start for c in run.commands):
            continue
        key = id(run.program), decisions
        if key not in known or id(run.program) not in seen:
            encoded = data.setdefault(id(run.program), run.program.encode())
            simulation = _replay(run.program, encoded, decisions, None if id(run.program) in seen else lanes)
            if simulation is None:
                continue
            run.simulation = simulation
            if id(run.program) in seen:
                known[key] = simulation
            seen.add(id(run.program))
        else:
            run.simulation = known[key]


def _replay(program: Program, data: bytes, decisions: tuple[int, ...], lanes: Lanes | None) -> Simulation | None:
    """Return a first run on the clock, or one after another where there are no lanes; None if it decided more than is known."""
    warm = lanes is None
    left = iter(decisions * 2 if warm else decisions)
    try:
        clock = ProgramClock(program, data, warm, lanes, left)
    except StopIteration:
        return None
    return Simulation(clock.seconds, clock.sites, clock.events, list(clock.assumptions))


def command_names(program: Program) -> dict[Site, str]:
    """Return the name of each command: of what it launches, else its own."""
    return {
        (f, n): _name(program, c)
        for f, function in enumerate(program.functions)
        for n, c in enumerate(commands_in_order(function.commands))
    }


def _name(program: Program, c: Command) -> str:
    match c.spec.name:
        case "launch":
            kernel: int = c.values[0]
            return program.kernels[kernel].name
        case "aicpu":
            return str(c.values[0])
        case "host_call" | "ffi_call":
            return "host_call"
        case name:
            return name


def placed(runs: Sequence[Recorded]) -> Iterator[tuple[Recorded, float]]:
    """Yield the simulated runs of a device with when each begins: as on the host, or when the one before it ends."""
    free = 0.0
    for run in sorted(runs, key=lambda r: r.start):
        if run.simulation is not None:
            begin = max(run.start, free)
            free = begin + run.simulation.seconds
            yield run, begin
