"""What a function would cost on silicon: compile it, execute nothing, add up simulated kernel times.

The time of a launch comes from the event-driven model in plugin/device/cycles, on the L2 that those before it left; launches
follow each other, each with its dispatch, and exchanges with other devices go on beside them (program_clock.py). Of a program
for many devices one is simulated: all run the same commands, at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .comparison import Comparison, compare
from .compiler.graph.location import Location
from .compiler.program.debug import Debug
from .compiler.program.program import Program
from .compiler.targets import Target
from .kernel_row import MEMORIES, KernelRow, group_rows, make_row
from .memory_use import MemoryUse, memory_use
from .program_clock import Event, Lanes, ProgramClock, Run, Totals
from .programs import program_of
from .views import Grouping, estimate_html, estimate_table, op_summary, pipe_utilization, write_csv


@dataclass(frozen=True, repr=False)
class Estimate:
    """Simulated cost of one execution of a program."""

    target: Target
    seconds: float
    cycles: float
    kernels: list[KernelRow]  # one for each, in order of first launch
    places: dict[Run, KernelRow]  # for each place in the program, in order
    memory: MemoryUse
    events: list[
        Event
    ]  # what the program does, one after the other, with the pipes' instructions of each kernel's first launch
    assumptions: list[str] = field(default_factory=lambda: [])  # what the figures rest on that the program does not say
    _program: Program | None = field(default=None, repr=False)
    _warm: bool = field(default=False, repr=False)

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    @property
    def launches(self) -> list[KernelRow]:
        """A row for each place in the program that launches something."""
        return list(self.places.values())

    @property
    def program(self) -> Program:
        """What is estimated."""
        assert self._program is not None, "an estimate has its program"
        return self._program

    @property
    def flops(self) -> float:
        """Operations on elements, of all kernels; a multiply-accumulate is two."""
        return sum(r.flops for r in self.kernels)

    @property
    def bytes(self) -> dict[str, float]:
        """Bytes that are moved, by memory."""
        return {m: n for m in MEMORIES if (n := sum(r.bytes.get(m, 0.0) for r in self.kernels))}

    @property
    def devices(self) -> int:
        """How many devices run the program; all figures are of one of them."""
        return self.program.replicas * self.program.partitions

    @property
    def communication(self) -> float:
        """Seconds of exchanges with other devices."""
        return sum(r.seconds for r in self.kernels if r.core == "links")

    @property
    def exposed(self) -> float:
        """Seconds in which the device waits for exchanges; in the others of `communication` it computes."""
        return sum(r.exposed for r in self.kernels if r.core == "links")

    @property
    def fits(self) -> bool:
        """Whether the device's HBM holds what the program allocates, its arguments included."""
        return self.memory.allocated <= self.target.hbm_bytes

    @property
    def roofline(self) -> float:
        """The least time that the kernels' work takes on the device, over `seconds`."""
        return sum(r.roofline * r.exposed for r in self.kernels) / self.seconds if self.seconds else 0.0

    @property
    def dispatch(self) -> float:
        """Seconds in which launches begin."""
        return sum(r.dispatch for r in self.kernels)

    @property
    def assumed(self) -> float:
        """The share of the seconds that rests on figures which are our own assumptions: AICPU, host, gathers, elements."""
        return sum(r.assumed for r in self.kernels) / self.seconds if self.seconds else 0.0

    def by(self, grouping: Grouping) -> list[KernelRow]:
        """Return rows by kernel, by launch, by JAX line or by scope (numbers in it as `*`), most expensive first.

        A launch counts for the line and the scope that stand for it, all of it.
        """
        if grouping in ("kernel", "launch"):
            return sorted(self.kernels if grouping == "kernel" else self.launches, key=lambda r: -r.seconds)
        if grouping in ("line", "scope"):
            return group_rows(self.launches, grouping)
        raise ValueError(f"[estimate] rows are by kernel, launch, line or scope, got {grouping!r}")

    def table(
        self, by: Grouping = "kernel", sort: str = "seconds", rows: int | None = None, pipes: bool = False
    ) -> str:
        """Return a table as text.

        Args:
            by: as of `by`.
            sort: the name of a numeric field of KernelRow, largest first, or of a pipe ("aiv_vec_ratio").
            rows: at most so many; None for all.
            pipes: the busy share of each pipe instead of bound, line and scope.
        """
        return estimate_table(self, by, sort, rows, pipes)

    def compare(self, other: Estimate) -> Comparison:
        """Return what changed from this program, target or version to the other, kernel by kernel."""
        return compare(self, other)

    def what_if(self, **factors: float) -> Estimate:
        """Estimate the same program on a device some of whose figures are so many times as large.

        `found.what_if(hbm_bandwidth=2)` has twice the HBM bandwidth. The program stays as it was compiled for this device. The
        figures are those of Target in bytes, bytes or operations per second, cycles or seconds.

        Raises:
            ValueError: a factor is of no such figure, or is not positive.
        """
        figures = {
            n: v for n, v in asdict(self.target).items() if isinstance(v, float | int) and not isinstance(v, bool)
        }
        for name, factor in factors.items():
            if name not in figures or not factor > 0:
                raise ValueError(
                    f"[what_if {name}={factor}] expected a positive factor of one of {', '.join(figures)}; got {name}={factor}."
                )
        changed = {n: type(figures[n])(figures[n] * factor) for n, factor in factors.items()}
        program = replace(self.program, target=replace(self.target, **changed))
        return estimate_program(program, "warm" if self._warm else "cold", Lanes(0, 0, 0))

    def trace(self, path: str | Path, lanes: Lanes | None = None) -> None:
        """Write a trace for https://ui.perfetto.dev (TrackEvents): kernels, their cores and pipes, dispatch, memory.

        The lanes of pipes show the first launch of each kernel, as far as `lanes` says: other than what the estimate has kept
        is simulated again.
        """
        from .timeline import device_timeline

        events = self.events if lanes is None else self._clock(lanes).events
        Path(path).write_bytes(device_timeline(self.program, events, self.memory))

    def report(self, path: str | Path, what_if: Mapping[str, float] = MappingProxyType({"hbm_bandwidth": 2})) -> None:
        """Write a page that a browser opens without network: summary, kernels, timeline, roofline, memory.

        what_if: figures of the target with a factor each, as of `what_if`; the page says what each would change by itself.
        """
        from .report import of_estimate, write_report

        write_report(of_estimate(self, what_if), path)

    def _clock(self, lanes: Lanes) -> ProgramClock:
        return ProgramClock(self.program, self.program.encode(), self._warm, lanes)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        time, peak = self.memory.peak
        return {
            "program": self.name,
            "target": asdict(self.target),
            "seconds": self.seconds,
            "cycles": self.cycles,
            "devices": self.devices,
            "communication": self.communication,
            "exposed": self.exposed,
            "fits": self.fits,
            "flops": self.flops,
            "bytes": self.bytes,
            "roofline": self.roofline,
            "dispatch": self.dispatch,
            "assumed": self.assumed,
            "hbm_allocated": self.memory.allocated,
            "hbm_peak": peak,
            "hbm_peak_at": time,
            "kernels": [r.to_dict() for r in self.kernels],
            "launches": [r.to_dict() for r in self.launches],
            "assumptions": self.assumptions,
        }

    def to_csv(self, directory: str | Path) -> None:
        """Write op_summary.csv (a row per launch) and PipeUtilization.csv (a row per kernel), with msprof's columns."""
        folder = Path(directory)
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(folder / "op_summary.csv", op_summary(self))
        write_csv(folder / "PipeUtilization.csv", pipe_utilization(self.kernels, self.target))

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return estimate_html(self)


