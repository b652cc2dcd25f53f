"""An estimate, or what ran on a device, as one page that a browser opens from disk: page.html, page.css and page.js, filled with its figures.

common.html, common.css and common.js are of all pages.

The page needs no network. Its numbers are the JSON that `report_data` gives; everything is drawn from it in the browser.
"""

from __future__ import annotations

import html
import itertools
import json
import linecache
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from ..advice import losses
from ..bottleneck import peak_operations
from ..compiler.isa.text_operands import print_instruction
from ..compiler.program.program import Program
from ..compiler.targets import Target
from ..kernel_row import KernelRow
from ..memory_use import Buffer, MemoryUse
from ..program_clock import Event, Lanes
from ..timeline import PIPES, core_name

if TYPE_CHECKING:
    from ..estimation import Estimate

_MOST_OF_A_KERNEL = 900  # instructions that are drawn of one
_MOST_INTERVALS = 60_000  # of all kernels
_MOST_EVENTS = 60_000  # of all runs
_MOST_BUFFERS = 400  # the largest, by bytes times their time of life
_MOST_LINES = 40  # of a kernel
_TEXT = 140  # characters of an instruction


@dataclass(frozen=True)
class Run:
    """An execution on the page: what it did, and when it begins, in seconds."""

    program: Program
    events: Sequence[Event]
    start: float
    rows: Mapping[tuple[str, str, int], int]  # core, name and kernel or -1 -> place in Reported.kernels


@dataclass(frozen=True)
class Reported:
    """What a page is about: an estimate, or what ran on a device."""

    name: str
    what: str  # `seconds` are of
    target: Target
    seconds: float
    kernels: Sequence[KernelRow]
    lines: Sequence[KernelRow]
    scopes: Sequence[KernelRow]
    runs: Sequence[Run]
    memory: MemoryUse
    notes: Sequence[str]
    host: Mapping[str, float] = field(default_factory=lambda: {})  # kernel -> seconds of the host that ran it
    what_if: Mapping[str, Estimate] = field(default_factory=lambda: {})  # what would be different -> estimate of that


def of_estimate(found: Estimate, what_if: Mapping[str, float]) -> Reported:
    """Return what the page of an estimate says; `what_if` as of Estimate.report."""
    numbers = dict.fromkeys((core, name, kernel) for _, core, name, kernel in found.places)
    return Reported(
        found.name,
        "one execution",
        found.target,
        found.seconds,
        found.kernels,
        found.by("line"),
        found.by("scope"),
        [Run(found.program, found.events, 0.0, {key: i for i, key in enumerate(numbers)})],
        found.memory,
        found.assumptions,
        what_if={f"{f:g} × {n}": found.what_if(**{n: f}) for n, f in what_if.items()} if found.kernels else {},
    )


def write_report(found: Reported, path: str | Path) -> None:
    """Write a page."""
    Path(path).write_text(report_page(found), encoding="utf-8")


def report_page(found: Reported) -> str:
    """Return a page."""
    return fill_page(__name__, "page", f"{found.name} on {found.target.name}", report_data(found))


def fill_page(package: str, name: str, title: str, data: object) -> str:
    """Return the page `name` of a package, one file: what all pages share, its own style and script, and its data."""
    style, script = (
        f"{_asset(__name__, f'common.{kind}')}\n{_asset(package, f'{name}.{kind}')}" for kind in ("css", "js")
    )
    # In a script element text ends at the first "</", whatever it is part of.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    page, body = Template(_asset(__name__, "common.html")), _asset(package, f"{name}.html")
    return page.substitute(TITLE=html.escape(title), STYLE=style, BODY=body, SCRIPT=script, DATA=text)


def _asset(package: str, file: str) -> str:
    return files(package).joinpath(file).read_text(encoding="utf-8")


