"""Writes the C++ projection of the instruction set: enums, operand structs, decoder table, target struct.

Usage: python -m compiler.isa.generate_cpp OUTPUT, from the root of the source tree (CMake does it).
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..targets import ARCHITECTURES, Architecture, MemoryKind, Target
from .dtypes import DType
from .encoding import isa_hash, specs
from .model import ATOMIC_MODES, CMP_MODES, GATHER_MODES, ROUND_MODES, Layout, Loc, Operand, Pipe, Spec
from .stream import AICPU, COMMANDS

_MEMBER = {
    "tile": "TileOperand", "view": "ViewOperand", "affine": "Affine", "imm": "Immediate", "enum": "int64_t",
    "register": "int64_t", "ints": "std::vector<int64_t>",
}  # fmt: skip


def _enum(name: str, members: Iterable[str | tuple[str, int]], base: str = "uint16_t") -> str:
    lines = [f"  k{m}," if isinstance(m, str) else f"  k{m[0]} = {m[1]}," for m in members]
    return "\n".join([f"enum class {name} : {base} {{", *lines, "};", ""])


def _struct(spec: Spec) -> str:
    members = "".join(f"  {_MEMBER[o.kind]} {o.name}_;\n" for o in spec.operands)
    visit = ", ".join(f"{o.name}_" for o in spec.operands)
    return (
        f"struct {spec.name} {{  // {spec.summary}\n  static constexpr Opcode kOpcode = Opcode::k{spec.name};\n"
        f'  static constexpr std::string_view kGroup = "{spec.group}";\n{members}'
        f"  template <class F> void visit(F&& f) {{ {f'f({visit});' if visit else 'f();'} }}\n"
        f"  template <class F> void visit(F&& f) const {{ {f'f({visit});' if visit else 'f();'} }}\n}};\n"
    )


def _operand(o: Operand) -> str:
    locs = sum(1 << loc for loc in o.locs)
    names = ", ".join(f'"{v}"' for v in o.values)
    return f'{{"{o.name}", OperandKind::k{o.kind}, {int(o.access)}, {locs}, "{o.shape}", {{{names}}}}}'


def _info(spec: Spec) -> str:
    pipes = [spec.pipe] * len(Loc) if isinstance(spec.pipe, Pipe) else [spec.pipe.get(loc, Pipe.S) for loc in Loc]
    by = next((i for i, o in enumerate(spec.operands) if o.name == spec.pipe_by), -1)
    fields = (
        f'"{spec.name}", "{spec.group}"',
        f"{{{', '.join(f'Pipe::k{p.name}' for p in pipes)}}}, {by}",
        f"CostKind::k{spec.cost.kind}, {spec.cost.cycles!r}",
        f'"{spec.dtypes}", {sum(1 << d.code for d in spec.native)}u, {str(spec.opens).lower()}',
        f"{{{', '.join(map(_operand, spec.operands))}}}",
    )
    return f"  {{{', '.join(fields)}}},"


def _architecture(a: Architecture) -> str:
    joined = (sum(1 << to for to in Loc if (loc.memory, to.memory) in a.paths) for loc in Loc)
    return f'  {{"{a.name}", {a.vector_cores}, {{{", ".join(map(str, joined))}}}}},'


def _target_field(f: dataclasses.Field[Any]) -> str:
    least, most = map(float, f.metadata.get("range", (0, 0)))
    return f'  {{"{f.name}", &Target::{f.name}, {least!r}, {most!r}}},'


def _names(array: str, names: Iterable[str]) -> str:
    quoted = ", ".join(f'"{n}"' for n in names)
    return f"inline constexpr const char* {array}[] = {{{quoted}}};\n"


def _dtype_function(head: str, cases: Iterable[tuple[str, str]], default: str) -> str:
    lines = [f"    case {label}: return {value};" for label, value in cases]
    return "\n".join([f"inline constexpr {head} {{", "  switch (t) {", *lines, "  }", f"  return {default};", "}", ""])


_STRUCTS = """\
struct Term {
  int64_t reg, coefficient;
};
struct Affine {
  int64_t constant = 0;
  std::vector<Term> terms;
};
struct TileOperand {
  int64_t tile = 0;
  Affine slot;
};
struct ViewOperand {
  int64_t argument = 0, split = 0;
  Affine offset;
  std::vector<Affine> shape;
  std::vector<int64_t> strides;
};
struct Immediate {
  bool is_float = false;
  int64_t bits = 0;  // the integer, or the bits of a double
};
"""
_TABLE_STRUCTS = """\
struct OperandInfo {
  std::string_view name;
  OperandKind kind;
  int access;  // 1 read, 2 write, 3 update
  int locs;    // bit set of Loc
  std::string_view shape;
  std::vector<std::string_view> values;
};
struct InstructionInfo {
  std::string_view name, group;
  Pipe pipes[7];  // by location of operand pipe_by
  int pipe_by;
  CostKind cost;
  double cycles;
  std::string_view dtypes;
  uint64_t native;  // bit set of DType codes
  bool opens;
  std::vector<OperandInfo> operands;
};"""
_TARGET_STRUCTS = """\
struct Architecture {
  std::string_view name;
  int64_t vector_cores;   // per cube core
  uint32_t paths[7];      // by Loc: bit set of the Locs that data of it goes to
};
struct TargetField {
  std::string_view name;
  std::variant<std::string Target::*, int64_t Target::*, double Target::*> member;
  double least, most;  // of a number
};
"""


def generate() -> str:
    """Return the header's text."""
    cpp = {"str": "std::string", "int": "int64_t", "float": "double"}
    all_specs = specs()
    opcodes = [s.name for s in all_specs]
    lists = {"CmpMode": CMP_MODES, "RoundMode": ROUND_MODES, "AtomicMode": ATOMIC_MODES, "GatherMode": GATHER_MODES}
    labels = [(f"DType::k{d.name}", d) for d in DType]
    parts = [
        "// Generated from compiler/isa by generate_cpp.py; do not edit.\n#pragma once",
        "#include <cstdint>\n#ifndef SIMD_VARIANT\n#include <string>\n#include <string_view>\n#include <variant>\n"
        "#include <vector>\n"
        "#endif\n",
        "namespace ascend {\n",
        f"inline constexpr uint64_t kIsaHash = {isa_hash()}u;\n",
        _enum("DType", [("Invalid", 0), *((d.name, d.code) for d in DType)], "uint8_t"),
        _dtype_function(
            "int dtype_bytes(DType t)", [("DType::kInvalid", "0"), *((k, str(d.bytes)) for k, d in labels)], "0"
        ),
        _dtype_function(
            "const char* dtype_name(DType t)",
            [("DType::kInvalid", '"invalid"'), *((k, f'"{d.name}"') for k, d in labels)],
            '"invalid"',
        ),
        "inline constexpr bool dtype_valid(int64_t code) {\n  switch (code) {",
        *(f"    case {d.code}:" for d in DType),
        "      return true;\n  }\n  return false;\n}\n",
        _enum("Pipe", [p.name for p in Pipe]),
        _names("kPipeNames", [p.name for p in Pipe]),
        _enum("Loc", [x.name for x in Loc]),
        _names("kLocNames", [x.name for x in Loc]),
        _enum("Layout", [x.name for x in Layout]),
        *(_enum(name, values) for name, values in lists.items()),
        _enum("CostKind", sorted({s.cost.kind for s in all_specs})),
        _enum("OperandKind", _MEMBER),
        _enum("Opcode", opcodes),
        f"inline constexpr int kOpcodes = {len(opcodes)};\n",
        _enum("CommandCode", [c.name for c in COMMANDS]),
        f"inline constexpr int kCommands = {len(COMMANDS)};\n",
        _enum("AicpuOp", [a.name for a in AICPU]),
        f"inline constexpr int kAicpuOps = {len(AICPU)};\n",
        _names("kAicpuNames", [a.name for a in AICPU]),
        # SIMD code sees the enums alone: its initialisation of the tables would need the CPU of its variant.
        "#ifndef SIMD_VARIANT\n",
        _STRUCTS,
        "namespace isa {\n",
        *map(_struct, all_specs),
        "}  // namespace isa\n",
        "#define ASCEND_FOR_EACH_INSTRUCTION(X) \\\n" + " \\\n".join(f"  X({n})" for n in opcodes) + "\n",
        _TABLE_STRUCTS,
        "inline const InstructionInfo kInstructions[] = {\n" + "\n".join(map(_info, all_specs)) + "\n};\n",
        "struct Target {\n" + "".join(f"  {cpp[str(f.type)]} {f.name};\n" for f in dataclasses.fields(Target)) + "};",
        _TARGET_STRUCTS,
        "inline constexpr Architecture kArchitectures[] = {\n"
        + "\n".join(map(_architecture, ARCHITECTURES.values()))
        + "\n};\n",
        "inline constexpr TargetField kTargetFields[] = {\n"
        + "\n".join(map(_target_field, dataclasses.fields(Target)))
        + "\n};\n",
        _enum("MemoryKind", [kind.name for kind in MemoryKind], "uint8_t"),
        "inline constexpr std::string_view kMemoryKinds[] = {" + ", ".join(f'"{k.name}"' for k in MemoryKind) + "};\n",
        "#endif\n",
        "}  // namespace ascend",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    output = Path(sys.argv[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    text = generate()
    if not output.exists() or output.read_text() != text:  # an unchanged header triggers no rebuild
        output.write_text(text)
