"""The manual of the instruction set, from its declarations: a page per instruction, and all of them as docs/isa.md."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from .dtypes import DType
from .model import Access, Affine, Loc, Operand, Pipe, Spec, TileRef, View, instruction_set
from .stream import AICPU, COMMANDS
from .text_operands import print_instruction
from .type_rules import describe_dtypes

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

_MEMORIES = {
    Loc.vec: "vector arithmetic",
    Loc.mat: "operands of the cube unit, in fractal order",
    Loc.left: "left operand",
    Loc.right: "right operand",
    Loc.acc: "result of the cube unit",
    Loc.bias: "bias row",
    Loc.scaling: "fixpipe parameters",
}
_SHAPES = {
    "rc": "the full region",
    "r1": "one column",
    "1c": "one row",
    "cr": "the full region transposed",
    "11": "one element",
    "any": "as the meaning says",
}
_ACCESS = {Access.read: "reads", Access.write: "writes", Access.update: "updates"}
_KINDS = {"imm": "number", "ints": "list of integers", "affine": "affine number"}


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
    return (1, 2)


def _operand_line(operand: Operand) -> str:
    if operand.kind == "tile":
        where = " or ".join(loc.name for loc in operand.locs)
        return f"tile, {_ACCESS[operand.access]} {_SHAPES[operand.shape]}; in {where}"
    if operand.kind == "view":
        return f"view, {_ACCESS[operand.access]} it"
    if operand.kind == "register":
        return "register, sets it"
    kind = "one of " + ", ".join(f"`{v}`" for v in operand.values) if operand.kind == "enum" else _KINDS[operand.kind]
    return kind if operand.default is None else f"{kind}; {operand.default} if left out"


def _page_lines(spec: Spec) -> Iterator[str]:
    yield from (f"### {spec.name}", "", f"    {example(spec)}", "", spec.summary, "")
    yield from (f"- `{operand.name}`: {_operand_line(operand)}" for operand in spec.operands)
    if spec.tiles:
        yield f"- element types: {describe_dtypes(spec)}"
    if spec.native:
        yield f"- computed natively on A2/A3: {' '.join(d.name for d in DType if d in spec.native)}"
    yield from (f"- pipe {pipes(spec)}; cost in cycles: {spec.cost}", "")


def _table_lines(specs: list[Spec]) -> Iterator[str]:
    yield from ("| instruction | meaning | element types | cycles |", "|---|---|---|---|")
    for spec in specs:
        types = spec.dtypes.removeprefix("same:")
        cells = (f"`{example(spec)}`", spec.summary, types, f"{max(spec.cost.cycles, 1):g}")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _manual_lines() -> Iterator[str]:
    yield _INTRODUCTION
    yield from ("| tile in | memory | holds | addresses are multiples of |", "|---|---|---|---|")
    yield from (f"| {loc.name} | {loc.memory} | {_MEMORIES[loc]} | {loc.alignment} |" for loc in Loc)
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
    yield from sorted({f"- {s.dtypes.removeprefix('same:')}: {describe_dtypes(s)}" for s in specs})
    yield ""


def _stream_lines() -> Iterator[str]:
    yield from (
        "## The stream",
        "",
        "Commands that a device's queue runs in order, on buffers named by slots.",
        "",
    )
    yield from ("| command | fields | meaning |", "|---|---|---|")
    for command in COMMANDS:
        fields = ", ".join(f"{name}: {kind}" for name, kind in command.fields)
        yield f"| {command.name} | {fields} | {command.summary} |"
    yield from (
        "",
        "## AICPU kernels",
        "",
        "What CANN too gives to the device's ARM cores, and why.",
        "",
    )
    yield from ("| kernel | reason | operands |", "|---|---|---|")
    yield from (f"| {a.name} | {a.reason} | {a.summary} |" for a in AICPU)
    yield ""
