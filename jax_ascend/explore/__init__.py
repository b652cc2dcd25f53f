"""What a function compiles to, from its Python lines to its kernels, as one page of linked panes.

Every line of every representation knows the user's lines that it comes from (Location.frames); a click on one lights up what
shares them. The stages come from the hook that all passes go through (compiler/stages.py).
"""

from __future__ import annotations

import difflib
import linecache
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..cli.progress import Progress, ShownStages
from ..compiler import frontend
from ..compiler.compilation import Compilation, Pass
from ..compiler.fusion.region import Region
from ..compiler.graph.graph import Graph
from ..compiler.graph.location import Frame, Location, is_installed
from ..compiler.isa.manual import page as manual_page
from ..compiler.planning.schedule import walk
from ..compiler.program.program import Program
from ..estimation import Estimate, estimate_program
from ..kernel_row import KernelRow
from ..program_clock import Event
from ..report import fill_page

Lines = list[tuple[str, Location | None]]

_MOST_LINES = 6000  # of a stage that are shown, and compared with those before


class ExploredStages(ShownStages):
    """Keeps what each pass leaves, line by line with where it comes from, and how long it took."""

    def __init__(self, progress: Progress):
        super().__init__(progress)
        self.passes: list[tuple[str, float, Lines]] = []

    def run(self, step: Pass, compilation: Compilation) -> None:
        """Run a pass and keep what it leaves."""
        if not self.passes:
            self.passes.append(("graph as imported", 0.0, _graph_lines(compilation.module.main)))
        start = time.perf_counter()
        super().run(step, compilation)
        seconds = time.perf_counter() - start
        if step.name == "fuse_regions":
            regions = [item for item in walk(compilation.schedule) if isinstance(item, Region)]
            lines = [line for r in regions for line in [*_graph_lines(_as_graph(r)), ("", None)]]
            self.passes.append((step.name, seconds, lines))
        elif any(name == "fuse_regions" for name, _, _ in self.passes):
            self.passes.append((step.name, seconds, []))  # their kernels are shown once, as they are at the end
        else:
            self.passes.append((step.name, seconds, _graph_lines(compilation.module.main)))


def _as_graph(region: Region) -> Graph:
    return Graph(region.kind, list(region.inputs), region.ops, region.outputs)


def _graph_lines(graph: Graph) -> Lines:
    """Return a graph's text, each line with the location of its op."""
    texts = str(graph).split("\n")
    places = list(_graph_places(graph))
    if len(texts) != len(places):
        return [(text, None) for text in texts]
    return [(re.sub(r"  // .*$", "", text), place) for text, place in zip(texts, places, strict=True)]


def _graph_places(graph: Graph) -> Iterator[Location | None]:
    """Yield the location of each line that print_graph makes."""
    yield None
    for op in graph.ops:
        yield op.loc or None
        for region in op.regions():
            yield from _graph_places(region)
    yield from (None, None)


_DEFINED = re.compile(r"^(#loc\d*) = loc\((.*)\)$")
_USED = re.compile(r" ?loc\(((?:#loc\d*|unknown|\"(?:[^\"\\]|\\.)*\"))\)")
_FILE = re.compile(r'"((?:[^"\\]|\\.)*)":(\d+)')


def _stablehlo_lines(program: Program) -> Lines:
    """Return the module that a program carries as text, each line with the frames that MLIR names for it."""
    if not program.stablehlo:
        return []
    text = frontend.deserialize(program.stablehlo).operation.get_asm(
        enable_debug_info=True, pretty_debug_info=False, large_elements_limit=16
    )
    module = str(text).split("\n")
    aliases = {m[1]: m[2] for line in module if (m := _DEFINED.match(line))}
    known: dict[str, tuple[Frame, ...]] = {}

    def frames(name: str) -> tuple[Frame, ...]:
        if name not in known:
            known[name] = ()  # an alias that leads to itself ends here
            found: list[Frame] = []
            for part in re.findall(r'#loc\d*|"(?:[^"\\]|\\.)*":\d+', aliases.get(name, "")):
                match = _FILE.match(part)
                found += [(match[1], int(match[2]))] if match else frames(part)
            known[name] = tuple(found)
        return known[name]

    lines: Lines = []
    for line in module:
        if _DEFINED.match(line) or not line.strip():
            continue
        used = _USED.findall(line)
        place = Location(frames(used[-1])) if used and used[-1].startswith("#") else None
        lines.append((_USED.sub("", line).rstrip(), place or None))
    return lines


