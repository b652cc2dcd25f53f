"""What really ran on a device, as a report has it: simulated runs, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .compiler.program.program import Program
from .compiler.targets import target
from .estimation import rows_of
from .kernel_row import KernelRow, group_rows
from .memory_use import Buffer, MemoryUse, memory_use
from .program_clock import Run, Totals
from .report import Reported
from .report import Run as ReportedRun
from .views import si

if TYPE_CHECKING:
    from .profiling import Profile

_MOST_ARRAYS = 20_000  # that are drawn


def of_profile(found: Profile, device: int) -> Reported:
    """Return what the page of a device says."""
    runs = [r for r in found.runs if r.device == device]
    seconds = found.simulated_on(device)
    sites: dict[int, tuple[Program, dict[Run, Totals]]] = {}
    for run in runs:
        if run.simulation:
            _, known = sites.setdefault(id(run.program), (run.program, {}))
            for place, total in run.simulation.sites.items():
                known.setdefault(place, Totals()).join(total)
    kernels: list[KernelRow] = []
    launches: list[KernelRow] = []
    numbers: dict[int, dict[tuple[str, str, int], int]] = {}
    for key, (program, known) in sites.items():
        rows, places = rows_of(program, program.sources(), known, seconds)
        own = dict.fromkeys((core, name, kernel) for _, core, name, kernel in places)
        numbers[key] = {kernel: len(kernels) + i for i, kernel in enumerate(own)}
        kernels += rows
        launches += places.values()
    start, drawn = 0.0, list[ReportedRun]()
    buffers: list[Buffer] = []
    allocated = with_arrays = 0
    for run in runs:
        if run.simulation is None:
            continue
        program, events = run.program, run.simulation.events
        if len(buffers) < _MOST_ARRAYS:
            with_arrays = len(drawn) + 1
            use = memory_use(program, program.sources(), events, run.simulation.seconds)
            buffers += [replace(b, start=start + b.start, end=start + b.end) for b in use.buffers]
            allocated = max(allocated, use.allocated)
        drawn.append(ReportedRun(program, events, start, numbers[id(program)]))
        start += run.simulation.seconds
    return Reported(
        f"{len(runs)} runs on device {device}",
        f"simulated; the host took {si(sum(r.end - r.start for r in runs), 's')}",
        runs[0].program.target if runs else target("ascend910b"),
        seconds,
        kernels,
        group_rows(launches, "line"),
        group_rows(launches, "scope"),
        drawn,
        MemoryUse(buffers, allocated),
        [
            *_notes(found, device, with_arrays),
            *dict.fromkeys(a for r in runs if r.simulation for a in r.simulation.assumptions),
        ],
        {r.row.name: r.host_seconds for r in found.rows(device)},
    )


def _notes(found: Profile, device: int, with_arrays: int) -> list[str]:
    runs = [r for r in found.runs if r.device == device]
    left_out = sum(r.simulation is None for r in runs)
    notes = [
        "runs stand one after the other, without the gaps between them, which trace.pftrace has",
        "an array is drawn while a run uses it",
    ]
    if len(runs) - left_out > with_arrays:
        notes.append(f"arrays are drawn of the first {with_arrays} runs")
    if left_out:
        notes.append(f"{left_out} runs failed or were not recorded in full, and are not simulated")
    return notes