def estimate(
    fn: Any,
    *args: Any,
    target: str | Target | None = None,
    l2: str = "cold",
    static_argnums: int | Iterable[int] | None = None,
    static_argnames: str | Iterable[str] | None = None,
    **kwargs: Any,
) -> Estimate:
    """Estimate one call of `fn` on a device, without executing it.

    Args:
        fn: a function JAX can trace (jitted or not); or, without arguments, a Lowered, Compiled or Exported object, or the path
            of a StableHLO file or a program.
        args, kwargs: its arguments: arrays, or jax.ShapeDtypeStruct pytrees. Keywords that are named as ours are bound by
            functools.partial. Shardings may be on a jax.sharding.AbstractMesh of up to 1,024 devices and more; the estimate is then
            of one of them.
        target: a target's name, a TOML file of one, or a Target; None is what a compiled object is for, else what
            JAX_ASCEND_TARGET says, else an Ascend 910B2.
        l2: what the L2 holds at the start: nothing ("cold"), or what the same call left there ("warm", as in a benchmark
            that repeats itself).
        static_argnums, static_argnames: as of jax.jit.

    Raises:
        InvalidInputError: `fn` is none of these, or has its arguments already.
        UnsupportedOpsError: the program has ops that are not lowered.
        TargetError: there is no such target, or it cannot be.
    """
    if l2 not in ("cold", "warm"):
        raise ValueError(f"[estimate] l2 is 'cold' or 'warm', got {l2!r}")
    return estimate_program(program_of(fn, args, kwargs, target, static_argnums, static_argnames), l2)


