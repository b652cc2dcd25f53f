"""The text form of kernels and programs, in PTO's style. A page of text, a Kernel and its bytes are the same thing.

    kernel @double aiv grid(16) registers(2) {
      %g0 = argument f32[65536]
      %g1 = argument f32[65536] writes
      %t0 = pto.alloc_tile : !pto.tile_buf<loc=vec, dtype=f32, rows=16, cols=64, address=0, slots=2, stride=4096>
      pto.loop %r1 = 0 to 4 step 1 {
        pto.tload ins(%g0[4096*%r0 + 1024*%r1 : 16 | 64 : 64, 1]) outs(%t0[%r1])
        pto.tadd ins(%t0[%r1], %t0[%r1]) outs(%t0[%r1])
        pto.tstore ins(%t0[%r1]) outs(%g1[4096*%r0 + 1024*%r1 : 16 | 64 : 64, 1])
      }
    }

text_operands.py writes single instructions, parse_kernel.py and parse_program.py read it back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, cast

from ..graph.graph import TensorType
from ..interpreter import recursion_allowed
from ..isa.attributes import Attribute, Attributes, Numbers
from ..isa.machine import Layout
from ..isa.model import Affine
from ..isa.text_operands import print_instruction
from ..targets import TARGETS, MemoryKind, Target
from .kernel import Argument, Kernel, Tile
from .parse_kernel import parse_kernel
from .parse_program import parse_program
from .program import Command, Costs, Function, Program

__all__ = ["parse_kernel", "parse_program", "print_kernel", "print_program"]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.$-]+")
_HEX_LINE = 64  # bytes


def print_kernel(kernel: Kernel) -> str:
    """Return a kernel's text; parse_kernel gives the kernel back."""
    return "\n".join(_kernel_lines(kernel))


@recursion_allowed()
def print_program(program: Program, constants: bool = True) -> str:
    """Return a program's text; parse_program gives the program back.

    `constants=False` leaves the bytes of constants and of the StableHLO module out, for reading only. What has its usual
    value is left out; a target is named if it is one of TARGETS, and written out otherwise.
    """
    lines = [f"program {_name(program.name)} target {_target(program.target)} {{"]
    parameters = zip(program.parameters, program.parameter_memory, program.parameter_sharding, strict=True)
    for number, (t, memory, sharding) in enumerate(parameters):
        donated = " donated" if number in program.donated else ""
        lines.append(f"  parameter {_type(t, memory)}{donated}{_sharding(sharding)}")
    results = zip(program.results, program.result_memory, program.result_alias, program.result_sharding, strict=True)
    for t, memory, alias, sharding in results:
        lines.append(f"  result {_type(t, memory)}{f' alias {alias}' if alias >= 0 else ''}{_sharding(sharding)}")
    if (program.replicas, program.partitions) != (1, 1):
        lines.append(f"  devices replicas={program.replicas} partitions={program.partitions}")
    if program.costs != Costs():
        lines.append("  costs " + " ".join(f"{name}={value!r}" for name, value in asdict(program.costs).items()))
    if program.stablehlo:
        lines += _hex_lines("  stablehlo", program.stablehlo) if constants else ["  stablehlo { ... }"]
    if program.constants:
        short = [f"  constants {{ ... {len(program.constants)} bytes }}"]
        lines += _hex_lines("  constants", program.constants) if constants else short
    if program.debug and constants:
        lines += _hex_lines("  debug", program.debug)
    for kernel in program.kernels:
        lines += ["", *("  " + line for line in _kernel_lines(kernel))]
    for function in program.functions:
        lines += ["", *("  " + line for line in _function_lines(program, function))]
    return "\n".join([*lines, "}"])


def print_tile(number: int, tile: Tile) -> str:
    """Return the declaration of a tile; what has its usual value is left out."""
    fields = [f"loc={tile.loc.name}", f"dtype={tile.dtype}", f"rows={tile.rows}", f"cols={tile.columns}"]
    if (tile.valid_rows, tile.valid_columns) != (Affine(tile.rows), Affine(tile.columns)):
        fields.append(f"valid=[{tile.valid_rows}, {tile.valid_columns}]")
    if tile.layout != Layout.nd:
        fields.append(f"layout={tile.layout.name}")
    numbers = (("address", tile.address, -1), ("slots", tile.slots, 1), ("stride", tile.slot_stride, 0))
    for name, value, usual in numbers:
        if value != usual:
            fields.append(f"{name}={value}")
    return f"%t{number} = pto.alloc_tile : !pto.tile_buf<{', '.join(fields)}>"


