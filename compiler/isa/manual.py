"""The manual of the instruction set, from its declarations: a page per instruction, and all of them as docs/isa.md."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ..targets import ARCHITECTURES
from .aicpu import Slots
from .dtypes import DType
from .machine import Loc, Pipe
from .model import Affine, Effect, Operand, Spec, TileRef, View, instruction_set
from .stream import AICPU, COMMANDS, EXCHANGES, REDUCTIONS, Field
from .text_operands import print_instruction

TABLE_FROM = 10  # a group of as many instructions is printed as a table

_INTRODUCTION = """\
# The instruction set

Generated from `compiler/isa` by `python -m jax_ascend isa --manual`; do not edit. `python -m jax_ascend isa NAME`
prints one instruction. Terms are those of PTO, the tile instruction set that Huawei publishes for Ascend.

A **kernel** is a list of instructions that every block of a grid runs on one core: a vector core (`aiv`), a cube core
(`aic`), or a cube core with its two vector cores (`mix`). Its operands are

- **tiles** `%t0`: rows x columns of an element type in an on-chip memory, with a *valid region* that may depend on
  registers and that instructions work on. A tile with several *slots* is as many equal buffers; `%t0[%r4]` is buffer
  number %r4 modulo the slots.
- **views** `%g0[offset : rows | columns : strides]`: strided windows of up to five dimensions on an argument in GM;
  offset and strides are in elements, and the extents before the bar, flattened, are the rows of the tile.
- **registers** `%r0`: 64-bit integers of the scalar unit. The first ones hold the block's grid coordinates.
- **affine** numbers such as `64 - 8*%r1`: every offset, extent, trip count, slot and event id is one.
- immediates, names of modes, and lists of static integers.

