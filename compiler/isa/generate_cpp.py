"""Writes the C++ projection of the instruction set: enums, operand structs, tables of rules and of the machine.

Usage: python -m compiler.isa.generate_cpp FOLDER, from the root of the source tree (CMake does it).
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..targets import ARCHITECTURES, Architecture, MemoryKind, Target
from .aicpu import ELEMENTS, AicpuSpec, Slots
from .attributes import ATTRIBUTE_KINDS
from .dtypes import DType
from .encoding import FORMAT_VERSION, isa_hash, specs
from .instructions.scalar import SCALAR_BINARY, SCALAR_OPS, SCALAR_UNARY
from .machine import (
    CLASSES,
    FRACTAL,
    FRACTAL_BYTES,
    KERNEL_CORES,
    LAYOUT_UNITS,
    LIMITS,
    CoreType,
    Layout,
    Limits,
    Loc,
    Pipe,
)
from .model import ATOMIC_MODES, CMP_MODES, GATHER_MODES, PIPES, ROUND_MODES, Effect, Operand, Spec
from .stream import AICPU, COMMANDS, SLOT_ALIGNMENT, SLOT_KINDS, CommandSpec, Field
from .text_operands import is_attribute
from .type_rules import SCALAR_TYPES, Constraint, TypeRule

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


def _operand(spec: Spec, o: Operand) -> str:
    locs = sum(1 << loc for loc in o.locs)
    names = ", ".join(f'"{v}"' for v in o.values)
    low, high = ("INT64_MIN" if o.low is None else str(o.low)), ("INT64_MAX" if o.high is None else str(o.high))
    by = next((i for i, other in enumerate(spec.operands) if other.name == o.reads_if), -1)
    attribute, usual = is_attribute(spec, o), "" if o.default is None else str(o.default)
    fields = (
        f'"{o.name}"', f"OperandKind::k{o.kind}", int(o.effect), locs, f'"{o.shape}"', f"{{{names}}}", f'"{usual}"',
        low, high, -1 if o.length is None else o.length, by,
        *map(_bool, (attribute, o.static, o.indexed, o.values == PIPES)),
    )  # fmt: skip
    return f"{{{', '.join(map(str, fields))}}}"


def _bool(value: bool) -> str:
    return str(value).lower()


def _set(members: Iterable[int]) -> str:
    """Bits of a 64-bit set."""
    return f"{sum(1 << m for m in members)}u"


def _constraint(c: Constraint) -> str:
    rows = ", ".join(f"{{{', '.join(f'DType::k{t.name}' for t in row)}}}" for row in c.table)
    where = -1 if c.where is None else int(c.where)
    operands = ", ".join(map(str, c.operands))
    return f"{{{{{operands}}}, {_set(t.code for t in c.types)}, {{{rows}}}, {where}}}"


def _vector_of(op: str) -> str:
    return f"{{Opcode::ktcmp, {CMP_MODES.index(op)}}}" if op in CMP_MODES else f"{{Opcode::kt{op}, 0}}"


def _rule(rule: TypeRule) -> str:
    return f'  {{"{rule.expected}", {{{", ".join(map(_constraint, rule.constraints))}}}}},'


def _memory(loc: Loc) -> str:
    return f'  {{"{loc.name}", "{loc.memory}", CoreType::k{loc.core.name}, {loc.alignment}, {_set(loc.layouts)}}},'


def _layout(layout: Layout) -> str:
    rows, columns = layout.units
    return f'  {{"{layout.name}", LayoutUnit::k{rows}, LayoutUnit::k{columns}}},'


def _capacities() -> str:
    cases = "".join(f"    case Loc::k{x.name}:\n      return target.{x.memory.lower()}_bytes;\n" for x in Loc)
    head = "// Bytes of an on-chip memory.\ninline int64_t memory_bytes(const Target& target, Loc loc) {\n  switch (loc) {\n"
    return f"{head}{cases}  }}\n  return 0;\n}}\n"


def _limits() -> str:
    lines = (f"  static constexpr int64_t {f.name} = {getattr(LIMITS, f.name)};\n" for f in dataclasses.fields(Limits))
    return "struct Limits {\n" + "".join(lines) + "};\n"


def _info(spec: Spec) -> str:
    pipes = [spec.pipe] * len(Loc) if isinstance(spec.pipe, Pipe) else [spec.pipe.get(loc, Pipe.S) for loc in Loc]
    by = next((i for i, o in enumerate(spec.operands) if o.name == spec.pipe_by), -1)
    fields = (
        f'"{spec.name}", "{spec.group}"',
        f"{{{', '.join(f'Pipe::k{p.name}' for p in pipes)}}}, {by}",
        f"CostKind::k{spec.cost.kind}, {spec.cost.cycles!r}",
        f"{_rules().index(spec.dtypes)}, {_bool(spec.computes)}, {_bool(spec.opens)}, {_bool(spec.mixed)}",
        f"{{{', '.join(_operand(spec, o) for o in spec.operands)}}}",
    )
    return f"  {{{', '.join(fields)}}},"


def _rules() -> list[TypeRule]:
    return list(dict.fromkeys(spec.dtypes for spec in specs()))


def _architecture(a: Architecture) -> str:
    places = (*(loc.memory for loc in Loc), "GM")
    joined = (sum(1 << n for n, to in enumerate(places) if (place, to) in a.paths) for place in places)
    return f'  {{"{a.name}", {a.vector_cores}, {{{", ".join(map(str, joined))}}}, {_set(d.code for d in a.native)}}},'


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
_LAYOUT_STRUCTS = """\
struct LayoutInfo {
  const char* name;
  LayoutUnit rows, columns;  // what they are counted in
};
struct MemoryInfo {
  const char *name, *memory;  // of the location, and on the device
  CoreType core;
  int64_t alignment;
  uint64_t layouts;  // bit set of Layout
};
"""
_STREAM_STRUCTS = """\
struct FieldInfo {
  const char* name;
  int effect;  // of the slots it names: 1 read, 2 write, 3 update, 0 as what it runs says
};
struct TensorType {
  DType dtype;
  std::vector<int64_t> dims;
};
struct Attribute;
using Attributes = std::vector<Attribute>;
struct Attribute {
  std::string name;
  AttributeKind kind{};
  DType dtype{};      // of numbers
  std::string bytes;  // of numbers or of a text
  Attributes inner;   // of a dictionary
};
struct ParameterInfo {
  const char* name;
  int64_t low, high;  // of integers
};
struct SlotExtent {
  std::string_view parameter;
  int64_t plus;
};
struct SlotShape {
  SlotElement element;
  std::vector<SlotExtent> extents;  // of a member of the batch
};
"""
_TABLE_STRUCTS = """\
struct OperandInfo {
  std::string_view name;
  OperandKind kind;
  int effect;  // 1 read, 2 write, 3 update
  int locs;    // bit set of Loc
  std::string_view shape;
  std::vector<std::string_view> values;
  std::string_view usual;  // the text of its default
  int64_t low, high;       // of an affine, as far as it is constant
  int length;              // of a list, or -1
  int reads_if;            // the affine operand that must be positive for an update to read, or -1
  bool attribute;          // printed as name=value
  bool constant;           // an affine without registers
  bool indexed;            // a view whose elements are addressed by data
  bool pipe;               // an enum of pipes
};
struct TypeConstraint {
  std::vector<int> operands;  // among tiles and views; none: all
  uint64_t types;             // bit set of DType codes: all have one of them
  std::vector<std::vector<DType>> table;  // or together they are one of these
  int where;                  // holds for instructions with a tile in this memory, or -1: for all
};
struct TypeRule {
  std::string_view expected;
  std::vector<TypeConstraint> constraints;
};
struct InstructionInfo {
  std::string_view name, group;
  Pipe pipes[kLocs];  // by location of operand pipe_by
  int pipe_by;
  CostKind cost;
  double cycles;
  int types;      // in kTypeRules
  bool computes;  // types that are not native are promoted
  bool opens;
  bool mixed;  // only in kernels of cube and vector cores
  std::vector<OperandInfo> operands;
};"""
_TARGET_STRUCTS = """\
struct Architecture {
  std::string_view name;
  int64_t vector_cores;   // per cube core
  uint32_t paths[kGm + 1];  // by Loc, then of GM: bit set of where data of it goes
  uint64_t native;          // bit set of DType codes
};
struct TargetField {
  std::string_view name;
  std::variant<std::string Target::*, int64_t Target::*, double Target::*> member;
  double least, most;  // of a number
};
"""


def _types_and_opcodes() -> list[str]:
    """What numeric code sees. It is compiled once per SIMD variant, and so should change seldom."""
    lists = {"CmpMode": CMP_MODES, "RoundMode": ROUND_MODES, "AtomicMode": ATOMIC_MODES, "GatherMode": GATHER_MODES}
    labels = [(f"DType::k{d.name}", d) for d in DType]
    return [
        "#include <cstdint>\n",
        "namespace ascend {\n",
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
        *(_enum(name, values) for name, values in lists.items()),
        _enum("Opcode", [s.name for s in specs()]),
        f"inline constexpr int kOpcodes = {len(specs())};\n",
        _enum("ScalarOp", [f"{name}_" for name in SCALAR_OPS], "uint8_t"),
        f"inline constexpr int kScalarUnary = {len(SCALAR_UNARY)}, kScalarBinary = {len(SCALAR_BINARY)};\n",
        f"inline constexpr DType kScalarTypes[] = {{{', '.join(f'DType::k{name}' for name in SCALAR_TYPES)}}};\n",
        *(_enum(_camel(f.name), f.values) for spec in COMMANDS for f in spec.fields if f.values),
        "}  // namespace ascend",
    ]


def _machine() -> list[str]:
    """Cores, pipes, memories, layouts and limits."""
    return [
        _enum("Pipe", [p.name for p in Pipe]),
        _names("kPipeNames", [p.name for p in Pipe]),
        _enum("CoreType", [c.name for c in CoreType], "uint8_t"),
        _enum("CoreKind", [c.capitalize() for c in KERNEL_CORES], "uint8_t"),
        _names("kCoreKindNames", KERNEL_CORES),
        "inline constexpr int kPipeCores[] = {"  # bit sets of CoreType
        f"{', '.join(str(sum(1 << c for c in p.cores)) for p in Pipe)}}};\n",
        _enum("Loc", [x.name for x in Loc]),
        _enum("Layout", [x.name for x in Layout]),
        _enum("LayoutUnit", LAYOUT_UNITS, "uint8_t"),
        _LAYOUT_STRUCTS,
        f"inline constexpr int64_t kFractal = {FRACTAL}, kFractalBytes = {FRACTAL_BYTES};\n",
        f"inline constexpr int kPipes = {len(Pipe)}, kLocs = {len(Loc)}, kLayouts = {len(Layout)};\n",
        "inline constexpr int kGm = kLocs;  // where Locs and GM are counted together\n",
        "inline constexpr LayoutInfo kLayoutInfo[] = {\n" + "\n".join(map(_layout, Layout)) + "\n};\n",
        "inline constexpr MemoryInfo kMemories[] = {\n" + "\n".join(map(_memory, Loc)) + "\n};\n",
        _limits(),
    ]


def _tables() -> list[str]:
    """What everything else sees too."""
    cpp = {"str": "std::string", "int": "int64_t", "float": "double"}
    opcodes = [s.name for s in specs()]
    return [
        "#include <string>\n#include <string_view>\n#include <utility>\n#include <variant>\n#include <vector>\n",
        "namespace ascend {\n",
        f"inline constexpr uint64_t kIsaHash = {isa_hash()}u;\n",
        f"inline constexpr uint32_t kFormatVersion = {FORMAT_VERSION};\n",
        *_machine(),
        _enum("CostKind", sorted({s.cost.kind for s in specs()})),
        _enum("OperandKind", _MEMBER),
        *_stream(),
        _STRUCTS,
        "namespace isa {\n",
        *map(_struct, specs()),
        "}  // namespace isa\n",
        "#define ASCEND_FOR_EACH_INSTRUCTION(X) \\\n" + " \\\n".join(f"  X({n})" for n in opcodes) + "\n",
        _TABLE_STRUCTS,
        "// The vector instruction that computes each ScalarOp, and its mode.\n"
        "inline constexpr std::pair<Opcode, int> kScalarVector[] = {" + ", ".join(map(_vector_of, SCALAR_OPS)) + "};\n",
        f"inline constexpr uint64_t kComputedTypes = {_set(t.code for t in CLASSES['all'])};  // bit set of DType codes\n",
        "inline const TypeRule kTypeRules[] = {\n" + "\n".join(map(_rule, _rules())) + "\n};\n",
        f"inline constexpr int kMostOperands = {max(len(s.operands) for s in specs())};\n",
        "inline const InstructionInfo kInstructions[] = {\n" + "\n".join(map(_info, specs())) + "\n};\n",
        "struct Target {\n" + "".join(f"  {cpp[str(f.type)]} {f.name};\n" for f in dataclasses.fields(Target)) + "};",
        _TARGET_STRUCTS,
        "inline constexpr Architecture kArchitectures[] = {\n"
        + "\n".join(map(_architecture, ARCHITECTURES.values()))
        + "\n};\n",
        "inline constexpr TargetField kTargetFields[] = {\n"
        + "\n".join(map(_target_field, dataclasses.fields(Target)))
        + "\n};\n",
        _capacities(),
        _enum("MemoryKind", [kind.name for kind in MemoryKind], "uint8_t"),
        "inline constexpr std::string_view kMemoryKinds[] = {" + ", ".join(f'"{k.name}"' for k in MemoryKind) + "};\n",
        "}  // namespace ascend",
    ]


_FIELDS = {
    "slot": "int64_t", "kernel": "int64_t", "function": "int64_t", "int": "int64_t", "slots": "std::vector<int64_t>",
    "pairs": "std::vector<std::pair<int64_t, int64_t>>", "aicpu": "AicpuOp", "parameters": "AicpuParameters",
    "commands": "Commands", "branches": "std::vector<Commands>", "types": "std::vector<TensorType>", "ints": "std::vector<int64_t>",
    "text": "std::string", "attributes": "Attributes", "groups": "std::vector<std::vector<int64_t>>",
}  # fmt: skip
_PARAMETERS = {"int": "int64_t", "bool": "bool", "dtype": "DType"}


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _visits(calls: str) -> str:
    return "".join(f"  template <class F> void visit(F&& f){const} {{ {calls}; }}\n" for const in ("", " const"))


def _slot_shape(slots: Slots) -> str:
    extents = ", ".join(f'{{"{e.removesuffix("-1")}", {-int(e.endswith("-1"))}}}' for e in slots.extents or ())
    return f"{{SlotElement::k{slots.element}, {{{extents}}}}}"


def _batched(spec: AicpuSpec) -> str:
    """Members of a kernel that declares the shapes of its slots."""
    shapes = ", ".join(map(_slot_shape, spec.slots))
    return (
        f"  static const std::vector<SlotShape>& shapes() {{\n"
        f"    static const std::vector<SlotShape> all{{{shapes}}};\n    return all;\n  }}\n"
    )


def _parameters(spec: AicpuSpec) -> str:
    members = ""
    for p in spec.parameters:
        item = _PARAMETERS[p.kind.removesuffix("s")]
        members += f"  std::vector<{item}> {p.name};\n" if p.is_list else f"  {item} {p.name}{{}};\n"
    calls = "; ".join(f'f(ParameterInfo{{"{p.name}", {p.low}, {p.high}}}, {p.name})' for p in spec.parameters)
    count = " + ".join(f"{s.each}.size()" if s.each else "size_t{1}" for s in spec.slots)
    written = " + ".join(
        f"{s.each}.size()" if s.each else "size_t{1}" for s in spec.slots if s.effect is not Effect.read
    )
    return (
        f"struct {_camel(spec.name)}Parameters {{  // {spec.summary}\n"
        f"  static constexpr AicpuOp kOp = AicpuOp::k{spec.name};\n{members}{_visits(calls)}"
        f"  size_t slots() const {{ return {count}; }}\n"
        f"  size_t written() const {{ return {written}; }}  // of the slots, the first ones\n"
        f"{_batched(spec) if spec.slots[0].extents is not None else ''}}};\n"
    )


def _choice(field: Field) -> str:
    """The type of a choice has the field's name; this is the table of its values."""
    name = _camel(field.name)
    return _names(f"k{name}Names", field.values) + f"inline constexpr int k{name}s = {len(field.values)};\n"


