"""The text of single operands, and of one instruction as a line; the inverse is in parse_kernel.py.

    pto.tload ins(%g0[64*%r0 : 64, 64 | 32 : 4096, 64, 1]) outs(%t0[%r4])
    %r5 = pto.smin ins(64, 200 - 64*%r0)
    pto.tcmps ins(%t0, 0.0) outs(%t1) {mode=lt}

`ins` are the operands read and `outs` those written, each in declared order; attributes are the rest, left out where
they have their declared default. A view is argument[offset : rows | columns : strides].
"""

from __future__ import annotations

import struct
from typing import Any

from .model import Affine, Effect, Operand, Spec, TileRef, View

PREFIX = "pto."


def is_attribute(spec: Spec, operand: Operand) -> bool:
    """Whether an operand is printed as name=value: enums, integer lists, and affines of all but scalar instructions."""
    return operand.kind in ("enum", "ints") or (operand.kind == "affine" and spec.group != "scalar")


def is_written(operand: Operand) -> bool:
    """Whether an operand is printed among the outs."""
    return operand.kind in ("tile", "view") and operand.effect != Effect.read


def print_number(value: Any) -> str:
    """Return an immediate's text: floats with a point, exponent, inf or nan; NaNs of other bits as f64(0x...)."""
    if not isinstance(value, float):
        return str(int(value))
    if value != value and struct.pack(">d", value) != struct.pack(">d", float("nan")):
        return f"f64(0x{struct.pack('>d', value).hex()})"
    return repr(value)


def print_tile(ref: TileRef) -> str:
    """Return a tile operand's text; slot 0 is left out."""
    slot = Affine.of(ref.slot)
    return f"%t{ref.tile}" if slot == Affine() else f"%t{ref.tile}[{slot}]"


def print_view(view: View) -> str:
    """Return a view's text."""
    extents = [str(Affine.of(e)) for e in view.shape]
    rows, columns = ", ".join(extents[: view.split]), ", ".join(extents[view.split :])
    shape = f"{rows} | {columns}".strip()
    return f"%g{view.argument}[{view.offset} : {shape} : {', '.join(map(str, view.strides))}]".replace(": ]", ":]")


def print_operand(operand: Operand, value: Any) -> str:
    """Return the text of an operand's value."""
    if operand.kind == "tile":
        return print_tile(value)
    if operand.kind == "view":
        return print_view(value)
    if operand.kind == "affine":
        return str(Affine.of(value))
    if operand.kind == "imm":
        return print_number(value)
    if operand.kind == "register":
        return f"%r{value}"
    if operand.kind == "ints":
        return f"[{', '.join(str(int(v)) for v in value)}]"
    return str(value)


def print_instruction(spec: Spec, values: tuple[Any, ...]) -> str:
    """Return an instruction as one line; blocks end in an opening brace, and `end` is the closing one."""
    texts = {o.name: print_operand(o, v) for o, v in zip(spec.operands, values, strict=True)}
    if spec.name == "end":
        return "}"
    if spec.name == "loop":
        return f"{PREFIX}loop {texts['dst']} = {texts['start']} to {texts['stop']} step {texts['step']} {{"
    if spec.opens:
        return f"{PREFIX}{spec.name} {', '.join(texts.values())} {{"
    ins, outs, attributes, result = list[str](), list[str](), list[str](), ""
    for operand in spec.operands:
        text = texts[operand.name]
        if operand.kind == "register":
            result = f"{text} = "
        elif is_attribute(spec, operand):
            if operand.default is None or text != str(operand.default):
                attributes.append(f"{operand.name}={text}")
        else:
            (outs if is_written(operand) else ins).append(text)
    parts = [f"{result}{PREFIX}{spec.name}"]
    parts += [f"ins({', '.join(ins)})"] if ins else []
    parts += [f"outs({', '.join(outs)})"] if outs else []
    parts += [f"{{{', '.join(attributes)}}}"] if attributes else []
    return " ".join(parts)
