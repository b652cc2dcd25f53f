"""An estimate as one page that a browser opens from disk: page.html, page.css and page.js, filled with its figures.

common.css and common.js are of all pages.

The page needs no network. Its numbers are the JSON that `report_data` gives; everything is drawn from it in the browser.
"""

from __future__ import annotations

import html
import json
import linecache
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from ..advice import losses
from ..bottleneck import peak_operations
from ..compiler.isa.text_operands import print_instruction
from ..kernel_row import KernelRow
from ..memory_use import Buffer
from ..program_clock import Lanes
from ..timeline import PIPES, core_name

if TYPE_CHECKING:
    from ..estimation import Estimate

_MOST_OF_A_KERNEL = 900  # instructions that are drawn of one
_MOST_INTERVALS = 60_000  # of all kernels
_MOST_BUFFERS = 400  # the largest, by bytes times their time of life
_MOST_LINES = 40  # of a kernel
_TEXT = 140  # characters of an instruction


def write_report(found: Estimate, path: str | Path) -> None:
    """Write the page of an estimate."""
    Path(path).write_text(report_page(found), encoding="utf-8")


def report_page(found: Estimate) -> str:
    """Return the page of an estimate."""
    return fill_page(__name__, "page", f"{found.name} on {found.target.name}", report_data(found))


def fill_page(package: str, name: str, title: str, data: object) -> str:
    """Return the page `name` of a package, one file: what all pages share, its own style and script, and its data."""
    style, script = (
        f"{_asset(__name__, f'common.{kind}')}\n{_asset(package, f'{name}.{kind}')}" for kind in ("css", "js")
    )
    # In a script element text ends at the first "</", whatever it is part of.
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    page = Template(_asset(package, f"{name}.html"))
    return page.substitute(TITLE=html.escape(title), STYLE=style, SCRIPT=script, DATA=text)


def _asset(package: str, file: str) -> str:
    return files(package).joinpath(file).read_text(encoding="utf-8")


def report_data(found: Estimate) -> dict[str, Any]:
    """Return what the page draws, as JSON has it."""
    from .. import __version__

    target = found.target
    time, peak = found.memory.peak
    kernels = [_row(row, number) for number, row in enumerate(found.kernels)]
    lines = dict.fromkeys(line for row in found.kernels for line in row.lines[:_MOST_LINES])
    events, lanes, intervals, instructions, places = _timeline(found)
    return {
        "meta": {
            "program": found.name,
            "target": asdict(target),
            "version": __version__,
            "seconds": found.seconds,
            "flops": found.flops,
            "bytes": found.bytes,
            "roofline": found.roofline,
            "dispatch": found.dispatch,
            "assumed": found.assumed,
            "launches": sum(r.launches for r in found.kernels),
            "hbm_peak": peak,
            "hbm_allocated": found.memory.allocated,
            "assumptions": found.assumptions,
            "tick": 1 / target.clock,
            "lanes": f"pipes are shown of the first {Lanes().cores} AI cores, at most {_MOST_OF_A_KERNEL} instructions of a kernel's "
            "first launch",
        },
        "kernels": kernels,
        "lines": [_row(r, -1) for r in found.by("line")],
        "scopes": [_row(r, -1) for r in found.by("scope")],
        "code": {line: text for line in lines if (text := _code(line))},
        "losses": [
            {
                **asdict(l),
                "line": found.kernels[l.kernel].line if l.kernel >= 0 else "",
                "code": _code(found.kernels[l.kernel].line) if l.kernel >= 0 else "",
            }
            for l in losses(found)
        ],
        "roofs": [[name, value] for name, value in peak_operations(target).items()],
        "events": events,
        "lanes": lanes,
        "intervals": intervals,
        "instructions": instructions,
        "places": places,
        "memory": {
            "curve": [[t, n] for t, n in found.memory.curve],
            "peak_at": time,
            "at_peak": [_buffer(b) for b in found.memory.at(time)[:25]],
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


def _timeline(found: Estimate) -> tuple[dict[str, list[Any]], list[str], dict[int, list[Any]], list[str], list[str]]:
    """Return events by field; the lanes' names; for an event lane, instruction, start and length of each; the texts."""
    program, debug = found.program, found.program.sources()
    kernels = {
        (r.core, r.name, k): i for i, (r, k) in enumerate(zip(found.kernels, _kernel_numbers(found), strict=True))
    }
    fields: dict[str, list[Any]] = {
        name: [] for name in ("start", "dispatch", "seconds", "times", "kernel", "text", "place")
    }
    texts: dict[str, int] = {}
    places: dict[str, int] = {"": 0}
    lanes: dict[tuple[str, str], int] = {}
    intervals: dict[int, list[Any]] = {}
    left = _MOST_INTERVALS
    for number, e in enumerate(e for e in found.events if e.core != "wait"):
        control = e.core == "control"
        fields["start"].append(_rounded(e.start))
        fields["dispatch"].append(_rounded(e.dispatch))
        fields["seconds"].append(_rounded(e.seconds))
        fields["times"].append(e.times)
        fields["kernel"].append(-1 if control else kernels[e.core, e.name, e.number if e.kind == "launch" else -1])
        fields["text"].append("" if not control else f"loop × {e.number}" if e.kind == "loop" else f"branch {e.number}")
        function, command = e.site
        where = debug.commands[function][command] if debug.commands and function >= 0 else ()
        place = f"{where[0].line}  {where[0].scope}".strip() if where else ""
        fields["place"].append(places.setdefault(place, len(places)))
        list_: list[Any] = []
        for core, unit, pipe, instruction, first, last in e.intervals[: min(_MOST_OF_A_KERNEL, left)]:
            lane = lanes.setdefault((core_name(e.core, core, unit), pipe), len(lanes))
            body = program.kernels[e.number].body[instruction]
            text = print_instruction(body.spec, body.values)[:_TEXT]
            list_ += (lane, texts.setdefault(text, len(texts)), round(first, 1), round(last - first, 1))
        left -= len(list_) // 4
        if list_:
            intervals[number] = list_
    order = sorted(lanes, key=lambda lane: (lane[0], PIPES.index(lane[1])))
    position = {lanes[lane]: i for i, lane in enumerate(order)}
    for list_ in intervals.values():
        list_[::4] = [position[lane] for lane in list_[::4]]
    return fields, [f"{core} {pipe}" for core, pipe in order], intervals, list(texts), list(places)


def _kernel_numbers(found: Estimate) -> list[int]:
    """Return the number in the program of each of the estimate's kernels, -1 for what is none."""
    return [kernel for _, _, kernel in dict.fromkeys((core, name, kernel) for _, core, name, kernel in found.places)]


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