Instructions go to in-order **pipes** that run asynchronously to each other; `set_flag` and `wait_flag` order them.
"""

_EFFECT = {Effect.read: "reads", Effect.write: "writes", Effect.update: "updates"}


def manual() -> str:
    """Return the whole manual as Markdown."""
    return "\n".join(_manual_lines())


def page(name: str) -> str:
    """Return the manual page of one instruction; KeyError if there is none."""
    return "\n".join(_page_lines(instruction_set()[name]))


def example(spec: Spec) -> str:
    """Return an instruction of this kind as text."""
    counters = {"tile": 0, "view": 0, "register": 4}
    text = print_instruction(spec, tuple(_example_value(o, counters) for o in spec.operands))
    return text + " ... }" if spec.opens else text


def pipes(spec: Spec) -> str:
    """Return the pipe an instruction runs on, or which by what."""
    if isinstance(spec.pipe, Pipe):
        return spec.pipe.name
    return ", ".join(f"{pipe.name} ({spec.pipe_by} in {loc.name})" for loc, pipe in spec.pipe.items())


def _example_value(operand: Operand, counters: dict[str, int]) -> Any:
    number = counters.get(operand.kind, 0)
    counters[operand.kind] = number + 1
    if operand.kind == "tile":
        return TileRef(number)
    if operand.kind == "view":
        return View(number, Affine(0, ((0, 4096),)), (Affine(64), Affine(64)), (64, 1), 1)
    if operand.kind == "register":
        return number
    if operand.kind == "affine":
        return Affine(0, ((1, 1),)) if operand.default is None else Affine.of(operand.default)
    if operand.kind == "imm":
        return 1.0
    if operand.kind == "enum":
        return {"src": "MTE2", "dst": "V", "pipe": "V"}.get(operand.name, operand.values[0])
    return tuple(range(1, (operand.length or 2) + 1))


def _operand_line(operand: Operand) -> str:
    if operand.kind == "tile":
        where = " or ".join(loc.name for loc in operand.locs)
        return f"tile, {_effect(operand)} {_region(operand)}; in {where}"
    if operand.kind == "view":
        return f"view, {_effect(operand)} {_region(operand)}"
    if operand.kind == "register":
        return "register, sets it"
    if operand.kind == "affine":
        return "; ".join(["constant" if operand.static else "affine number", *_bounds(operand)])
    if operand.kind == "ints":
        return f"list of {operand.length} integers"
    kind = "one of " + ", ".join(f"`{v}`" for v in operand.values) if operand.kind == "enum" else "number"
    return kind if operand.default is None else f"{kind}; {operand.default} if left out"


def _effect(operand: Operand) -> str:
    condition = f" (reads only if {operand.reads_if} > 0)" if operand.reads_if else ""
    return _EFFECT[operand.effect] + condition


def _region(operand: Operand) -> str:
    if operand.indexed:
        return "elements at indices"
    return "as the meaning says" if operand.shape == "any" else " x ".join(operand.shape)


def _bounds(operand: Operand) -> Iterator[str]:
    if operand.low is not None:
        yield f"{operand.low} or more" if operand.high is None else f"{operand.low} to {operand.high}"
    if operand.default is not None:
        yield f"{operand.default} if left out"


def _page_lines(spec: Spec) -> Iterator[str]:
    yield from (f"### {spec.name}", "", f"    {example(spec)}", "", spec.summary, "")
    yield from (f"- `{operand.name}`: {_operand_line(operand)}" for operand in spec.operands)
    if spec.tiles:
        yield f"- element types: {spec.dtypes.expected}"
    if spec.computes:
        types = (f"{' '.join(d.name for d in DType if d in a.native)} ({a.name})" for a in ARCHITECTURES.values())
        yield f"- computed natively: {', '.join(types)}"
    yield from (f"- pipe {pipes(spec)}; cost in cycles: {spec.cost}", "")


def _table_lines(specs: list[Spec]) -> Iterator[str]:
    yield from ("| instruction | meaning | element types | cycles |", "|---|---|---|---|")
    for spec in specs:
        types = spec.dtypes.name
        cells = (f"`{example(spec)}`", spec.summary, types, f"{max(spec.cost.cycles, 1):g}")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _manual_lines() -> Iterator[str]:
    yield _INTRODUCTION
    yield from ("| tile in | memory | holds | addresses are multiples of |", "|---|---|---|---|")
    yield from (f"| {loc.name} | {loc.memory} | {loc.holds} | {loc.alignment} |" for loc in Loc)
    groups: dict[str, list[Spec]] = {}
    for spec in instruction_set().values():
        groups.setdefault(spec.group, []).append(spec)
    for group, specs in groups.items():
        doc = (import_module(f".instructions.{group}", __package__).__doc__ or "").strip()
        yield from ("", f"## {group.capitalize()}", "", doc, "")
        if len(specs) < TABLE_FROM:
            for spec in specs:
                yield from _page_lines(spec)
            continue
        yield from _classes_of(specs)
        yield from _table_lines(specs)
    yield from _stream_lines()


def _classes_of(specs: list[Spec]) -> Iterator[str]:
    """Say once what the names of element types in a table stand for."""
    yield f"All on pipe {pipes(specs[0])}; cycles are per 256 bytes, after a start-up. Element types:"
    yield ""
    yield from sorted({f"- {s.dtypes.name}: {s.dtypes.expected}" for s in specs})
    yield ""


def _how(field: Field) -> str:
    return f": {field.kind}" + (f", {_EFFECT[field.effect]}" if field.effect else "")


def _stream_lines() -> Iterator[str]:
    yield from (
        "## The stream",
        "",
        "Commands that a device's queue runs in order, on buffers named by slots.",
        "",
    )
    yield from ("| command | fields | meaning |", "|---|---|---|")
    for command in COMMANDS:
        fields = ", ".join(f.name + _how(f) for f in command.fields)
        yield f"| {command.name} | {fields} | {command.summary} |"
    yield from ("", "Exchanges between devices; parts are contiguous bytes.", "", "| exchange | meaning |", "|---|---|")
    yield from (f"| {name} | {meaning} |" for name, meaning in EXCHANGES.items())
    yield from ("", f"Reductions: {', '.join(REDUCTIONS[1:])}. Halves are combined in f32, and rounded once.")
    yield from (
        "",
        "## AICPU kernels",
        "",
        "What CANN too gives to the device's ARM cores, and why. `real` and `complex` are the types of dtype's precision.",
        "",
    )
    yield from ("| kernel | meaning | slots | parameters | operations | reason |", "|---|---|---|---|---|---|")
    for a in AICPU:
        slots = ", ".join(f"{_slot(s)}: {_EFFECT[s.effect]}" for s in a.slots)
        parameters = ", ".join(f"{p.name}: {p.kind}" for p in a.parameters)
        operations = f"`{a.operations}`" if a.operations != "0" else ""
        yield f"| {a.name} | {a.summary} | {slots} | {parameters} | {operations} | {a.reason} |"
    yield from ("", "Operations are those of one member of the batch; complex ones count as four.", "")


def _slot(slots: Slots) -> str:
    """Return the name of AICPU slots with how many there are, or their shape and type."""
    if slots.each:
        return f"{slots.name} (as many as {slots.each})"
    if slots.extents is None:
        return slots.name
    return f"{slots.name} {slots.element}[{', '.join(('batch', *slots.extents))}]"
