"""An estimate as text, as HTML for a notebook, and as CSV with the columns of msprof."""

from __future__ import annotations

import csv
import html
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .bottleneck import PIPE_COLUMNS
from .compiler.targets import Target
from .kernel_row import KernelRow

if TYPE_CHECKING:
    from .estimation import Estimate

Grouping = Literal["kernel", "launch", "line", "scope"]


def si(value: float, unit: str) -> str:
    """Return a number with three digits and a prefix of the SI: `1.23 MB`, `45.6 us`."""
    for factor, prefix in (
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
        (1, ""),
        (1e-3, "m"),
        (1e-6, "u"),
    ):
        if abs(value) >= factor * 0.9995:
            return (
                f"{value / factor:.3g} {prefix}{unit}"
                if abs(value) < 999.5 * factor
                else f"{value / factor:.0f} {prefix}{unit}"
            )
    return f"{value * 1e9:.3g} n{unit}" if value else f"0 {unit}"


def short_line(line: str) -> str:
    """Return `file:line` with the file's last two parts at most; a cell of a notebook has no name."""
    parts = line.replace(os.sep, "/").split("/")[-2:]
    if parts[0].startswith("ipykernel_"):
        return f"cell:{line.rpartition(':')[2]}"
    return "/".join(parts)


def estimate_table(found: Estimate, by: Grouping, sort: str, rows: int | None, pipes: bool) -> str:
    """Return what Estimate.table says."""
    listed = sorted(found.by(by), key=_sort_key(sort), reverse=True)
    cut = listed[:rows]
    _, peak = found.memory.peak
    lines = [
        f"{found.name} on {found.target.name}: {si(found.seconds, 's')}, {found.cycles:.0f} cycles, "
        f"{found.roofline:.0%} of the roofline, dispatch {found.dispatch / (found.seconds or 1):.0%}",
        f"{si(found.flops, 'flop')}, HBM {si(found.bytes.get('HBM read', 0.0), 'B')} read and "
        f"{si(found.bytes.get('HBM written', 0.0), 'B')} written; HBM in use: at most {si(peak, 'B')}, "
        f"allocated {si(found.memory.allocated, 'B')}",
        *_together(found),
    ]
    name = {"kernel": "kernel", "launch": "kernel", "line": "line", "scope": "scope"}[by]
    width = min(max([len(name), *(len(_shown(r, by)) for r in cut)]), 44)
    bound = max([8, *(len(r.bound) for r in cut)])
    columns = [c for c in PIPE_COLUMNS if any(r.busy.get(c) for r in cut)]
    tail = (
        " ".join(c.removesuffix("_ratio") for c in columns)
        if pipes
        else f"{'bound by':{bound}}  {'' if by == 'line' else 'line'}"
    )
    lines.append(f"{'time':>10} {'share':>6} {'launches':>8}  {'core':5} {name:{width}}  roofline  {tail}".rstrip())
    for r in cut:
        if pipes:
            tail = " ".join((f"{r.busy[c]:.0%}" if c in r.busy else "").rjust(len(c) - 6) for c in columns)
        else:
            line = "" if by == "line" else short_line(r.line)
            tail = f"{r.bound:{bound}}  {line}{'' if by == 'scope' or not r.scope else f'  {r.scope}'}"
        head = f"{si(r.seconds, 's'):>10} {r.share:6.1%} {r.launches:8d}  {r.core:5} {_shown(r, by):{width}}"
        lines.append(f"{head}  {r.roofline:8.0%}  {tail}".rstrip())
    if len(cut) < len(listed):
        rest = listed[len(cut) :]
        lines.append(
            f"{si(sum(r.seconds for r in rest), 's'):>10} {sum(r.share for r in rest):6.1%}  in {len(rest)} more"
        )
    if found.assumed >= 0.005:
        lines.append(f"{found.assumed:.0%} of the time rests on rates that are our own assumptions")
    return "\n".join(lines + [f"assumed: {a}" for a in found.assumptions])


def _together(found: Estimate) -> list[str]:
    """Return the lines on what several devices do, and on what does not fit."""
    lines: list[str] = []
    if found.devices > 1:
        lines.append(
            f"each of {found.devices} devices: {si(found.seconds - found.exposed, 's')} of computing, {si(found.exposed, 's')} of "
            f"exposed communication, of {si(found.communication, 's')} in all"
        )
    if not found.fits:
        lines.append(
            f"does not fit: {si(found.memory.allocated, 'B')} are allocated, a device has {si(found.target.hbm_bytes, 'B')} of HBM"
        )
    return lines


def _shown(row: KernelRow, by: Grouping) -> str:
    return short_line(row.name) if by == "line" else row.name or "(no scope)"


def _sort_key(sort: str) -> Callable[[KernelRow], float]:
    numeric = [name for name, value in KernelRow.__annotations__.items() if value in ("float", "int")]
    if sort in PIPE_COLUMNS:
        return lambda row: row.busy.get(sort, 0.0)
    if sort not in numeric:
        raise ValueError(f"[estimate] rows are sorted by one of {', '.join([*numeric, *PIPE_COLUMNS])}, got {sort!r}")
    return lambda row: getattr(row, sort)