def report_data(found: Reported) -> dict[str, Any]:
    """Return what the page draws, as JSON has it."""
    from .. import __version__

    target = found.target
    time, peak = found.memory.peak
    seconds = found.seconds or 1.0
    kernels = [_row(row, number) | {"host": found.host.get(row.name)} for number, row in enumerate(found.kernels)]
    lines = dict.fromkeys(line for row in found.kernels for line in row.lines[:_MOST_LINES])
    bytes = Counter[str]()
    for row in found.kernels:
        bytes.update(row.bytes)  # pyright: ignore[reportArgumentType]  # Counter counts in floats, too
    shown = losses(found.kernels, target, found.seconds)
    return {
        "meta": {
            "program": found.name,
            "what": found.what,
            "target": asdict(target),
            "version": __version__,
            "seconds": found.seconds,
            "flops": sum(r.flops for r in found.kernels),
            "bytes": dict(bytes),
            "roofline": sum(r.roofline * r.seconds for r in found.kernels) / seconds,
            "dispatch": sum(r.dispatch for r in found.kernels),
            "assumed": sum(r.assumed for r in found.kernels) / seconds,
            "launches": sum(r.launches for r in found.kernels),
            "hbm_peak": peak,
            "hbm_allocated": found.memory.allocated,
            "notes": list(found.notes),
            "tick": 1 / target.clock,
            "lanes": f"pipes are shown of the first {Lanes().cores} AI cores, at most {_MOST_OF_A_KERNEL} instructions of a kernel's "
            "first launch",
        },
        "kernels": kernels,
        "lines": [_row(r, -1) for r in found.lines],
        "scopes": [_row(r, -1) for r in found.scopes],
        "code": {line: text for line in lines if (text := _code(line))},
        "losses": [
            {
                **asdict(l),
                "line": found.kernels[l.kernel].line if l.kernel >= 0 else "",
                "code": _code(found.kernels[l.kernel].line) if l.kernel >= 0 else "",
            }
            for l in shown
        ],
        "what_if": [
            {"title": title, "seconds": other.seconds, "kernels": [r.seconds for r in other.kernels]}
            for title, other in found.what_if.items()
        ],
        "roofs": [[name, value] for name, value in peak_operations(target).items()],
        **_timeline(found.runs),
        "memory": {
            "curve": [[t, n] for t, n in found.memory.curve],
            "peak_at": time,
            "at_peak": _alike(found.memory.at(time))[:25],
            **_boxes(found.memory.buffers, peak),
        },
    }


def _row(row: KernelRow, number: int) -> dict[str, Any]:
    return {
        "id": number, "name": row.name, "core": row.core, "blocks": row.blocks, "launches": row.launches, "seconds": row.seconds,
        "share": row.share, "bound": row.bound, "roofline": row.roofline, "flops": row.flops,
        "hbm": row.hbm_bytes * row.launches, "gm": row.bytes.get("L2 read", 0.0) + row.bytes.get("L2 written", 0.0),
        "bytes": row.bytes, "busy": {n: round(v, 4) for n, v in row.busy.items()}, "dispatch": row.dispatch,
        "assumed": row.assumed, "line": row.line, "scope": row.scope, "lines": row.lines[:_MOST_LINES], "scopes": row.scopes[:8],
    }  # fmt: skip


def _code(line: str) -> str:
    file, _, number = line.rpartition(":")
    return linecache.getline(file, int(number)).strip()[:160] if number.isdigit() else ""