def estimate_program(program: Program, l2: str = "cold", lanes: Lanes | None = None) -> Estimate:
    """Estimate one execution of a compiled program on the target it carries.

    l2: as of `estimate`. lanes: which instructions the timeline keeps; None is what a report shows.
    """
    warm = l2 == "warm"
    clock = ProgramClock(program, program.encode(), warm, lanes or Lanes())
    debug = program.sources()
    kernels, places = rows_of(program, debug, clock.sites, clock.seconds)
    memory = memory_use(program, debug, clock.events, clock.seconds)
    assumptions = [*clock.assumptions, *_assumptions(program, clock.sites)]
    return Estimate(
        program.target,
        clock.seconds,
        clock.seconds * program.target.clock,
        kernels,
        places,
        memory,
        clock.events,
        assumptions,
        program,
        warm,
    )


def rows_of(
    program: Program, debug: Debug, sites: dict[Run, Totals], seconds: float
) -> tuple[list[KernelRow], dict[Run, KernelRow]]:
    """Return the rows by kernel and by place in the program of what ran there."""
    target = program.target
    kernels: dict[tuple[str, str, int], Totals] = {}
    sources: dict[tuple[str, str, int], list[Location]] = {}
    places: dict[Run, KernelRow] = {}
    for run, total in sites.items():
        (function, number), core, name, kernel = run
        where = debug.commands[function][number] if function >= 0 and debug.commands else ()
        places[run] = make_row(name, core, _blocks(program, kernel), total, target, seconds, where)
        kernels.setdefault((core, name, kernel), Totals()).join(total)
        sources.setdefault((core, name, kernel), []).extend(where)
    rows = [
        make_row(name, core, _blocks(program, kernel), total, target, seconds, sources[core, name, kernel])
        for (core, name, kernel), total in kernels.items()
    ]
    return rows, places


def _blocks(program: Program, kernel: int) -> int:
    return program.kernels[kernel].blocks if kernel >= 0 else 1


def _assumptions(program: Program, sites: dict[Run, Totals]) -> list[str]:
    found: list[str] = []
    for kernel in program.kernels:
        if any(i.spec.name == "until" for i in kernel.body):
            found.append(f"a loop in kernel {kernel.name} whose trip count depends on data counts as one iteration")
    others: dict[tuple[str, str], Totals] = {}
    for (_, core, name, _), total in sites.items():
        if core in ("aicpu", "host") and name != "transfer":
            others.setdefault((core, name), Totals()).join(total)
    for (core, name), total in others.items():
        if core == "aicpu":
            found.append(
                f"{total.launches} launches of the AICPU kernel {name!r} count {total['operations']:.3g} operations at aicpu_rate "
                f"and {total['bytes']:.3g} bytes at aicpu_bandwidth"
            )
        else:
            found.append(
                f"{total.launches} calls of the host count their dispatch and {total['bytes']:.0f} bytes over its link, and no "
                "time of the host"
            )
    return found