def _field_type(field: Field) -> str:
    return _camel(field.name) if field.values else _FIELDS[field.kind]


def _command(spec: CommandSpec) -> str:
    plain = ("int64_t", "AicpuOp")
    members = "".join(
        f"  {(c := _field_type(f))} {f.name}{'{}' if c in plain or f.values else ''};\n" for f in spec.fields
    )
    calls = "; ".join(f'f(FieldInfo{{"{f.name}", {int(f.effect or 0)}}}, {f.name})' for f in spec.fields)
    return f"struct {_camel(spec.name)}Command {{  // {spec.summary}\n{members}{_visits(calls)}}};\n"


def _made_by(head: str, enum: str, names: Iterable[str], suffix: str) -> str:
    cases = "".join(f"    case {enum}::k{n}:\n      return {{{_camel(n)}{suffix}{{}}}};\n" for n in names)
    return f"inline {head} {{\n  switch (code) {{\n{cases}  }}\n  __builtin_unreachable();\n}}\n"


def _stream() -> list[str]:
    """Commands, and the parameters of AICPU kernels; variants have the order of the codes."""
    calls, commands = [a.name for a in AICPU], [c.name for c in COMMANDS]
    return [
        _enum("SlotKind", [kind.capitalize() for kind in SLOT_KINDS], "uint8_t"),
        f"inline constexpr int kSlotKinds = {len(SLOT_KINDS)};\n",
        f"inline constexpr int64_t kSlotAlignment = {SLOT_ALIGNMENT};\n",
        _enum("CommandCode", commands),
        f"inline constexpr int kCommands = {len(COMMANDS)};\n",
        _enum("AicpuOp", calls),
        f"inline constexpr int kAicpuOps = {len(AICPU)};\n",
        _names("kAicpuNames", calls),
        _enum("SlotElement", ELEMENTS, "uint8_t"),
        _enum("AttributeKind", [kind.capitalize() for kind in ATTRIBUTE_KINDS], "uint8_t"),
        f"inline constexpr int kAttributeKinds = {len(ATTRIBUTE_KINDS)};\n",
        _STREAM_STRUCTS,
        *map(_parameters, AICPU),
        f"using AicpuParameters = std::variant<{', '.join(f'{_camel(a)}Parameters' for a in calls)}>;\n",
        _made_by("AicpuParameters parameters_of(AicpuOp code)", "AicpuOp", calls, "Parameters"),
        "struct Command;\nusing Commands = std::vector<Command>;\n",
        *(_choice(f) for spec in COMMANDS for f in spec.fields if f.values),
        *map(_command, COMMANDS),
        f"struct Command {{\n  std::variant<{', '.join(f'{_camel(c)}Command' for c in commands)}> value;\n}};\n",
        _made_by("Command command_of(CommandCode code)", "CommandCode", commands, "Command"),
    ]


def _build_hash() -> str:
    """Hash of the compiler's sources: what another compiler wrote is not taken from JAX's cache."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def generate() -> dict[str, str]:
    """Return the headers' texts by name."""
    # SIMD code sees no tables: their initialisation would need the CPU of its variant.
    umbrella = ['#include "isa_types.gen.h"\n#ifndef SIMD_VARIANT\n#include "isa_tables.gen.h"\n#endif']
    build = [f'namespace ascend {{\ninline constexpr const char* kCompilerHash = "{_build_hash()}";\n}}']
    parts = {
        "build.gen.h": build,
        "isa.gen.h": umbrella,
        "isa_types.gen.h": _types_and_opcodes(),
        "isa_tables.gen.h": _tables(),
    }
    head = "// Generated from compiler/isa by generate_cpp.py; do not edit.\n#pragma once"
    return {name: "\n".join([head, *part]) + "\n" for name, part in parts.items()}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in generate().items():
        output = folder / name
        if not output.exists() or output.read_text() != text:  # an unchanged header triggers no rebuild
            output.write_text(text)