def _target(target: Target) -> str:
    if TARGETS.get(target.name) == target:
        return _name(target.name)
    fields = {name: f'"{value}"' if isinstance(value, str) else repr(value) for name, value in asdict(target).items()}
    return f"({', '.join(f'{name}={value}' for name, value in fields.items())})"


def _type(type: TensorType, memory: MemoryKind) -> str:
    return f"{type.dtype}[{_list(type.shape)}]" + (f" memory {memory.name}" if memory else "")


def _sharding(sharding: bytes) -> str:
    return f' sharding "{sharding.hex()}"' if sharding else ""


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _name(name: str) -> str:
    return f"@{name}" if _PLAIN_NAME.fullmatch(name) else f"@{json.dumps(name)}"


def _argument(number: int, argument: Argument) -> str:
    return f"%g{number} = argument {argument.dtype}[{argument.size}]" + (" writes" if argument.writes else "")


def _kernel_lines(kernel: Kernel) -> Iterator[str]:
    yield f"kernel {_name(kernel.name)} {kernel.core} grid({_list(kernel.grid)}) registers({kernel.registers}) {{"
    yield from (f"  {_argument(i, a)}" for i, a in enumerate(kernel.arguments))
    yield from (f"  {print_tile(i, t)}" for i, t in enumerate(kernel.tiles))
    depth = 1
    for instruction in kernel.body:
        depth -= instruction.spec.name == "end"
        yield "  " * depth + print_instruction(instruction.spec, instruction.values)
        depth += instruction.spec.opens
    yield "}"


def _hex_lines(head: str, data: bytes) -> list[str]:
    pieces = [data[i : i + _HEX_LINE].hex() for i in range(0, len(data), _HEX_LINE)]
    return [f"{head} {{", *(f'    "{piece}"' for piece in pieces), "  }"]


def _function_lines(program: Program, function: Function) -> Iterator[str]:
    yield f"function {_name(function.name)} frame({function.frame_bytes}) {{"
    for number, slot in enumerate(function.slots):
        yield f"  %s{number} = {slot.kind} {slot.offset} : {slot.bytes}"
    yield from _command_lines(program, function.commands, "  ")
    yield "}"


def _command_lines(program: Program, commands: list[Command], indent: str) -> Iterator[str]:
    for c in commands:
        line = f"{indent}{c.spec.name}"
        for field, value in c.fields():
            name, kind = field.name, field.kind
            if kind in ("commands", "branches"):
                for inner in [value] if kind == "commands" else value:
                    yield f"{line} {name} {{"
                    yield from _command_lines(program, inner, indent + "  ")
                    line = f"{indent}}}"
            elif value != field.default:
                line += f" {name}={_field(program, kind, value)}"
        yield line


def _field(program: Program, kind: str, value: Any) -> str:
    if kind in ("kernel", "function"):
        owners = program.kernels if kind == "kernel" else program.functions
        assert isinstance(value, int)
        return f"{_name(owners[value].name if value < len(owners) else '?')}#{value}"
    if kind == "slot":
        return f"%s{value}"
    if kind == "text":
        return json.dumps(value)
    if kind == "attributes":
        return _attributes(value)
    if kind == "slots":
        return f"[{', '.join(f'%s{s}' for s in value)}]"
    if kind == "pairs":
        return f"[{', '.join(f'%s{a} %s{b}' for a, b in value)}]"
    if kind == "types":
        return f"[{', '.join(_type(t, MemoryKind.device) for t in value)}]"
    if kind == "parameters":
        return f"{{{', '.join(f'{name}={_parameter(v)}' for name, v in value.items())}}}"
    return str(value)


def _attributes(attributes: Attributes) -> str:
    return f"{{{', '.join(f'{json.dumps(name)}={_attribute(a)}' for name, a in attributes)}}}"


def _attribute(attribute: Attribute) -> str:
    if isinstance(attribute, Numbers):
        text = f'{attribute.dtype} "{attribute.data.hex()}"'
        return text if attribute.scalar else f"[{text}]"
    return json.dumps(attribute) if isinstance(attribute, str) else _attributes(attribute)


def _parameter(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_parameter, cast('Sequence[object]', value)))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
