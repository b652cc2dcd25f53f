"""Reads the text of a program back; its commands are parsed by their declared fields."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..graph.graph import TensorType
from ..interpreter import recursion_allowed
from ..isa.attributes import Attribute, Attributes, Numbers
from ..isa.stream import AICPU_BY_NAME, COMMANDS, SLOT_KINDS, Parameter
from ..target_text import target_of
from ..targets import MemoryKind, Target, TargetError, target
from .parse_kernel import KernelParser
from .program import Command, Costs, Function, Program, Slot

_PARTS = ("parameter", "result", "devices", "costs", "stablehlo", "constants", "debug", "kernel", "function")
_TARGET = {f.name: f for f in fields(Target)}
_COMMANDS = {spec.name: spec for spec in COMMANDS}


@recursion_allowed()
def parse_program(text: str) -> Program:
    """Return the program that `text` describes; TextError says which line is wrong."""
    parser = _ProgramParser(text)
    program = parser.program()
    parser.expect_end()
    return program


class _ProgramParser(KernelParser):
    def program(self) -> Program:
        self.expect("program")
        name = self.name()
        self.expect("target")
        program = Program(name, self.target(), [], [], [])
        self.expect("{")
        while not self.has("}"):
            kind = self.one_of(_PARTS, "part of a program")
            if kind == "parameter":
                program.parameters.append(self._type())
                program.parameter_memory.append(self._memory())
                if self.has("donated"):
                    program.donated |= {len(program.parameters) - 1}
                program.parameter_sharding.append(self._sharding())
            elif kind == "result":
                program.results.append(self._type())
                program.result_memory.append(self._memory())
                program.result_alias.append(self.integer() if self.has("alias") else -1)
                program.result_sharding.append(self._sharding())
            elif kind == "devices":
                program.replicas, program.partitions = self._field("replicas", "int"), self._field("partitions", "int")
            elif kind == "costs":
                program.costs = Costs(**{f.name: float(self._named(f.name)) for f in fields(Costs)})
            elif kind == "stablehlo":
                program.stablehlo = self._bytes()
            elif kind == "debug":
                program.debug = self._bytes()
            elif kind == "constants":
                program.constants = self._bytes()
            else:
                self.next -= 1
                program.kernels.append(self.kernel()) if kind == "kernel" else program.functions.append(self.function())
        return program

    def _sharding(self) -> bytes:
        return bytes.fromhex(self.string()) if self.has("sharding") else b""

    def target(self) -> Target:
        """Take a target: its name, or all of its fields in parentheses."""
        at = self.next
        try:
            if not self.has("("):
                return target(self.name())
            return target_of(dict(self.items(")", self._figure)), "text")
        except TargetError as error:
            self.next = at
            self.fail(str(error))

    def _figure(self) -> tuple[str, Any]:
        name = self.one_of(_TARGET, "field of a target")
        return name, self._named(name, taken=True)

    def _named(self, name: str, taken: bool = False) -> int | float | str:
        """Take `name = value`, or with the name taken the rest."""
        self.expect(*(("=",) if taken else (name, "=")))
        if self.peek.startswith('"'):
            return self.string()
        if self.peek.isdigit():
            return self.integer()
        try:
            return float(self.take())
        except ValueError:
            self.fail("expected a number.", before=True)

    def _memory(self) -> MemoryKind:
        if not self.has("memory"):
            return MemoryKind.device
        return MemoryKind[self.one_of(MemoryKind.__members__, "memory kind")]

    def _type(self) -> TensorType:
        dtype = self.dtype()
        self.expect("[")
        return TensorType(tuple(self.items("]", self.integer)), dtype)

    def _bytes(self) -> bytes:
        self.expect("{")
        pieces: list[bytes] = []
        while not self.has("}"):
            pieces.append(bytes.fromhex(self.string()))
        return b"".join(pieces)

    def function(self) -> Function:
        self.expect("function")
        name = self.name()
        self.expect("frame", "(")
        function = Function(name, frame_bytes=self.integer())
        self.expect(")", "{")
        while self.peek.startswith("%s"):
            self._numbered("s", len(function.slots))
            kind, offset = self.one_of(SLOT_KINDS, "kind of slot"), self.integer()
            self.expect(":")
            function.slots.append(Slot(kind, offset, self.integer()))
        function.commands = self._commands()
        return function

    def _commands(self) -> list[Command]:
        """Take commands up to and with the closing brace."""
        commands: list[Command] = []
        while not self.has("}"):
            spec = _COMMANDS[self.one_of(_COMMANDS, "command")]
            values: list[Any] = []
            for field in spec.fields:
                if field.kind == "branches":
                    values.append(self._branches(field.name))
                elif field.kind == "parameters":
                    values.append(self._parameters(field.name, values[0]))
                elif field.default is not None and self.peek != field.name:
                    values.append(field.default)
                elif field.values:
                    self.expect(field.name, "=")
                    values.append(self.one_of(field.values, field.name))
                else:
                    values.append(self._field(field.name, field.kind))
            commands.append(Command(spec, tuple(values)))
        return commands

    def _branches(self, name: str) -> list[list[Command]]:
        branches: list[list[Command]] = []
        while self.has(name):
            self.expect("{")
            branches.append(self._commands())
        return branches

    def _field(self, name: str, kind: str) -> Any:
        self.expect(name)
        if kind == "commands":
            self.expect("{")
            return self._commands()
        self.expect("=")
        if kind == "slot":
            return self.reference("s")
        if kind in ("kernel", "function"):
            self.name()
            self.expect("#")
            return self.integer()
        if kind == "int":
            return self.integer()
        if kind == "text":
            return self.string()
        if kind == "attributes":
            self.expect("{")
            return self._dictionary()
        if kind == "aicpu":
            return self.one_of(AICPU_BY_NAME, "AICPU kernel")
        self.expect("[")
        if kind == "types":
            return self.items("]", self._type)
        if kind == "ints":
            return self.items("]", self.integer)
        if kind == "groups":
            return self.items("]", self._devices)
        if kind == "pairs":
            return self.items("]", lambda: (self.reference("s"), self.reference("s")))
        return self.items("]", lambda: self.reference("s"))

    def _devices(self) -> list[int]:
        self.expect("[")
        return self.items("]", self.integer)

    def _dictionary(self) -> Attributes:
        return tuple(self.items("}", self._named_attribute))

    def _named_attribute(self) -> tuple[str, Attribute]:
        name = self.string()
        self.expect("=")
        if self.has("{"):
            return name, self._dictionary()
        if self.peek.startswith('"'):
            return name, self.string()
        array = self.has("[")
        dtype = self.dtype()
        numbers = Numbers(dtype, bytes.fromhex(self.string()), not array)
        if array:
            self.expect("]")
        return name, numbers

    def _parameters(self, name: str, op: str) -> dict[str, Any]:
        declared = {p.name: p for p in AICPU_BY_NAME[op].parameters}
        self.expect(name, "=", "{")
        found = dict(self.items("}", lambda: self._parameter(declared)))
        for p in declared:
            if p not in found:
                self.fail(f"{op} lacks {p}=...", before=True)
        return {p: found[p] for p in declared}

    def _parameter(self, declared: dict[str, Parameter]) -> tuple[str, Any]:
        name = self.one_of(declared, "parameter")
        self.expect("=")
        if not declared[name].is_list:
            return name, self._item(declared[name])
        self.expect("[")
        return name, self.items("]", lambda: self._item(declared[name]))

    def _item(self, p: Parameter) -> Any:
        if p.kind.startswith("bool"):
            return self.one_of(("true", "false"), "bool") == "true"
        return self.dtype() if p.kind.startswith("dtype") else self.integer()