class _Places:
    """Numbers the user's lines, and remembers which files they are of."""

    def __init__(self) -> None:
        self.numbers: dict[Frame, int] = {}

    def of(self, places: Iterable[Location | None]) -> list[int]:
        """Return the numbers of all of the user's own frames of these locations."""
        found: dict[int, None] = {}
        for place in places:
            if place is None:
                continue
            own = [f for f in place.frames if not is_installed(f[0])] or list(place.frames[:1])
            found.update((self.numbers.setdefault(f, len(self.numbers)), None) for f in own)
        return list(found)


def explore_page(program: Program, stages: ExploredStages) -> str:
    """Return the page of a program that was compiled with these stages."""
    return fill_page(__name__, "explore", f"{program.name}, explored", explore_data(program, stages))


def explore_data(program: Program, stages: ExploredStages) -> dict[str, Any]:
    """Return what the page shows, as JSON has it."""
    found, places = estimate_program(program), _Places()
    panes: list[dict[str, Any]] = [
        {"name": "StableHLO", "seconds": None, "lines": _shown(_stablehlo_lines(program), places), "changed": True}
    ]
    before: Lines | None = None
    for name, seconds, lines in stages.passes:
        regions = name == "fuse_regions"
        marks = None if before is None or regions or not lines else _difference(before, lines)
        pane: dict[str, Any] = {
            "name": name.replace("_", " "),
            "seconds": seconds,
            "changed": marks is None or any(m for m, _ in marks),
        }
        if lines and pane["changed"]:
            cut = lines[:_MOST_LINES]
            pane["lines"] = _shown(cut, places) if marks is None else _marked(marks[: 2 * _MOST_LINES], places)
            if len(lines) > len(cut):
                pane["cut"] = len(lines)
        panes.append(pane)
        before = lines if lines and not regions else before
    keys = dict.fromkeys((core, name, kernel) for _, core, name, kernel in found.places)
    numbers = {key: number for number, key in enumerate(keys)}
    kernels = [_kernel(found, row, key[2], places) for row, key in zip(found.kernels, keys, strict=True)]
    opcodes = {i.spec.name for k in program.kernels for i in k.body}
    cost: dict[int, float] = {}
    for row in found.launches:
        for number in places.of(row.sources[:1]):
            cost[number] = cost.get(number, 0.0) + row.seconds
    files: dict[str, list[str]] = {}
    for file, _ in places.numbers:
        if file not in files:
            files[file] = [line.rstrip("\n") for line in linecache.getlines(file)]
    return {
        "title": found.name,
        "target": found.target.name,
        "seconds": found.seconds,
        "places": [[file, line] for file, line in places.numbers],
        "cost": cost,
        "files": {file: lines for file, lines in files.items() if lines},
        "panes": panes,
        "kernels": kernels,
        "manual": {name: manual_page(name) for name in sorted(opcodes)},
        "events": [
            [
                e.start + e.times * e.dispatch,
                e.times * e.seconds,
                numbers[_key(e)],
                places.of(found.places[e.site, *_key(e)].sources),
            ]
            for e in found.events
            if e.core not in ("control", "wait")
        ],
    }


def _key(e: Event) -> tuple[str, str, int]:
    """Return core, name and kernel of what an event launches."""
    return e.core, e.name, e.number if e.kind == "launch" else -1


def _kernel(found: Estimate, row: KernelRow, kernel: int, places: _Places) -> dict[str, Any]:
    text = str(found.program.kernels[kernel]).split("\n") if kernel >= 0 else []
    return {
        "name": row.name, "core": row.core, "seconds": row.seconds, "share": row.share, "launches": row.launches,
        "bound": row.bound, "roofline": row.roofline, "places": places.of(row.sources), "lines": text[:_MOST_LINES],
    }  # fmt: skip


def _shown(lines: Lines, places: _Places) -> list[list[Any]]:
    return [[text, places.of([place]), ""] for text, place in lines[:_MOST_LINES]]


def _marked(marks: Sequence[tuple[str, tuple[str, Location | None]]], places: _Places) -> list[list[Any]]:
    return [[text, places.of([place]), mark] for mark, (text, place) in marks]


def _difference(before: Lines, after: Lines) -> list[tuple[str, tuple[str, Location | None]]]:
    """Return the lines of both, marked "-" for what is gone and "+" for what is new; numbers of values do not count."""
    if max(len(before), len(after)) > _MOST_LINES:
        return [("", line) for line in after] if before == after else [("+", line) for line in after]
    keys = [[re.sub(r"%\w+", "%", text) for text, _ in lines] for lines in (before, after)]
    found: list[tuple[str, tuple[str, Location | None]]] = []
    for kind, a0, a1, b0, b1 in difflib.SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if kind != "equal":
            found += [("-", line) for line in before[a0:a1]]
            found += [("+", line) for line in after[b0:b1]]
        else:
            found += [("", line) for line in after[b0:b1]]
    return found
