"""Rows of an estimate: what a kernel, a launch, a source line or a scope costs, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from .bottleneck import bound_by, busy_ratios, ideal_seconds
from .compiler.graph.location import Location, distinct
from .compiler.targets import Target
from .program_clock import Totals


@dataclass(frozen=True)
class KernelRow:
    """What one kernel costs (or one launch, line or scope): all of its launches, and one of them in the mean."""

    name: str
    core: str  # aic, aiv, mix, aicpu, sdma (copies), links (exchanges), or host
    blocks: int
    launches: int
    seconds: float  # of all launches, dispatch included
    cycles: float  # of one launch, without dispatch: the mean
    hbm_bytes: float  # of one launch, the mean: what HBM reads, and what it writes as the L2 makes room
    busy: dict[str, float]  # msprof's name of a pipe -> share of the launches' cycles, mean over the cores with work
    share: float  # of the program's seconds: of those in which it is what runs, or what is waited for
    bound: str  # by what, in words
    roofline: float  # the least time that its work takes on the device over `seconds`
    flops: float  # of all launches; a multiply-accumulate is two
    bytes: dict[str, float]  # of all launches, by memory
    dispatch: float  # seconds of `seconds`
    assumed: float  # seconds of `seconds` that rest on figures which are our own assumptions
    exposed: (
        float  # seconds of `seconds` in which it holds the program up; the rest of an exchange is beside other work
    )
    sources: tuple[Location, ...]  # the first stands for it

    @property
    def line(self) -> str:
        """The JAX line, `file:line`, that stands for it; "" if the program does not say."""
        return self.sources[0].line if self.sources else ""

    @property
    def scope(self) -> str:
        """The scope of the op that stands for it, with `*` for numbers in which other scopes of it differ."""
        return _patterns([p.scope for p in self.sources])[0] if self.sources else ""

    @property
    def scopes(self) -> list[str]:
        """The scopes of all of its ops, most frequent first, numbers in which equal ones differ as `*`."""
        return [scope for scope, _ in Counter(_patterns([p.scope for p in self.sources if p.scope])).most_common()]

    @property
    def lines(self) -> list[str]:
        """All of its JAX lines, the one that stands for it first."""
        return list(dict.fromkeys(p.line for p in self.sources if p.line))

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        row = {name: value for name, value in asdict(self).items() if name != "sources"}
        return row | {"line": self.line, "scope": self.scope, "lines": self.lines}


MEMORIES = {  # name: the clock's figures that are bytes of it
    "HBM read": ("hbm_read",),
    "HBM written": ("hbm_written",),
    "L2 read": ("gm_read",),
    "L2 written": ("gm_written",),
    "GM to L1": ("cube_moved.MTE2",),
    "L1 to L0": ("cube_moved.MTE1",),
    "L0C to GM": ("cube_moved.FIXP",),
    "GM to UB": ("vector_moved.MTE2",),
    "UB to GM": ("vector_moved.MTE3",),
}


def make_row(
    name: str,
    core: str,
    blocks: int,
    total: Totals,
    target: Target,
    program_seconds: float,
    sources: Iterable[Location],
) -> KernelRow:
    """Return the row of what ran on one type of core."""
    each = max(total.launches, 1)
    dispatch = 0.0 if core == "links" else total.launches * target.launch_dispatch
    on_core = core in ("aic", "aiv", "mix")
    busy_seconds = total["cycles"] / target.clock if on_core else total["seconds"]
    seconds = busy_seconds + dispatch
    cores = total["cube_cycles"] + total["vector_cycles"]
    assumed = busy_seconds * min(total["assumed"] / cores, 1.0) if cores else (busy_seconds if core != "sdma" else 0.0)
    exposed = total["exposed"] if core == "links" else seconds
    least = max(ideal_seconds(core, total, target).values())
    return KernelRow(
        name,
        core,
        blocks,
        total.launches,
        seconds,
        busy_seconds * target.clock / each,
        total["hbm_bytes"] / each,
        busy_ratios(total),
        exposed / program_seconds if program_seconds else 0.0,
        bound_by(core, total, target),
        least / seconds if seconds else 0.0,
        total["cube_operations"] + total["vector_operations"] + total["operations"],
        {memory: n for memory, names in MEMORIES.items() if (n := sum(total[k] for k in names))},
        dispatch,
        assumed,
        exposed,
        distinct(sources),
    )


def join_rows(name: str, rows: Sequence[KernelRow]) -> KernelRow:
    """Return one row for several: what is of one launch as the mean, what is of cores by their cycles."""
    if len(rows) == 1:
        (row,) = rows
        return replace(row, name=name)
    launches = sum(r.launches for r in rows)
    cycles = sum(r.cycles * r.launches for r in rows)
    seconds = sum(r.seconds for r in rows)
    cores = {r.core for r in rows}
    bytes = Counter[str]()
    for r in rows:
        bytes.update(r.bytes)  # pyright: ignore[reportArgumentType]  # Counter counts in floats, too
    columns = dict.fromkeys(c for r in rows for c in r.busy)
    by_bound = Counter[str]()
    for r in rows:
        by_bound["flag waits" if r.bound.startswith("flag waits") else r.bound.split(", on ")[0]] += r.seconds  # pyright: ignore[reportArgumentType]
    return KernelRow(
        name,
        cores.pop() if len(cores) == 1 else "mixed",
        max(r.blocks for r in rows),
        launches,
        seconds,
        cycles / max(launches, 1),
        sum(r.hbm_bytes * r.launches for r in rows) / max(launches, 1),
        {
            c: sum(r.busy[c] * r.cycles * r.launches for r in rows if c in r.busy)
            / max(sum(r.cycles * r.launches for r in rows if c in r.busy), 1e-30)
            for c in columns
        },
        sum(r.share for r in rows),
        by_bound.most_common(1)[0][0],
        sum(r.roofline * r.seconds for r in rows) / seconds if seconds else 0.0,
        sum(r.flops for r in rows),
        dict(bytes),
        sum(r.dispatch for r in rows),
        sum(r.assumed for r in rows),
        sum(r.exposed for r in rows),
        distinct(p for r in sorted(rows, key=lambda r: -r.seconds) for p in r.sources),
    )


def group_rows(launches: Iterable[KernelRow], by: Literal["line", "scope"]) -> list[KernelRow]:
    """Return a row for each JAX line or scope (numbers in it as `*`) that stands for a launch, most expensive first."""
    groups: dict[str, list[KernelRow]] = {}
    for row in launches:
        name = row.line if by == "line" else scope_pattern(row.sources[0].scope) if row.sources else "unknown"
        groups.setdefault(name or ("unknown" if by == "line" else ""), []).append(row)
    return sorted((join_rows(name, rows) for name, rows in groups.items()), key=lambda r: -r.seconds)


def scope_pattern(scope: str) -> str:
    """Return a scope with its numbers as `*`."""
    return re.sub(r"\d+", "*", scope)


def _patterns(scopes: Sequence[str]) -> list[str]:
    """Return scopes with the numbers as `*` of those that differ in nothing else."""
    variants: dict[str, set[str]] = {}
    for scope in scopes:
        variants.setdefault(scope_pattern(scope), set()).add(scope)
    return [scope if len(variants[scope_pattern(scope)]) == 1 else scope_pattern(scope) for scope in scopes]