def estimate_html(found: Estimate, most: int = 30) -> str:
    """Return a table for a notebook: the most expensive kernels, with bars of their shares."""
    head = "".join(f"<th style='text-align:left'>{c}</th>" for c in ("time", "share", "launches", "kernel", "roofline", "bound by", "line", "scope"))  # fmt: skip
    rows: list[str] = []
    listed = found.by("kernel")
    for r in listed[:most]:
        bar = f"<div style='background:#c7000b;height:.8em;width:{max(r.share, 0.004) * 8:.2f}em'></div>"
        cells = (
            si(r.seconds, "s"), f"{bar}{r.share:.1%}", str(r.launches), html.escape(r.name), f"{r.roofline:.0%}",
            html.escape(r.bound), f"<span title='{html.escape(chr(10).join(r.lines))}'>{html.escape(short_line(r.line))}</span>",
            html.escape(r.scope),
        )  # fmt: skip
        rows.append("<tr>" + "".join(f"<td style='text-align:left'>{c}</td>" for c in cells) + "</tr>")
    more = f"<p>and {len(listed) - most} more</p>" if len(listed) > most else ""
    notes = "".join(f"<li>{html.escape(a)}</li>" for a in found.assumptions)
    _, peak = found.memory.peak
    notes = "".join(f"<li>{html.escape(line)}</li>" for line in _together(found)) + notes
    title = (
        f"<b>{html.escape(found.name)}</b> on {html.escape(found.target.name)}: <b>{si(found.seconds, 's')}</b>, "
        f"{found.roofline:.0%} of the roofline, {si(found.flops, 'flop')}, at most {si(peak, 'B')} of HBM"
    )
    return f"<div>{title}<table><tr>{head}</tr>{''.join(rows)}</table>{more}<ul>{notes}</ul></div>"


_CORES = {
    "aic": "AI_CORE",
    "aiv": "AI_VECTOR_CORE",
    "mix": "MIX_AIC",
    "aicpu": "AI_CPU",
    "sdma": "SDMA",
    "host": "HOST",
    "links": "COMMUNICATION",
}


def _time_columns(row: KernelRow, core: str, seconds: float, first: str) -> dict[str, Any]:
    """Return the columns of a core type: its time, cycles, and of each pipe time and ratio."""
    columns = {n: v for n, v in row.busy.items() if n.startswith(core)}
    found: dict[str, Any] = {
        first: _us(seconds) if columns else "",
        f"{core}_total_cycles": round(row.cycles) if columns else "",
    }
    for name in (n for n in PIPE_COLUMNS if n.startswith(core)):
        pipe = name.removesuffix("_ratio")
        found[f"{pipe}_time(us)"] = _us(columns[name] * seconds) if name in columns else ""
        found[name] = f"{columns[name]:.6f}" if name in columns else ""
    return found


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.3f}"


def op_summary(found: Estimate) -> list[dict[str, Any]]:
    """Return msprof's op_summary: a row per launch, with its start; equal trips of a loop are one row (`Count`)."""
    rows: list[dict[str, Any]] = []
    program = found.program
    for number, e in enumerate(e for e in found.events if e.core not in ("control", "wait")):
        kernel = e.number if e.kind == "launch" else -1
        row = found.places[e.site, e.core, e.name, kernel]
        spec = program.kernels[kernel] if kernel >= 0 else None
        ins, outs = ([a for a in (spec.arguments if spec else ()) if a.writes == w] for w in (False, True))
        rows.append(
            {
                "Device_id": 0, "Model ID": 0, "Task ID": number, "Stream ID": 0, "Op Name": e.name,
                "OP Type": e.name.split(".")[0], "OP State": "static", "Task Type": _CORES.get(e.core, e.core),
                "Task Start Time(us)": _us(e.start + e.dispatch), "Task Duration(us)": _us(e.seconds),
                "Task Wait Time(us)": _us(e.dispatch), "Block Dim": row.blocks,
                "Mix Block Dim": 2 * row.blocks if e.core == "mix" else 0, "HF32 Eligible": "NO",
                "Input Shapes": ";".join(str(a.size) for a in ins), "Input Data Types": ";".join(str(a.dtype) for a in ins),
                "Input Formats": ";".join("ND" for _ in ins), "Output Shapes": ";".join(str(a.size) for a in outs),
                "Output Data Types": ";".join(str(a.dtype) for a in outs), "Output Formats": ";".join("ND" for _ in outs),
                **_time_columns(row, "aic", e.seconds, "aicore_time(us)"),
                **_time_columns(row, "aiv", e.seconds, "aiv_time(us)"),
                "cube_utilization(%)": f"{100 * row.busy.get('aic_mac_ratio', 0.0):.3f}",
                "Count": e.times, "Source Line": row.line, "Scope": row.scope, "Bound By": row.bound,
            }
        )  # fmt: skip
    return rows


def pipe_utilization(rows: Sequence[KernelRow], target: Target) -> list[dict[str, Any]]:
    """Return msprof's PipeUtilization, where the cube's pipe is called `cube`: a row per kernel, the mean of its cores."""
    found: list[dict[str, Any]] = []
    for number, r in enumerate(rows):
        seconds = r.cycles / target.clock
        columns = {
            **_time_columns(r, "aic", seconds, "aic_time(us)"),
            **_time_columns(r, "aiv", seconds, "aiv_time(us)"),
        }
        renamed = {name.replace("aic_mac", "aic_cube"): value for name, value in columns.items()}
        found.append({"block_id": number, "sub_block_id": r.core, "Op Name": r.name, **renamed})
    return found


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows with the columns of the first."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