def _timeline(runs: Sequence[Run]) -> dict[str, Any]:
    """Return events by field; the lanes' names; for an event lane, instruction, start and length of each; the texts."""
    fields: dict[str, list[Any]] = {
        name: [] for name in ("start", "dispatch", "seconds", "times", "kernel", "text", "place")
    }
    texts: dict[str, int] = {}
    places: dict[str, int] = {"": 0}
    lanes: dict[tuple[str, str], int] = {}
    intervals: dict[int, list[Any]] = {}
    left = _MOST_INTERVALS
    sources = {id(r.program): r.program.sources() for r in {id(r.program): r for r in runs}.values()}
    events = ((r, e) for r in runs for e in r.events if e.core != "wait")
    for run, e in itertools.islice(events, _MOST_EVENTS):
        number, control, debug = len(fields["start"]), e.core == "control", sources[id(run.program)]
        fields["start"].append(_rounded(run.start + e.start))
        fields["dispatch"].append(_rounded(e.dispatch))
        fields["seconds"].append(_rounded(e.seconds))
        fields["times"].append(e.times)
        fields["kernel"].append(-1 if control else run.rows[e.core, e.name, e.number if e.kind == "launch" else -1])
        fields["text"].append("" if not control else f"loop × {e.number}" if e.kind == "loop" else f"branch {e.number}")
        function, command = e.site
        where = debug.commands[function][command] if debug.commands and function >= 0 else ()
        place = f"{where[0].line}  {where[0].scope}".strip() if where else ""
        fields["place"].append(places.setdefault(place, len(places)))
        list_: list[Any] = []
        for core, unit, pipe, instruction, first, last in e.intervals[: min(_MOST_OF_A_KERNEL, left)]:
            lane = lanes.setdefault((core_name(e.core, core, unit), pipe), len(lanes))
            body = run.program.kernels[e.number].body[instruction]
            text = print_instruction(body.spec, body.values)[:_TEXT]
            list_ += (lane, texts.setdefault(text, len(texts)), round(first, 1), round(last - first, 1))
        left -= len(list_) // 4
        if list_:
            intervals[number] = list_
    order = sorted(lanes, key=lambda lane: (lane[0], PIPES.index(lane[1])))
    position = {lanes[lane]: i for i, lane in enumerate(order)}
    for list_ in intervals.values():
        list_[::4] = [position[lane] for lane in list_[::4]]
    return {
        "events": fields,
        "lanes": [f"{core} {pipe}" for core, pipe in order],
        "intervals": intervals,
        "instructions": list(texts),
        "places": list(places),
    }


def _rounded(seconds: float) -> float:
    return float(f"{seconds:.7g}")


def _buffer(b: Buffer) -> dict[str, Any]:
    return {
        "name": b.name,
        "kind": b.kind,
        "bytes": b.bytes,
        "start": _rounded(b.start),
        "end": _rounded(b.end),
        "line": b.line,
    }


def _alike(buffers: Sequence[Buffer]) -> list[dict[str, Any]]:
    """Return buffers that differ in nothing but their life and number as one, largest together first."""
    groups: dict[tuple[str, str, str], list[Buffer]] = {}
    for b in buffers:
        groups.setdefault(
            (re.sub(r"\d+", "*", b.name) if b.kind != "temporary" else b.name, b.kind, b.line), []
        ).append(b)
    rows = [
        {
            "name": of[0].name if len(of) == 1 else name,
            "kind": kind,
            "line": line,
            "count": len(of),
            "bytes": sum(b.bytes for b in of),
        }
        for (name, kind, line), of in groups.items()
    ]
    return sorted(rows, key=lambda r: -r["bytes"])


def _boxes(buffers: Sequence[Buffer], peak: int) -> dict[str, Any]:
    """Place the largest buffers above each other, each at the lowest height that is free for all of its life."""
    chosen = sorted(buffers, key=lambda b: -b.bytes * (b.end - b.start))[:_MOST_BUFFERS]
    placed: list[tuple[int, Buffer]] = []
    for b in sorted(chosen, key=lambda b: (b.start, -(b.end - b.start))):
        around = sorted((at, other.bytes) for at, other in placed if other.start < b.end and b.start < other.end)
        height = 0
        for at, size in around:
            if at - height >= b.bytes:
                break
            height = max(height, at + size)
        placed.append((height, b))
    top = max([peak, *(at + b.bytes for at, b in placed)])
    return {"boxes": [{**_buffer(b), "at": at} for at, b in placed], "top": top}
